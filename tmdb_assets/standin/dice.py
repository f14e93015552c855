"""Stable pseudo-random numbers from a key.

The same key gives the same numbers in every process, on every machine and in every version of
Python, which neither `hash` nor `random` promises. Nothing here is fit for secrets.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

_T = TypeVar("_T")
_MULTIPLIER = 6364136223846793005  # Knuth's MMIX generator
_INCREMENT = 1442695040888963407
_MASK = (1 << 64) - 1


def digest_of(text: str, size: int = 8) -> bytes:
    """Return `size` bytes that depend on the text alone."""
    return blake2b(text.encode(), digest_size=size).digest()


def unit_of(text: str) -> float:
    """Return a number in [0, 1) that depends on the text alone."""
    return (int.from_bytes(digest_of(text)) >> 11) / (1 << 53)


class Dice:
    """A row of numbers that its key fixes; one owner, one thread."""

    __slots__ = ("_state",)

    def __init__(self, *key: object) -> None:
        self._state = int.from_bytes(digest_of("/".join(map(str, key))))

    def below(self, bound: int) -> int:
        """Return a whole number from 0 up to but not including `bound`."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return (self._state >> 33) * bound >> 31

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def tenths(self, low: int, high: int) -> float:
        """Return a number with one decimal between `low` and `high`."""
        return self.between(low * 10, high * 10) / 10

    def chance(self, percent: int) -> bool:
        """Return True in `percent` of a hundred cases."""
        return self.below(100) < percent

    def pick(self, things: Sequence[_T]) -> _T:
        """Return one of the things."""
        return things[self.below(len(things))]

    def some(self, things: Sequence[_T], count: int) -> list[_T]:
        """Return `count` different things, or all of them if there are fewer."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]

    def hexadecimal(self, length: int) -> str:
        """Return that many hex digits."""
        return "".join("0123456789abcdef"[self.below(16)] for _ in range(length))

    def picture(self) -> str:
        """Return a path of a picture as TMDB writes them; no such picture exists."""
        return f"/standin{self.hexadecimal(20)}.jpg"

    def date(self, first_year: int, last_year: int) -> str:
        """Return a day as YYYY-MM-DD."""
        year = self.between(first_year, last_year)
        return f"{year}-{self.between(1, 12):02}-{self.between(1, 28):02}"

"""Sets of ids in little memory: a bit for each id that TMDB may have given so far."""

_DENSE = 1 << 28
"""Ids below are kept as bits, 32 MiB at most; TMDB's largest are some millions."""


class IdSet:
    """A set of positive whole numbers; owned by one thread."""

    __slots__ = ("_bits", "_count", "_others")

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[int] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, number: int) -> bool:
        if number >= _DENSE:
            return number in self._others
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] >> (number & 7) & 1)

    def add(self, number: int) -> bool:
        """Take an id in; return whether it is new."""
        if number in self:
            return False
        self._count += 1
        if number >= _DENSE:
            self._others.add(number)
            return True
        place = number >> 3
        if place >= len(self._bits):
            # in large steps: ids mostly come in rising order
            self._bits.extend(bytes(max(place + 1 - len(self._bits), 1 << 16)))
        self._bits[place] |= 1 << (number & 7)
        return True

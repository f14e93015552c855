"""Made-up lists of what changed, with the traps that TMDB's have; pure.

A day's changes follow from the day alone, so pages of a window are stable and windows agree. Which
day is today is not known here: a day in the future has changes too, and without dates the answer is
that of one fixed day.
"""

from datetime import date, timedelta
from functools import lru_cache

from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.smallthings import JsonObject, exists

PER_PAGE = 100
LONGEST_DAYS = 14
"""Days that a window may have."""

_FIXED_DAY = date(2025, 11, 24)
_ONE_DAY = timedelta(days=1)
_DIGITS = len("2025-11-24")
_LEAST_IDS = 3_000
_REPEATS_FROM = 30


class BadDateError(Exception):
    """A date that is none."""


class BadRangeError(Exception):
    """Dates that are no window of at most 14 days."""


def window(start: str | None, end: str | None) -> tuple[date, date]:
    """Return the first day of a window and the one after its last.

    Args:
        start: as sent, or None for the day before `end`.
        end: as sent, one past the last day; None for the longest window from `start`.

    Raises:
        BadDateError: one is no date.
        BadRangeError: they are in the wrong order or too far apart.
    """
    first, last = _day(start), _day(end)
    if first is None:
        first = last - _ONE_DAY if last else _FIXED_DAY
        last = first + _ONE_DAY
    if last is None:
        last = first + timedelta(days=LONGEST_DAYS)
    if not 0 <= (last - first).days <= LONGEST_DAYS:
        raise BadRangeError
    return first, last


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise BadDateError from None
    # "20251124" and "2025-W48-1" are ISO 8601 too
    if len(text) != _DIGITS or not date(1900, 1, 1) <= found <= date(2100, 1, 1):
        raise BadDateError
    return found


def page_of(kind: str, days: tuple[date, date], page: int, per_day: int) -> JsonObject:
    """Return a page of the ids that changed.

    Args:
        kind: `movie`, `tv` or `person`.
        days: the first one, and the one after the last.
        page: from 1.
        per_day: about how many changes a day has.
    """
    first, last = days
    items: list[JsonObject] = []
    for place in range((last - first).days):
        items += _changed_on(kind, first.toordinal() + place, per_day)
    start = (page - 1) * PER_PAGE
    return {
        "results": items[start : start + PER_PAGE],
        "page": page,
        "total_pages": max(1, -(-len(items) // PER_PAGE)),
        "total_results": len(items),
    }


@lru_cache(maxsize=128)
def _changed_on(kind: str, day: int, per_day: int) -> tuple[JsonObject, ...]:
    dice = Dice("changes", kind, day)
    ids = max(_LEAST_IDS, 10 * per_day)
    items: list[JsonObject] = []
    for place in range(dice.between(per_day * 9 // 10, per_day)):
        number = 1 + dice.below(ids)
        item: JsonObject = {"id": number + (not exists(number)), "adult": False}
        if dice.chance(5):
            item = {**item, "adult": None}
        if dice.chance(1):
            item = {"id": None, "adult": None}
        if place >= _REPEATS_FROM and dice.chance(4):
            item = items[dice.below(place)]
        items.append(item)
    return tuple(items)

"""Days of TMDB's calendar, which is UTC: reading one, and which exports there can be. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from tmdb_assets.errors import ConfigurationError

EXPORTS_KEPT_DAYS = 90
"""TMDB keeps exports for three months."""

WALKED_BACK_DAYS = 7
"""How many earlier days are tried when the newest export is not there."""

_MADE_FROM_HOUR = 7
"""TMDB begins with the day's exports at about 07:00 UTC; before, there is nothing to ask for."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_day(text: str, today: date, oldest: date) -> date:
    """Return the day that a user wrote.

    Raises:
        ConfigurationError: it is none, is yet to come, or lies before `oldest`.
    """
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ConfigurationError(f"{text[:40]!r} is no date: write it as {today.isoformat()}")
    if day > today:
        raise ConfigurationError(f"{day} is yet to come: today is {today} (UTC)")
    if day < oldest:
        raise ConfigurationError(f"{day} is too long ago: take {oldest} or later")
    return day


def oldest_export(today: date) -> date:
    """Return the day of the oldest exports that TMDB still has."""
    return today - timedelta(days=EXPORTS_KEPT_DAYS)


def export_days(now: datetime) -> Iterator[date]:
    """Yield the days whose exports are to be tried, the newest first.

    Args:
        now: present moment, UTC.
    """
    newest = now.date() - timedelta(days=now.hour < _MADE_FROM_HOUR)
    for back in range(1 + WALKED_BACK_DAYS):
        yield newest - timedelta(days=back)

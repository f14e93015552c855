"""Days of changes that are over: kept, so that nobody asks for them twice.

A small file per kind and day, `data/changes/<kind>-<day>.json`, with the ids of all of its pages.
A damaged one, or that of another origin, counts as none.
"""

import contextlib
import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tmdb_assets.files import (
    TEMPORARY_PREFIX,
    make_folder,
    read_file,
    remove,
    storing,
    within,
    write_whole,
)
from tmdb_assets.sources.change_pages import Page, Window

SETTLED_AFTER = timedelta(hours=6)
"""After the end of a day: a cache before TMDB may show it unfinished, or our clock be ahead."""

_FORMAT = 1
_NAME = re.compile(r"[a-z]+-([0-9]{4}-[0-9]{2}-[0-9]{2})\.json")
_LARGEST_ID = (1 << 63) - 1
_LEFTOVER_SECONDS = 86_400.0
_KEPT_SECONDS = 180 * 86_400.0  # six months: TMDB's terms


def is_settled(day: date, asked_at: datetime) -> bool:
    """Say whether what TMDB lists of a day at a moment is all that it will ever list. Both UTC."""
    ends_at = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    return asked_at >= ends_at + SETTLED_AFTER


def together(pages: Sequence[Page]) -> Page:
    """Return all pages of a window as one."""
    return Page(
        pages=pages[0].pages,
        all_pages=pages[0].all_pages,
        ids=tuple(number for page in pages for number in page.ids),
        adult=frozenset().union(*(page.adult for page in pages)),
        without_id=sum(page.without_id for page in pages),
    )


class KeptDays:
    """What is kept of one origin."""

    def __init__(self, data_dir: Path, origin: str) -> None:
        """Get ready; nothing is read or made before `prepare`.

        Raises:
            StoreError: a symbolic link leads out of the data folder.
        """
        self._folder = within(data_dir, "changes")
        self._origin = origin

    def read(self, window: Window) -> Page | None:
        """Return all pages of a window as one, None if they are not kept.

        Raises:
            StoreError: the file cannot be read.
        """
        path = self._path(window)
        with storing(path):
            try:
                found = json.loads(read_file(path))
            except (FileNotFoundError, ValueError, RecursionError):
                return None
        try:
            if (found["format"], found["origin"]) != (_FORMAT, self._origin):
                return None
            return Page(
                pages=int(found["pages"]),
                all_pages=int(found["all_pages"]),
                ids=tuple(map(_checked, found["ids"])),
                adult=frozenset(map(_checked, found["adult"])),
                without_id=int(found["without_id"]),
            )
        except (ValueError, TypeError, KeyError, OverflowError):
            return None

    def keep(self, window: Window, page: Page) -> None:
        """Keep all pages of a window, as one.

        Raises:
            StoreError: the data folder cannot be written.
        """
        record = {
            "format": _FORMAT,
            "origin": self._origin,
            "kind": window.kind,
            "day": window.day.isoformat(),
            "pages": page.pages,
            "all_pages": page.all_pages,
            "without_id": page.without_id,
            "ids": page.ids,
            "adult": sorted(page.adult),
        }
        content = json.dumps(record, separators=(",", ":"))
        write_whole(self._path(window), content.encode() + b"\n")

    def prepare(self, oldest: date) -> None:
        """Make the folder; remove what it has of days before that one, or for too long.

        What a kill left there goes too.

        Raises:
            StoreError: the folder cannot be made or read.
        """
        make_folder(self._folder)
        with storing(self._folder):
            for path in self._folder.iterdir():
                match = _NAME.fullmatch(path.name)
                # ISO 8601: the order of the letters is that of the days
                is_past = match and match[1] < oldest.isoformat()
                if is_past or _is_leftover(path) or (match and _is_older(path, _KEPT_SECONDS)):
                    remove(path)

    def _path(self, window: Window) -> Path:
        return self._folder / f"{window.kind}-{window.day}.json"


def _checked(number: object) -> int:
    if type(number) is not int or not 0 < number <= _LARGEST_ID:
        raise ValueError("no id")
    return number


def _is_leftover(path: Path) -> bool:
    """Say whether a file is unfinished and so old that nobody writes it any more."""
    return path.name.startswith(TEMPORARY_PREFIX) and _is_older(path, _LEFTOVER_SECONDS)


def _is_older(path: Path, seconds: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.lstat().st_mtime < time.time() - seconds
    return False

"""Getting exports: the newest that there are, each to a file that is there for a while only."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tmdb_assets.client.file_download import (
    FetchedFile,
    FileAbsentError,
    FileClient,
    FileUnavailableError,
)
from tmdb_assets.errors import UrlListError
from tmdb_assets.files import exclusive, make_folder, remove, within
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.list_name import STAND_IN_SUFFIX
from tmdb_assets.model import Settings
from tmdb_assets.retry import pause_seconds
from tmdb_assets.urls import is_loopback

EXPORTS_URL = "https://files.tmdb.org/p/exports"
"""Where TMDB has its exports; a stand-in has them at its own origin."""

TRIES = 3
"""Times that a file is asked for while it does not come."""

_LOCK_WAIT_SECONDS = 60.0


class NoExportError(UrlListError):
    """There is no export of any of the days: not yet, or not any more."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export on disk.

    Attributes:
        name: without date, as `movie_ids`.
        path: of the file, in gzip.
        record: where it is remembered what was used last.
        file: as it came.
    """

    name: str
    day: date
    path: Path
    record: Path
    file: FetchedFile


def exports_url(settings: Settings) -> str:
    """Return where exports are, without a slash at the end."""
    first = settings.origins[0]
    return f"{first}/p/exports" if is_loopback(first) else EXPORTS_URL


@contextmanager
def fetched(
    names: Sequence[str],
    days: Sequence[date],
    settings: Settings,
    sleep: Callable[[float], None],
) -> Iterator[tuple[Export, ...]]:
    """Have the exports of these names, all of one day, on disk while the block lasts.

    One process does this at a time for the first name; others wait.

    Args:
        names: one or more.
        days: to be tried in this order, until all are there.
        settings: origins, data folder and limiter.
        sleep: waits so many seconds.

    Raises:
        NoExportError: they are there for none of the days.
        FileDownloadError: one cannot be had.
        BatchBusyError: another process has them for too long.
        LimiterError: no permit can be had.
        StoreError: the data folder cannot be written.
    """
    folder = within(settings.data_dir, "exports")
    make_folder(folder)
    # what is made up must not be measured by what is TMDB's, nor the other way round
    suffix = STAND_IN_SUFFIX if is_loopback(settings.origins[0]) else ""
    with exclusive(folder / f".lock-{names[0]}{suffix}", _LOCK_WAIT_SECONDS):
        stems = {name: folder / f"{name}{suffix}" for name in names}
        try:
            with closing(open_door(settings)) as door, FileClient(door) as client:
                exports = _newest(_Source(client, exports_url(settings), sleep), stems, days)
            yield exports
        finally:
            for stem in stems.values():
                remove(_beside(stem, ".json.gz"))


@dataclass(frozen=True, slots=True)
class _Source:
    client: FileClient
    url: str
    sleep: Callable[[float], None]

    def get(self, name: str, day: date, stem: Path) -> Export:
        """Bring one export to the disk; what may pass is tried again."""
        url = f"{self.url}/{name}_{day:%m_%d_%Y}.json.gz"
        path = _beside(stem, ".json.gz")
        tries = 1
        while True:
            try:
                file = self.client.fetch(url, path)
            except FileUnavailableError:
                if tries == TRIES:
                    raise
            else:
                return Export(name, day, path, _beside(stem, ".json"), file)
            self.sleep(pause_seconds(tries, None, random.random))  # noqa: S311 - no secret hangs on it
            tries += 1


def _newest(source: _Source, stems: dict[str, Path], days: Sequence[date]) -> tuple[Export, ...]:
    for day in days:
        try:
            # the first is the largest: in vain if another one is not there
            found = {name: source.get(name, day, stems[name]) for name in reversed(stems)}
            return tuple(found[name] for name in stems)
        except FileAbsentError:
            continue
    names = " and ".join(stems)
    if len(days) == 1:
        words = f"of {days[0]}: take another date, or none for the newest"
    else:
        words = f"of {days[-1]} to {days[0]}: try again later"
    raise NoExportError(f"there is no export {names} at {source.url} {words}")


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(f"{stem.name}{suffix}")

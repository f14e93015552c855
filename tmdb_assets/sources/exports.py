"""From TMDB's daily export of ids to a list of URLs.

Export, filters, what is frozen already: one pass, in memory that does not grow with the lines. The
list comes to its place whole or not at all, and an export that looks wrong makes none.
"""

import heapq
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Settings
from tmdb_assets.sources.days import export_days, oldest_export, parse_day
from tmdb_assets.sources.export_file import Entry, ExportFile
from tmdb_assets.sources.fetching import Export, fetched
from tmdb_assets.sources.ids import IdSet
from tmdb_assets.sources.kinds import Kind, kind_named
from tmdb_assets.sources.known import Known
from tmdb_assets.sources.list_file import check_place, writing
from tmdb_assets.sources.shapes import Shape, Wish, shape_of
from tmdb_assets.sources.used import Used, check_length, write_used

ADULT = "adult"
VIDEO = "video"
UNPOPULAR = "less popular"
UNRATED = "without a popularity"
BEYOND = "beyond the limit"
"""Why ids are left out."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to be made of.

    Attributes:
        kind: name of a kind that has an export.
        wish: which URLs an id makes.
        min_popularity: ids that the export says are less popular are left out.
        adult: whether adult titles or persons are wanted too; they have an export of their own.
        video: whether films that TMDB marks as `video` are wanted: concerts, compilations and such.
        limit: only the most popular of what is left; of kinds without popularity, the first.
        day: of the export, as YYYY-MM-DD; empty for the newest that is there.
        every: whether URLs that a frozen list has are wanted too.
    """

    kind: str
    wish: Wish = field(default_factory=Wish)
    min_popularity: float = 0.0
    adult: bool = False
    video: bool = False
    limit: int | None = None
    day: str = ""
    every: bool = False


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What became of the ids of an export.

    Attributes:
        day: of the export.
        sources: URLs of the files that were read.
        lines: of these files.
        odd: lines that are left out, by what is wrong with them.
        left_out: ids that are not wanted, by why.
        ids: that are wanted.
        already: URLs of them that a frozen list has.
        written: URLs in the list; if 0, none was written.
        first: a few of them.
        path: of the list.
    """

    kind: str
    day: date
    sources: tuple[str, ...]
    lines: int
    odd: tuple[tuple[str, int], ...]
    left_out: tuple[tuple[str, int], ...]
    ids: int
    already: int
    written: int
    first: tuple[str, ...]
    path: Path


def make_list(
    wanted: Wanted,
    settings: Settings,
    path: Path,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> ExportReport:
    """Write the URLs of the wanted ids to `path`, and say what became of all ids.

    Nothing is written if there is none, or if anything fails.

    Args:
        wanted: what to take.
        settings: origins, data folder and limiter.
        path: of the list; a name that ends in `.gz` makes it packed.
        now: returns the present moment, UTC.
        sleep: waits so many seconds.

    Raises:
        ConfigurationError: something is wanted that there is not. Nothing was sent.
        ExportError: the export is cut short, or none.
        NoExportError: there is none of that day, or of the last days.
        FileDownloadError: it cannot be had.
        BatchError: a frozen list is damaged, or another process makes a list of the same export.
        LimiterError: no permit can be had.
        StoreError: the data folder or the list cannot be written.
    """
    kind = kind_named(wanted.kind)
    shape = checked(wanted, settings)
    days = _days(wanted, now())
    check_place(path)
    known = Known(shape)
    if not wanted.every:
        known.read(settings.data_dir)
    names = (kind.export, kind.adult_export) if wanted.adult else (kind.export,)
    with fetched(names, days, settings, sleep) as exports:
        return _write(_Selection(wanted, exports), shape, known, path)


def checked(wanted: Wanted, settings: Settings) -> Shape:
    """Return the shape of the URLs that are wanted; sends nothing and reads nothing.

    Raises:
        ConfigurationError: something is wanted that there is not, or a parameter is a credential.
    """
    kind = kind_named(wanted.kind)
    shape = shape_of(kind, wanted.wish, settings)
    _check(kind, wanted)
    return shape


def _days(wanted: Wanted, now: datetime) -> Sequence[date]:
    if not wanted.day:
        return tuple(export_days(now))
    return (parse_day(wanted.day, now.date(), oldest_export(now.date())),)


def _check(kind: Kind, wanted: Wanted) -> None:
    if wanted.adult and not kind.adult_export:
        raise ConfigurationError(f"TMDB marks no {kind.name} as adult: leave that out")
    if wanted.video and not kind.has_video:
        raise ConfigurationError(f"TMDB marks no {kind.name} as video: leave that out")
    if not (math.isfinite(wanted.min_popularity) and wanted.min_popularity >= 0):
        raise ConfigurationError(
            f"a popularity of {wanted.min_popularity} is none: take 0 or more; 10 is popular"
        )
    if wanted.min_popularity and not kind.has_popularity:
        raise ConfigurationError(
            f"the export of {kind.name} has no popularity: leave the least popularity out"
        )
    if wanted.limit is not None and wanted.limit < 1:
        raise ConfigurationError(f"a limit of {wanted.limit} leaves nothing: take 1 or more")


class _Selection:
    """The ids of exports that are wanted; used once."""

    def __init__(self, wanted: Wanted, exports: Sequence[Export]) -> None:
        self._wanted = wanted
        self._exports = exports
        seen = IdSet()
        self.files = [ExportFile(one.path, one.file.url, seen) for one in exports]
        self.left_out: Counter[str] = Counter()
        self.count = 0

    @property
    def kind(self) -> str:
        """Whose ids they are."""
        return self._wanted.kind

    @property
    def day(self) -> date:
        """Of the exports."""
        return self._exports[0].day

    def ids(self) -> Iterator[int]:
        """Yield the wanted ids in the order of the exports."""
        limit = self._wanted.limit
        for number in self._acceptable() if limit is None else self._most_popular(limit):
            self.count += 1
            yield number

    def check(self) -> None:
        """Make sure that what was read to its end was whole.

        Raises:
            ExportError: an export is much shorter than the one before.
        """
        for export, file in zip(self._exports, self.files, strict=True):
            check_length(file, export.record)

    def remember(self) -> None:
        """Note that the exports were used."""
        for export, file in zip(self._exports, self.files, strict=True):
            used = Used(export.day.isoformat(), file.lines, export.file.etag)
            write_used(export.record, used)

    def _acceptable(self) -> Iterator[int]:
        return (entry.number for entry in self._entries())

    def _most_popular(self, limit: int) -> Iterator[int]:
        """Yield as many ids as there may be; memory is that many."""
        best: list[tuple[float, int, int]] = []
        for place, entry in enumerate(self._entries()):
            # of two that are equally popular the former is kept
            item = (_popularity(entry) or 0.0, -place, entry.number)
            if len(best) < limit:
                heapq.heappush(best, item)
            else:
                heapq.heappushpop(best, item)
                self.left_out[BEYOND] += 1
        best.sort(key=lambda item: -item[1])
        return (number for _, _, number in best)

    def _entries(self) -> Iterator[Entry]:
        for file in self.files:
            for entry in file.entries():
                if why := self._why_not(entry):
                    self.left_out[why] += 1
                else:
                    yield entry

    def _why_not(self, entry: Entry) -> str:
        """Return why an id is not wanted; empty if it is."""
        wanted, fields = self._wanted, entry.fields
        if not wanted.adult and fields.get("adult") is True:
            return ADULT
        if not wanted.video and fields.get("video") is True:
            return VIDEO
        return self._why_not_popular(entry) if wanted.min_popularity else ""

    def _why_not_popular(self, entry: Entry) -> str:
        popularity = _popularity(entry)
        if popularity is None:
            return UNRATED
        return UNPOPULAR if popularity < self._wanted.min_popularity else ""


def _popularity(entry: Entry) -> float | None:
    """Return the popularity of an id; None if the line has none that can be used."""
    value = entry.fields.get("popularity")
    if not isinstance(value, int | float):
        return None
    try:
        popularity = float(value)
    except OverflowError:  # a whole number in JSON may be of any size
        return None
    return popularity if math.isfinite(popularity) else None


def _write(selection: _Selection, shape: Shape, known: Known, path: Path) -> ExportReport:
    with writing(path) as lines:
        for number in selection.ids():
            for url in known.missing(number):
                lines.add(url)
        selection.check()
    selection.remember()
    odd: Counter[str] = Counter()
    for file in selection.files:
        odd += file.odd
    return ExportReport(
        kind=selection.kind,
        day=selection.day,
        sources=tuple(file.url for file in selection.files),
        lines=sum(file.lines for file in selection.files),
        odd=tuple(odd.most_common()),
        left_out=tuple(selection.left_out.most_common()),
        ids=selection.count,
        already=selection.count * len(shape.ends) - lines.count,
        written=lines.count,
        first=tuple(lines.first),
        path=path,
    )

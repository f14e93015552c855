"""From TMDB's lists of changes to a list of URLs to ask for again.

What TMDB's lists do not tell of are deletions, and some edits.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tmdb_assets import open_files
from tmdb_assets.errors import ConfigurationError, StoreError
from tmdb_assets.model import Settings
from tmdb_assets.settings import require_credential
from tmdb_assets.sources.change_pages import Changed, Tally, Window
from tmdb_assets.sources.change_windows import ReadWindows, reading
from tmdb_assets.sources.days import parse_day
from tmdb_assets.sources.ids import IdSet
from tmdb_assets.sources.kept_days import KeptDays
from tmdb_assets.sources.kinds import CHANGING, kind_named
from tmdb_assets.sources.known import frozen_urls
from tmdb_assets.sources.list_file import Lines, check_place, writing
from tmdb_assets.sources.shapes import Shape, Wish, shape_of
from tmdb_assets.urls import key

LONGEST_DAYS = 366
"""Further back hardly anything is left unchanged: asking for all anew takes less."""

_DAYS_AT_ONCE = 14
"""Some 2,700 pages: what waits for its turn stays small."""

_ID = re.compile(r"0*([1-9][0-9]{0,18})(?:-.*)?")
"""As TMDB takes it: 550 is also 0550 and 550-fight-club."""

_FOREIGN_ID = re.compile(r"(?:tt|nm)[0-9]+")

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Since:
    """Which changes are wanted, and what of them.

    Attributes:
        day: the first one, as YYYY-MM-DD.
        kinds: some of `CHANGING`.
        new: whether ids are wanted that no frozen list has; adult ones are not.
        wish: which URLs such an id makes.
    """

    day: str
    kinds: tuple[str, ...] = CHANGING
    new: bool = False
    wish: Wish = field(default_factory=Wish)


@dataclass(frozen=True, slots=True)
class ChangesReport:
    """What changed, and what of it is in the list.

    Attributes:
        since, until: first and last day; the last one is not over yet.
        tallies: of each kind and day.
        ids: how many different ones changed, by kind that was asked about.
        frozen: URLs of frozen lists in the list.
        nameless: URLs of frozen lists that name no TMDB id: whether they changed is not known.
        new: ids that no list had, in the list.
        written: URLs in the list; if 0, none was written.
        first: a few of them.
        path: of the list.
    """

    since: date
    until: date
    tallies: tuple[Tally, ...]
    ids: Mapping[str, int]
    frozen: int
    nameless: int
    new: int
    written: int
    first: tuple[str, ...]
    path: Path


def make_list(
    wanted: Since,
    settings: Settings,
    path: Path,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    say: Say = lambda _: None,
) -> ChangesReport:
    """Write the URLs of what changed to `path`, and say how much that was.

    Nothing is written if there is none, or if anything fails. What TMDB said of days that are over
    is kept all the same, so that the next call does not ask for them. Without `new`, a kind that no
    list has is not asked about.

    Args:
        wanted: what to take.
        settings: origins, credential, limits and data folder.
        path: of the list; a name that ends in `.gz` makes it packed.
        now: returns the present moment, UTC.
        say: is told now and then how far it is, and what is left out.

    Raises:
        ConfigurationError: something is wanted that there is not, or a credential is missing.
            Nothing was sent.
        CredentialError: TMDB refuses the credential.
        DownloadStoppedError: a page cannot be had.
        BatchError: a frozen list is damaged.
        LimiterError: no permit can be had.
        StoreError: the data folder cannot be read or written, or the list not written.
    """
    today = now().date()
    oldest = today - timedelta(days=LONGEST_DAYS)
    since = parse_day(wanted.day, today, oldest)
    shapes = _shapes(wanted, settings)
    check_place(path)
    require_credential(settings, settings.origins[:1])
    # what is damaged is found before a request is spent
    kinds, nameless = _look(wanted, settings, say)
    changed = {kind: Changed() for kind in kinds}
    tallies: list[Tally] = []
    if kinds:
        open_files.ensure(settings.threads)
        kept = KeptDays(settings.data_dir, settings.origins[0])
        kept.prepare(oldest)
        days = [since + timedelta(days=place) for place in range((today - since).days + 1)]
        with _telling(days, kinds, kept, say), reading(settings, kept, now) as read:
            tallies = _collect(days, changed, read, say)
    with writing(path) as lines:
        frozen, had = _write_frozen(changed, settings, lines)
        new = _write_new(changed, had, shapes, lines)
    return ChangesReport(
        since=since,
        until=today,
        tallies=tuple(tallies),
        ids={kind: len(ids) for kind, ids in changed.items()},
        frozen=frozen,
        nameless=nameless,
        new=new,
        written=lines.count,
        first=tuple(lines.first),
        path=path,
    )


def _shapes(wanted: Since, settings: Settings) -> dict[str, Shape]:
    """Return what new ids make, by kind; nothing if none are wanted."""
    for kind in wanted.kinds:
        if kind not in CHANGING:
            raise ConfigurationError(
                f"TMDB lists no changes of {kind[:80]!r}: take from {', '.join(CHANGING)}"
            )
    if wanted.new:
        return {kind: shape_of(kind_named(kind), wanted.wish, settings) for kind in wanted.kinds}
    if wanted.wish != Wish():
        raise ConfigurationError("what to append is about new ids: have these too, with --new")
    return {}


def _look(wanted: Since, settings: Settings, say: Say) -> tuple[tuple[str, ...], int]:
    """Return the kinds to ask about, and how many URLs of lists name no TMDB id."""
    found: set[str] = set()
    nameless = 0
    for url, kind, name in _urls_about(wanted.kinds, settings):
        if _ID.fullmatch(name):
            found.add(kind)
        elif _FOREIGN_ID.fullmatch(name):
            nameless += 1
            example = url
    if nameless:
        say(
            f"{nameless:,} URLs name no TMDB id (as {example}): what changed is not known of "
            "them, refresh these with refresh --older-than"
        )
    if wanted.new:
        return wanted.kinds, nameless
    for kind in wanted.kinds:
        if kind not in found:
            say(f"no list has a {kind}: its changes are not asked for (--new takes ids in)")
    return tuple(kind for kind in wanted.kinds if kind in found), nameless


def _urls_about(kinds: Iterable[str], settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Yield the URLs of frozen lists about some kinds, each with kind and whatever names the id."""
    origins, names = ("|".join(map(re.escape, some)) for some in (settings.origins, kinds))
    # a season and an episode change with their series
    about = re.compile(f"(?:{origins})/3/({names})/([^/?]+)(?:[/?].*)?")
    for url in frozen_urls(settings.data_dir):
        if (match := about.fullmatch(url)) is not None:
            yield url, match[1], match[2]


@contextmanager
def _telling(
    days: Sequence[date], kinds: Sequence[str], kept: KeptDays, say: Say
) -> Iterator[None]:
    """Say, when the block breaks off, where the same command goes on."""
    try:
        yield
    except BaseException:
        windows = (Window(kind, day) for day in days for kind in kinds)
        with suppress(StoreError):
            day = next((one.day for one in windows if kept.read(one) is None), days[0])
            if day > days[0]:
                say(f"stopped at {day}: the days before are kept, the same command goes on there")
        raise


def _collect(
    days: Sequence[date], changed: Mapping[str, Changed], read: ReadWindows, say: Say
) -> list[Tally]:
    """Take in what changed on these days, and count it."""
    tallies: list[Tally] = []
    for start in range(0, len(days), _DAYS_AT_ONCE):
        some = days[start : start + _DAYS_AT_ONCE]
        for window, page in read([Window(kind, day) for day in some for kind in changed]):
            tally = Tally(window, lost_pages=page.all_pages - page.pages)
            changed[window.kind].take(page, tally)
            tally.pages = max(page.pages, 1)  # the first one is read even if there is none
            tallies.append(tally)
        say(f"changes of {some[0]} to {some[-1]}: {sum(map(len, changed.values())):,} ids")
    return tallies


def _write_frozen(
    changed: Mapping[str, Changed], settings: Settings, lines: Lines
) -> tuple[int, dict[str, IdSet]]:
    """Write what frozen lists have about changed ids; return how much, and the ids of all lists."""
    had = {kind: IdSet() for kind in changed}
    written: set[bytes] = set()
    for url, kind, name in _urls_about(changed, settings) if changed else ():
        match = _ID.fullmatch(name)
        if match is None or (number := int(match[1])) not in changed[kind]:
            continue
        had[kind].add(number)
        if (digest := key(url)) not in written:
            written.add(digest)
            lines.add(url)
    return len(written), had


def _write_new(
    changed: Mapping[str, Changed],
    had: Mapping[str, IdSet],
    shapes: Mapping[str, Shape],
    lines: Lines,
) -> int:
    """Write what no list has, and return how many ids that are."""
    count = 0
    for kind, shape in shapes.items():
        for number in changed[kind].not_adult():
            if number in had[kind]:
                continue
            count += 1
            for url in shape.urls(number):
                lines.add(url)
    return count

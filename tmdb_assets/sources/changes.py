"""From TMDB's lists of changes to a list of URLs to ask for again.

Every page goes through the client and the limiter that batches go through. What TMDB's lists do not
tell of are deletions, and some edits.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tmdb_assets import open_files
from tmdb_assets.client.session import Client
from tmdb_assets.errors import ConfigurationError, LimiterClosedError
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import Settings
from tmdb_assets.settings import require_credential
from tmdb_assets.sources.asking import Asker
from tmdb_assets.sources.change_pages import Changed, Page, Tally, Window, read_page
from tmdb_assets.sources.days import parse_day
from tmdb_assets.sources.ids import IdSet
from tmdb_assets.sources.kinds import CHANGING, kind_named
from tmdb_assets.sources.known import frozen_urls
from tmdb_assets.sources.list_file import Lines, check_place, writing
from tmdb_assets.sources.shapes import Shape, Wish, shape_of
from tmdb_assets.urls import key

LONGEST_DAYS = 366
"""Further back hardly anything is left unchanged: asking for all anew takes less."""

_DAYS_AT_ONCE = 14
"""Some 2,700 pages: what waits for its turn stays small."""

Read = Callable[[Window, int], Page]


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
        ids: how many different ones changed, by kind.
        frozen: URLs of frozen lists in the list.
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
    say: Callable[[str], object] = lambda _: None,
) -> ChangesReport:
    """Write the URLs of what changed to `path`, and say how much that was.

    Nothing is written if there is none, or if anything fails.

    Args:
        wanted: what to take.
        settings: origins, credential, limits and data folder.
        path: of the list; a name that ends in `.gz` makes it packed.
        now: returns the present moment, UTC.
        say: is told now and then how far it is.

    Raises:
        ConfigurationError: something is wanted that there is not, or a credential is missing.
            Nothing was sent.
        CredentialError: TMDB refuses the credential.
        DownloadStoppedError: a page cannot be had.
        BatchError: a frozen list is damaged.
        LimiterError: no permit can be had.
        StoreError: the data folder cannot be read or the list not written.
    """
    today = now().date()
    since = parse_day(wanted.day, today, today - timedelta(days=LONGEST_DAYS))
    shapes = _shapes(wanted, settings)
    check_place(path)
    require_credential(settings, settings.origins[:1])
    open_files.ensure(settings.threads)
    days = [since + timedelta(days=place) for place in range((today - since).days + 1)]
    changed = {kind: Changed() for kind in wanted.kinds}
    tallies: list[Tally] = []
    with _reading(settings) as (pool, read):
        for start in range(0, len(days), _DAYS_AT_ONCE):
            some = days[start : start + _DAYS_AT_ONCE]
            windows = [Window(kind, day) for day in some for kind in wanted.kinds]
            tallies += _collect(windows, changed, pool, read)
            say(f"changes of {some[0]} to {some[-1]}: {sum(map(len, changed.values())):,} ids")
    with writing(path) as lines:
        frozen, had = _write_frozen(changed, settings, lines)
        new = _write_new(changed, had, shapes, lines)
    return ChangesReport(
        since=since,
        until=today,
        tallies=tuple(tallies),
        ids={kind: len(ids) for kind, ids in changed.items()},
        frozen=frozen,
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


@contextmanager
def _reading(settings: Settings) -> Iterator[tuple[ThreadPoolExecutor, Read]]:
    """Give threads, and what they read pages with; none waits for anything after the block."""
    origin = settings.origins[0]
    pool = ThreadPoolExecutor(settings.threads, "tmdb-changes")
    with closing(open_door(settings)) as door, closing(Client(settings, door)) as client:
        asker = Asker(client, door, settings.max_attempts)
        failures: list[BaseException] = []

        def read(window: Window, number: int) -> Page:
            url = window.url(origin, number)
            try:
                return read_page(asker.ask(url), url)
            except BaseException as error:
                failures.append(error)
                if failures[0] is error:
                    # nobody goes on asking or waiting, whichever page is looked at next
                    asker.stop()
                    door.close()
                    client.close()
                raise

        try:
            yield pool, read
        except LimiterClosedError:
            raise failures[0] from None
        finally:
            asker.stop()
            door.close()
            client.close()
            pool.shutdown(cancel_futures=True)


def _collect(
    windows: Sequence[Window], changed: Mapping[str, Changed], pool: ThreadPoolExecutor, read: Read
) -> list[Tally]:
    """Take in all pages of the windows; the first of each tells how many more there are."""
    firsts = pool.map(read, windows, [1] * len(windows))
    found = {window: [page] for window, page in zip(windows, firsts, strict=True)}
    rest = [
        (window, number)
        for window, (first,) in found.items()
        for number in range(2, first.pages + 1)
    ]
    pages = pool.map(read, [window for window, _ in rest], [number for _, number in rest])
    for (window, _), page in zip(rest, pages, strict=True):
        found[window].append(page)
    tallies = []
    for window, its_pages in found.items():
        tally = Tally(window, lost_pages=its_pages[0].all_pages - its_pages[0].pages)
        for page in its_pages:
            changed[window.kind].take(page, tally)
        tallies.append(tally)
    return tallies


def _write_frozen(
    changed: Mapping[str, Changed], settings: Settings, lines: Lines
) -> tuple[int, dict[str, IdSet]]:
    """Write what frozen lists have about changed ids; return how much, and the ids of all lists."""
    origins, kinds = ("|".join(map(re.escape, some)) for some in (settings.origins, changed))
    # a season and an episode change with their series
    about = re.compile(f"(?:{origins})/3/({kinds})/([1-9][0-9]{{0,18}})(?:[/?].*)?")
    had = {kind: IdSet() for kind in changed}
    written: set[bytes] = set()
    for url in frozen_urls(settings.data_dir):
        match = about.fullmatch(url)
        if match is None or (number := int(match[2])) not in changed[match[1]]:
            continue
        had[match[1]].add(number)
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

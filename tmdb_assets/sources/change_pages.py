"""TMDB's lists of changed ids: their URLs, and what a page holds. Pure.

A window is one day: `end_date` is one past it, a day has at most some hundred pages, and 500 are
the most that TMDB gives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tmdb_assets.errors import DownloadStoppedError
from tmdb_assets.sources.ids import IdSet

MOST_PAGES = 500
"""TMDB's bound on pages of anything (its error 22)."""

_ONE_DAY = timedelta(days=1)
_LARGEST_ID = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Window:
    """The changes of one kind on one day."""

    kind: str
    day: date

    def url(self, origin: str, page: int) -> str:
        """Return the canonical URL of a page, from 1."""
        after = self.day + _ONE_DAY
        query = f"end_date={after}&page={page}&start_date={self.day}"
        return f"{origin}/3/{self.kind}/changes?{query}"


@dataclass(frozen=True, slots=True)
class Page:
    """What one page holds.

    Attributes:
        pages: that the window has, as far as TMDB gives them.
        all_pages: that it has in truth.
        ids: of the items, without those that are null or none.
        adult: those of them that are marked as adult.
        without_id: items whose id is null or none.
    """

    pages: int
    all_pages: int
    ids: tuple[int, ...]
    adult: frozenset[int]
    without_id: int


def read_page(document: dict[str, object], url: str) -> Page:
    """Return what a page holds.

    Raises:
        DownloadStoppedError: it is no page of changes.
    """
    items, pages = document.get("results"), document.get("total_pages")
    if not isinstance(items, list) or type(pages) is not int or pages < 0:
        raise DownloadStoppedError(
            f"TMDB answers {url} with something that is no list of changes: report it"
        )
    ids: list[int] = []
    adult: set[int] = set()
    for item in items:
        number = item.get("id") if isinstance(item, dict) else None
        if type(number) is not int or not 0 < number <= _LARGEST_ID:
            continue
        ids.append(number)
        if item.get("adult") is True:
            adult.add(number)
    return Page(
        pages=min(pages, MOST_PAGES),
        all_pages=pages,
        ids=tuple(ids),
        adult=frozenset(adult),
        without_id=len(items) - len(ids),
    )


@dataclass(slots=True)
class Tally:
    """What the pages of a window amounted to; owned by one thread.

    Attributes:
        pages: that were read.
        lost_pages: that TMDB does not give.
        items: on these pages.
        without_id: items whose id is null or none.
        again: items whose id came before, on that day or an earlier one.
        ids: new ones.
    """

    window: Window
    pages: int = 0
    lost_pages: int = 0
    items: int = 0
    without_id: int = 0
    again: int = 0
    ids: int = 0


class Changed:
    """The ids of one kind that changed, each once, in the order in which they came.

    Owned by one thread.
    """

    def __init__(self) -> None:
        self._ids = IdSet()
        self._adult = IdSet()
        self._order: list[int] = []

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, number: int) -> bool:
        return number in self._ids

    def take(self, page: Page, tally: Tally) -> None:
        """Take the ids of a page in and count them."""
        tally.pages += 1
        tally.items += len(page.ids) + page.without_id
        tally.without_id += page.without_id
        for number in page.ids:
            if not self._ids.add(number):
                tally.again += 1
                continue
            tally.ids += 1
            self._order.append(number)
            if number in page.adult:
                self._adult.add(number)

    def not_adult(self) -> Iterator[int]:
        """Yield the ids that are not marked as adult."""
        return (number for number in self._order if number not in self._adult)

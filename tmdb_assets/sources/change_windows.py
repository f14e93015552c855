"""Reading windows of changes: those that are kept from there, the others from TMDB, page by page.

Every page goes through the client and the limiter that batches go through. What TMDB gave of a day
that is over is kept as soon as it is whole, so that what breaks off later goes on there.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime

from tmdb_assets.client.session import Client
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import Settings
from tmdb_assets.sources.asking import Asker
from tmdb_assets.sources.change_pages import Page, Window, read_page
from tmdb_assets.sources.kept_days import KeptDays, is_settled, together

ReadPage = Callable[[Window, int], Page]
ReadWindows = Callable[[Sequence[Window]], Iterator[tuple[Window, Page]]]


@contextmanager
def reading(
    settings: Settings, kept: KeptDays, now: Callable[[], datetime]
) -> Iterator[ReadWindows]:
    """Give what yields windows in their order, each with all of its pages as one.

    Args:
        settings: origins, credential and limits.
        kept: what earlier calls read of the first origin; grows.
        now: returns the present moment, UTC.

    Raises:
        CredentialError: TMDB refuses the credential.
        DownloadStoppedError: a page cannot be had.
        LimiterError: no permit can be had.
        StoreError: the data folder cannot be read or written.
    """
    with _asking(settings) as (pool, read):

        def windows(some: Sequence[Window]) -> Iterator[tuple[Window, Page]]:
            asked_at = now()
            had = {window: kept.read(window) for window in some}
            asked = _ask([window for window, page in had.items() if page is None], pool, read)
            for window in some:
                page = had.pop(window)
                if page is None:
                    page = next(asked)
                    if is_settled(window.day, asked_at):
                        kept.keep(window, page)
                yield window, page

        yield windows


def _ask(windows: Sequence[Window], pool: ThreadPoolExecutor, read: ReadPage) -> Iterator[Page]:
    """Yield what the windows have, in order; the first page of each tells how many more there are.

    When a page fails, what was whole by then still comes, up to the first window that is not.
    """
    firsts = [pool.submit(read, window, 1) for window in windows]
    asked: list[list[Future[Page]]] = []
    for window, first in zip(windows, firsts, strict=True):
        if first.exception() is not None:
            break
        rest = range(2, first.result().pages + 1)
        asked.append([first, *(pool.submit(read, window, number) for number in rest)])
    for pages in asked:
        yield together([page.result() for page in pages])
    for first in firsts[len(asked) :]:
        first.result()


@contextmanager
def _asking(settings: Settings) -> Iterator[tuple[ThreadPoolExecutor, ReadPage]]:
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

"""A pool on fakes, run to the end, and a look that none of its threads is left."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import cast

from tests.fake_pacer import FakePacer
from tests.fetch_pool.fake_fetcher import FakeFetcher, targets
from tests.fetch_pool.fake_store import FakeStore
from tmdb_assets.fetch_pool import Fetcher, FetchPool
from tmdb_assets.model import Attempt
from tmdb_assets.outage import OUTAGE_SECONDS
from tmdb_assets.store import BatchStore

SOON_SECONDS = 5.0
"""Bound of what has to come at once, on a busy machine."""


def no_pause() -> float:
    """Return a jitter that makes every pause zero."""
    return 0.0


def hasty_clock() -> Callable[[], float]:
    """Return a clock that is a minute further at every look."""
    return map(float, count(step=60)).__next__


class Bell:
    """What is called when sending has to stop."""

    def __init__(self) -> None:
        self.rings = 0
        self.rung = threading.Event()

    def __call__(self) -> None:
        self.rings += 1
        self.rung.set()


def pool_of(  # noqa: PLR0913 - one per setting
    store: FakeStore,
    fetcher: Fetcher,
    *,
    pacer: FakePacer | None = None,
    threads: int = 4,
    max_attempts: int = 3,
    clock: Callable[[], float] = time.monotonic,
    outage_seconds: float = OUTAGE_SECONDS,
    combined: bool = False,
) -> FetchPool:
    return FetchPool(
        cast("BatchStore", store),
        fetcher,
        pacer or FakePacer(),
        threads=threads,
        max_attempts=max_attempts,
        outage_seconds=outage_seconds,
        combined=combined,
        jitter=no_pause,
        clock=clock,
    )


def survivors() -> list[str]:
    """Return our threads that do not end by themselves at once."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("tmdb-fetch-")]
    for thread in ours:
        thread.join(SOON_SECONDS)
    return [thread.name for thread in ours if thread.is_alive()]


def fetched(
    script: Mapping[str, Sequence[Attempt | Exception]], *, count: int = 1, max_attempts: int = 3
) -> tuple[FakeStore, FetchPool]:
    """Run to the end, which has to come without a stop."""
    store, bell = FakeStore(targets(count)), Bell()
    pool = pool_of(store, FakeFetcher(script), max_attempts=max_attempts)
    pool.run(bell)
    assert bell.rings == 0
    assert survivors() == []
    return store, pool

"""Answers wait for a slow disk, the net waits for the answers, and the memory stays small."""

import threading

import pytest

from tests.fetch_pool.fake_fetcher import FakeFetcher, targets
from tests.fetch_pool.fake_store import FakeStore
from tests.fetch_pool.running import SOON_SECONDS, Bell, pool_of, survivors
from tmdb_assets.errors import StoreError
from tmdb_assets.model import Attempt, Outcome, Target


class Gauge(FakeFetcher):
    """Counts answers, and waits for a count of them."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = 0
        self._changed = threading.Condition()

    def attempt(self, target: Target) -> Attempt:
        attempt = super().attempt(target)
        with self._changed:
            self.answered += 1
            self._changed.notify_all()
        return attempt

    def reaches(self, count: int, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.answered >= count, timeout_seconds)


class SlowStore(FakeStore):
    """Takes its first outcome only when the fetcher got as far as it can, then may fail."""

    def __init__(
        self, count: int, fetcher: Gauge, bound: int, failure: Exception | None = None
    ) -> None:
        super().__init__(targets(count), failure, fails_at=1)
        self.most_waiting = 0
        self.is_full = False
        self.ran_over = False
        self._fetcher = fetcher
        self._bound = bound

    def record(self, outcome: Outcome, body: bytes | None) -> None:
        if not self.outcomes:
            self.is_full = self._fetcher.reaches(self._bound, SOON_SECONDS)
            self.ran_over = self._fetcher.reaches(self._bound + 1, 0.3)
        self.most_waiting = max(self.most_waiting, self._fetcher.answered - len(self.outcomes))
        super().record(outcome, body)


def test_a_slow_disk_slows_the_net_and_never_fills_the_memory() -> None:
    # one is being written, two per thread wait, and each thread has one in its hands
    bound = 1 + 2 * 3 + 3
    fetcher = Gauge()
    store = SlowStore(100, fetcher, bound)

    pool_of(store, fetcher, threads=3).run(Bell())

    assert store.is_full
    assert not store.ran_over
    assert store.most_waiting <= bound
    assert len(store.outcomes) == 100


def test_a_disk_that_fails_lets_go_of_threads_that_wait_for_it() -> None:
    fetcher, bell = Gauge(), Bell()
    store = SlowStore(100, fetcher, 1 + 2 * 3 + 3, StoreError("no space"))

    with pytest.raises(StoreError, match="no space"):
        pool_of(store, fetcher, threads=3).run(bell)

    assert bell.rings == 1
    assert survivors() == []
    assert store.outcomes == []

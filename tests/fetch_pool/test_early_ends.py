"""A run that ends early keeps what had landed, says how far it came, and leaves no thread."""

import logging
import threading
import time
from collections.abc import Callable

import pytest

from tests.fetch_pool.fake_fetcher import FakeFetcher, targets
from tests.fetch_pool.fake_store import FETCHED, FakeStore
from tests.fetch_pool.running import SOON_SECONDS, Bell, fetched, pool_of, survivors
from tests.made_attempt import BAD_ID, BAD_KEY, OFFLINE
from tmdb_assets.errors import (
    CredentialError,
    DownloadStoppedError,
    LimiterClosedError,
    LimiterUnavailableError,
    StoreError,
)
from tmdb_assets.fetch_pool import DRAIN_SECONDS, Fetcher
from tmdb_assets.model import Attempt, Target


def stopped(
    store: FakeStore, fetcher: Fetcher, kind: type[BaseException], match: str | None = None
) -> BaseException:
    """Run to an early end, which has to be told to whoever waits for a permit exactly once."""
    bell = Bell()
    with pytest.raises(kind, match=match) as caught:
        pool_of(store, fetcher).run(bell)
    assert bell.rings == 1
    assert survivors() == []
    assert len({outcome.name for outcome in store.outcomes}) == len(store.outcomes)
    return caught.value


def test_a_refused_credential_ends_the_run_and_keeps_what_had_landed() -> None:
    fetcher = FakeFetcher({"movie-20": [BAD_KEY]})
    store = FakeStore(targets(1000))

    stopped(store, fetcher, CredentialError, r"refuses .*code 7.*TMDB_READ_ACCESS_TOKEN")

    assert len(store.outcomes) == fetcher.asked.total() - 1
    assert {outcome.outcome for outcome in store.outcomes} == {FETCHED}
    assert fetcher.asked.total() < 1000


def test_a_credential_refused_everywhere_costs_a_request_per_thread() -> None:
    fetcher = FakeFetcher({target.name: [BAD_KEY] for target in targets(1000)})
    store = FakeStore(targets(1000))

    stopped(store, fetcher, CredentialError)

    assert fetcher.asked.total() <= 4
    assert store.outcomes == []


def test_a_surprise_in_a_thread_ends_the_run_with_the_target_and_the_cause() -> None:
    surprise = ValueError("what is this?")
    fetcher = FakeFetcher({"movie-7": [surprise]})
    store = FakeStore(targets(1000))

    error = stopped(
        store, fetcher, DownloadStoppedError, "unexpected ValueError at 'movie-7': .* run again"
    )

    assert error.__cause__ is surprise
    assert len(store.outcomes) == fetcher.asked.total() - 1


def test_a_limiter_without_permits_ends_the_run_with_its_own_words() -> None:
    failure = LimiterUnavailableError("limiter file '/x': gone: make it writable")
    fetcher = FakeFetcher({"movie-7": [failure]})
    store = FakeStore(targets(1000))

    assert stopped(store, fetcher, LimiterUnavailableError) is failure
    assert len(store.outcomes) == fetcher.asked.total() - 1


def test_a_disk_that_fails_ends_the_run_with_its_own_words() -> None:
    failure = StoreError("cannot use '/data': No space left on device: set TMDB_DATA_DIR")
    store = FakeStore(targets(1000), failure, fails_at=50)

    assert stopped(store, FakeFetcher(), StoreError) is failure
    assert len(store.outcomes) == 49


def test_an_interruption_is_passed_on_after_what_had_landed_was_kept() -> None:
    fetcher = FakeFetcher()
    interruption = KeyboardInterrupt()
    store = FakeStore(targets(1000), interruption, fails_at=50)

    assert stopped(store, fetcher, KeyboardInterrupt) is interruption
    # all but the one that was being written
    assert len(store.outcomes) == fetcher.asked.total() - 1
    assert len(store.outcomes) >= 49


class Waiting(FakeFetcher):
    """Answers the first target; for the others there is no permit until the bell rings."""

    def __init__(self, bell: Bell) -> None:
        super().__init__()
        self._bell = bell

    def attempt(self, target: Target) -> Attempt:
        if target.name != "movie-0":
            assert self._bell.rung.wait(SOON_SECONDS)
            raise LimiterClosedError("the limiter was closed: this run is being stopped")
        return super().attempt(target)


def test_threads_that_wait_for_a_permit_do_not_hold_up_a_stop() -> None:
    bell = Bell()
    store = FakeStore(targets(9), KeyboardInterrupt(), fails_at=1)
    began_at = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        pool_of(store, Waiting(bell)).run(bell)

    assert time.monotonic() - began_at < DRAIN_SECONDS
    assert survivors() == []
    assert bell.rings == 1


class Late(FakeFetcher):
    """Answers all but the first target only after the bell; one of them never does."""

    def __init__(self, bell: Bell, end: threading.Event) -> None:
        super().__init__()
        self._bell = bell
        self._end = end
        self._all_in = threading.Barrier(4)

    def attempt(self, target: Target) -> Attempt:
        if target in targets(4):
            self._all_in.wait(SOON_SECONDS)
        if target.name != "movie-0":
            assert self._bell.rung.wait(SOON_SECONDS)
        if target.name == "movie-1":
            self._end.wait(SOON_SECONDS)
        return super().attempt(target)


def test_what_is_in_flight_has_a_moment_to_land_and_no_more() -> None:
    bell, end = Bell(), threading.Event()
    store = FakeStore(targets(99), KeyboardInterrupt(), fails_at=1)
    began_at = time.monotonic()

    try:
        with pytest.raises(KeyboardInterrupt):
            pool_of(store, Late(bell, end)).run(bell)
        seconds = time.monotonic() - began_at
    finally:
        end.set()

    landed = {outcome.name for outcome in store.outcomes}
    assert landed >= {"movie-2", "movie-3"}
    assert landed <= {"movie-2", "movie-3", "movie-4"}
    assert DRAIN_SECONDS <= seconds < DRAIN_SECONDS + 2.0
    assert survivors() == []


class NoThread(threading.Thread):
    """A thread that the system cannot start."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_thread_that_cannot_be_started_stops_those_that_were() -> None:
    store, bell, fetcher = FakeStore(targets(1000)), Bell(), FakeFetcher()
    pool = pool_of(store, fetcher)
    pool._threads[2] = NoThread()

    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.run(bell)

        assert bell.rings == 1
        assert survivors() == []
        assert len(store.outcomes) == fetcher.asked.total()
    finally:
        # should they run on, then not into the next test
        pool._stopped.set()
        pool._backlog.stop()


@pytest.mark.parametrize("make", [CredentialError, KeyboardInterrupt, StoreError])
def test_a_stopped_run_tells_its_pauses_too(make: Callable[[], BaseException]) -> None:
    fetcher = FakeFetcher({"movie-0": [OFFLINE]})
    store = FakeStore(targets(1000), make(), fails_at=100)
    pool = pool_of(store, fetcher, threads=1)

    with pytest.raises(type(make())):
        pool.run(Bell())

    assert pool.statistics.pauses == {"HTTP 503, TMDB code 9": 1}
    assert survivors() == []


@pytest.mark.parametrize("make", [CredentialError, KeyboardInterrupt, StoreError])
def test_a_stopped_run_says_in_the_log_how_far_it_came(
    make: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    store = FakeStore(targets(1000), make(), fails_at=100)

    with caplog.at_level(logging.WARNING), pytest.raises(type(make())):
        pool_of(store, FakeFetcher()).run(Bell())

    (said,) = (record.getMessage() for record in caplog.records)
    assert said == (
        f"stopped with {len(store.outcomes)} of 1000 URLs done: all of it is kept, "
        "and the next run goes on there"
    )
    assert len(store.outcomes) >= 99
    assert survivors() == []


def test_a_run_that_a_thread_ended_says_how_far_it_came_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FakeStore(targets(9))

    with caplog.at_level(logging.WARNING), pytest.raises(CredentialError):
        pool_of(store, FakeFetcher({"movie-4": [BAD_KEY]}), threads=1).run(Bell())

    assert [record.getMessage() for record in caplog.records] == [
        "stopped with 4 of 9 URLs done: all of it is kept, and the next run goes on there"
    ]
    assert survivors() == []


def test_a_run_that_ends_well_says_nothing_of_a_stop(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        fetched({"movie-0": [BAD_ID]}, count=9)

    assert caplog.records == []

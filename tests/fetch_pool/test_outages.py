"""A server that answers nobody is waited for; URLs that are bad are no outage."""

import threading
from collections import Counter

import pytest

from tests.fetch_pool.fake_fetcher import FakeFetcher, targets
from tests.fetch_pool.fake_store import FAILED, FETCHED, FakeStore
from tests.fetch_pool.running import Bell, hasty_clock, pool_of, survivors
from tests.made_attempt import BAD_KEY, OFFLINE, OK, answer, fault
from tmdb_assets.errors import CredentialError, OutageError
from tmdb_assets.model import Attempt, Fault, Target


class Outages:
    """Refuses every connection until it was tried so often, then answers; `None` is never."""

    def __init__(self, until: int | None) -> None:
        self.tried = 0
        self._until = until
        self._lock = threading.Lock()

    def attempt(self, _: Target) -> Attempt:
        with self._lock:
            self.tried += 1
            is_over = self._until is not None and self.tried > self._until
        return OK if is_over else fault(Fault.CONNECTION_REFUSED)


def test_a_stretch_of_bad_urls_fails_and_is_no_outage() -> None:
    bad = {f"movie-{number}": [OFFLINE] * 99 for number in range(60)}
    store = FakeStore(targets(100)[::-1])  # the good ones come first

    pool_of(store, FakeFetcher(bad), threads=8).run(Bell())

    kinds = Counter(outcome.outcome for outcome in store.outcomes)
    assert kinds == Counter({FAILED: 60, FETCHED: 40})


def test_a_probe_without_an_answer_about_the_path_is_an_answer() -> None:
    missing = answer(404, b"<html>no such page</html>")
    bad = {f"movie-{number}": [OFFLINE] * 99 for number in range(30)}
    store = FakeStore(targets(30))

    pool_of(store, FakeFetcher({**bad, "probe": [missing] * 99}), threads=8).run(Bell())

    assert {outcome.outcome for outcome in store.outcomes} == {FAILED}
    assert len(store.outcomes) == 30


def test_a_credential_that_is_refused_to_a_probe_ends_the_run() -> None:
    bad = {f"movie-{number}": [OFFLINE] * 99 for number in range(30)}
    store = FakeStore(targets(30))

    with pytest.raises(CredentialError):
        pool_of(store, FakeFetcher({**bad, "probe": [BAD_KEY]}), threads=8).run(Bell())


def test_an_outage_is_waited_out() -> None:
    store, outages = FakeStore(targets(100)), Outages(until=4)
    pool = pool_of(store, outages, threads=16, max_attempts=3)

    pool.run(Bell())

    assert {outcome.outcome for outcome in store.outcomes} == {FETCHED}
    assert len(store.outcomes) == 100
    assert len(pool.statistics.outages_seconds) == 1
    assert outages.tried == 100 + 4 + 1  # the last probe


def test_an_outage_without_end_ends_the_run_and_nothing_has_failed() -> None:
    store, outages, bell = FakeStore(targets(100)), Outages(until=None), Bell()
    pool = pool_of(store, outages, threads=16, max_attempts=3, clock=hasty_clock())

    with pytest.raises(OutageError):
        pool.run(bell)

    assert store.outcomes == []
    assert bell.rings == 1
    assert survivors() == []

"""Whole batches take as few requests as can be, and end as if each were asked for alone."""

import json
import threading

import pytest

from tests.combinable import TMDB
from tests.fake_pacer import FakePacer
from tests.fetch_pool.fake_store import ABSENT, FAILED, FETCHED
from tests.fetch_pool.running import hasty_clock
from tests.landing.batches import ALL, COMBINED, assert_told_once, fetched, pool_of
from tests.landing.fake_store import FakeStore
from tests.landing.fake_tmdb import FakeTmdb
from tests.landing.targets import RESOURCES, made
from tests.made_attempt import (
    BAD_ID,
    BUSY,
    INTERNAL,
    OFFLINE,
    TIMED_OUT,
    TOO_LARGE,
    answer,
    error,
    fault,
)
from tmdb_assets.model import Attempt, Fault, Target
from tmdb_assets.outage import PROBE_PATH


def json_of(store: FakeStore) -> dict[str, object]:
    return {path: json.loads(body) for path, body in store.bodies.items() if body is not None}


def test_a_hundred_things_take_a_hundred_requests_and_end_as_if_asked_for_alone() -> None:
    tmdb = FakeTmdb()
    paths = [f"/movie/{number}{resource}" for resource in RESOURCES for number in range(100)]

    store, pool = fetched(tmdb, *paths, "/person/9")

    assert tmdb.asked.total() == 101
    assert pool.statistics.counts == {FETCHED: 401}
    assert pool.statistics.combined == 400
    assert len(pool.statistics.latencies_seconds) == 101
    assert json_of(store) == {path: json.loads(tmdb.truth(path).body) for path in store.bodies}


def test_a_combined_404_costs_a_request_more_and_each_part_is_asked_about_itself() -> None:
    tmdb = FakeTmdb(gone=frozenset({"/movie/1", "/movie/1/images"}))

    store, _ = fetched(tmdb, *ALL)

    assert tmdb.asked == {COMBINED: 1, "/movie/1/credits": 1, "/movie/1/images": 1, ALL[3]: 1}
    assert [store.of(path).outcome for path in ALL] == [ABSENT, FETCHED, ABSENT, FETCHED]
    assert (store.of(ALL[0]).combined_with, store.of(ALL[1]).combined_with) == (
        f"{TMDB}/3{COMBINED}",
        "",
    )


@pytest.mark.parametrize("attempt", [OFFLINE, INTERNAL, TIMED_OUT, answer(200, b"<html>")])
def test_what_fails_twice_together_is_asked_for_alone_with_all_tries(attempt: Attempt) -> None:
    tmdb = FakeTmdb({COMBINED: [attempt] * 9, ALL[1]: [attempt] * 2, ALL[2]: [attempt] * 3})

    store, pool = fetched(tmdb, *ALL)

    assert tmdb.asked == {COMBINED: 2, ALL[0]: 1, ALL[1]: 3, ALL[2]: 3, ALL[3]: 1}
    assert [store.of(path).outcome for path in ALL] == [FETCHED, FETCHED, FAILED, FETCHED]
    assert {store.of(path).combined_with for path in ALL} == {""}
    assert pool.statistics.pauses.total() == 5


def test_with_one_attempt_only_there_is_one_together() -> None:
    tmdb = FakeTmdb({COMBINED: [OFFLINE] * 9, ALL[0]: [OFFLINE]})

    store, _ = fetched(tmdb, *ALL, max_attempts=1)

    assert tmdb.asked == {COMBINED: 1, **dict.fromkeys(ALL, 1)}
    assert store.of(ALL[0]).outcome is FAILED


def test_what_passes_with_the_second_try_stays_together() -> None:
    tmdb = FakeTmdb({COMBINED: [TIMED_OUT]})

    store, _ = fetched(tmdb, *ALL)

    assert tmdb.asked == {COMBINED: 2}
    assert [store.of(path).attempts for path in ALL] == [2, 0, 0, 0]


@pytest.mark.parametrize("attempt", [TOO_LARGE, BAD_ID, fault(Fault.ECHO), error(400, 27)])
def test_what_never_works_together_is_asked_for_alone_at_once(attempt: Attempt) -> None:
    tmdb = FakeTmdb({COMBINED: [attempt] * 9})

    store, _ = fetched(tmdb, *ALL)

    assert tmdb.asked == {COMBINED: 1, **dict.fromkeys(ALL, 1)}
    assert {one.outcome for one in store.outcomes} == {FETCHED}


def test_parts_that_are_lacking_are_asked_for_alone() -> None:
    tmdb = FakeTmdb(lacking=frozenset({"images", "similar"}))

    store, pool = fetched(tmdb, *ALL)

    assert tmdb.asked == {COMBINED: 1, ALL[2]: 1, ALL[3]: 1}
    assert {one.outcome for one in store.outcomes} == {FETCHED}
    assert pool.statistics.combined == 2


def test_answers_429_to_combined_requests_are_no_tries() -> None:
    pacer, tmdb = FakePacer(), FakeTmdb({COMBINED: [BUSY] * 30})
    store = FakeStore(made(*ALL))

    pool = pool_of(store, tmdb, pacer=pacer)
    pool.run(lambda: pytest.fail("stopped"))

    assert tmdb.asked == {COMBINED: 31}
    assert len(pacer.refusals) == 30
    assert_told_once(store, tmdb, made(*ALL))


class Refusing(FakeTmdb):
    """Refuses the first connection of each thread, and the first probe; then all is well."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._left = threads
        self._all_in = threading.Barrier(threads)
        self._probed = threading.Event()

    def attempt(self, one: Target) -> Attempt:
        with self._lock:
            self._left -= 1
            is_first = self._left >= 0
        if is_first:
            self._all_in.wait(5.0)
            return fault(Fault.CONNECTION_REFUSED)
        if one.url.endswith(PROBE_PATH) and not self._probed.is_set():
            self._probed.set()
            return fault(Fault.CONNECTION_REFUSED)
        assert self._probed.wait(5.0)
        return super().attempt(one)


def test_an_outage_costs_combined_requests_no_try() -> None:
    paths = [f"/movie/{number}{resource}" for number in range(60) for resource in RESOURCES]
    tmdb, store = Refusing(threads=8), FakeStore(made(*paths))

    pool = pool_of(store, tmdb, threads=8, clock=hasty_clock(), outage_seconds=1e9)
    pool.run(lambda: pytest.fail("stopped"))

    combined = [f"/movie/{number}{COMBINED.removeprefix('/movie/1')}" for number in range(60)]
    assert len(pool.statistics.outages_seconds) == 1
    assert tmdb.asked == dict.fromkeys([*combined, PROBE_PATH.removeprefix("/3")], 1)
    assert len(store.outcomes) == 240
    assert {one.outcome for one in store.outcomes} == {FETCHED}

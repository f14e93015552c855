"""How targets end: each in one outcome, whatever is answered, after the tries that it has."""

import hashlib
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_pacer import PAUSED, FakePacer
from tests.fetch_pool.fake_fetcher import FakeFetcher, targets
from tests.fetch_pool.fake_store import ABSENT, FAILED, FETCHED, FakeStore
from tests.fetch_pool.running import SOON_SECONDS, Bell, fetched, pool_of, survivors
from tests.made_attempt import BAD_ID, BUSY, GONE, OFFLINE, OK, answer, fault
from tmdb_assets.errors import DownloadStoppedError
from tmdb_assets.model import Attempt, Fault, Outcome, Target
from tmdb_assets.slowdown import REFUSED_SECONDS


def test_every_target_ends_in_one_outcome_with_its_body() -> None:
    store, pool = fetched({}, count=200)

    assert sorted(outcome.name for outcome in store.outcomes) == sorted(
        target.name for target in targets(200)
    )
    assert set(store.bodies.values()) == {OK.body}
    assert pool.statistics.urls == pool.statistics.done == 200
    assert pool.statistics.counts == {FETCHED: 200}


def test_an_outcome_tells_all_of_the_last_attempt_and_when_each_was_sent() -> None:
    store, _ = fetched({"movie-0": [OFFLINE, fault(Fault.TIMED_OUT)]})

    (outcome,) = store.outcomes
    assert outcome == Outcome(
        url="https://api.themoviedb.org/3/movie/0/credits",
        name="movie-0",
        outcome=FETCHED,
        status=200,
        reason="",
        attempts=3,
        bytes=len(OK.body),
        sha256=hashlib.sha256(OK.body).hexdigest(),
        etag='W/"1"',
        sent_at=(1.0, 2.0, 3.0),
        seconds=0.25,
        as_of=3.0,
    )


@pytest.mark.parametrize("status", [404, 410])
def test_what_tmdb_does_not_have_is_absent_without_a_body(status: int) -> None:
    store, pool = fetched({"movie-0": [answer(status, code=34)]})

    outcome = store.of("movie-0")
    assert (outcome.outcome, outcome.reason) == (ABSENT, f"HTTP {status}, TMDB code 34")
    assert (outcome.attempts, outcome.bytes, outcome.sha256) == (1, 0, "")
    assert store.bodies == {"movie-0": None}
    assert pool.statistics.counts == {ABSENT: 1}


def test_what_never_works_fails_at_once() -> None:
    store, pool = fetched({"movie-0": [BAD_ID], "movie-1": [fault(Fault.TOO_LARGE)]}, count=2)

    assert store.of("movie-0").reason == "HTTP 500, TMDB code 44"
    assert store.of("movie-1").reason == "body too large"
    assert {outcome.outcome for outcome in store.outcomes} == {FAILED}
    assert {outcome.attempts for outcome in store.outcomes} == {1}
    assert pool.statistics.pauses == {}


def test_what_passes_is_tried_again_until_it_works() -> None:
    store, pool = fetched({"movie-0": [fault(Fault.CONNECTION_LOST), answer(200, b"<html>")]})

    assert (store.of("movie-0").outcome, store.of("movie-0").attempts) == (FETCHED, 3)
    assert pool.statistics.pauses == {"connection lost": 1, "HTML instead of JSON": 1}


def test_what_does_not_pass_fails_after_the_last_attempt_with_its_reason() -> None:
    store, pool = fetched({"movie-0": [OFFLINE] * 9}, count=3, max_attempts=4)

    outcome = store.of("movie-0")
    assert (outcome.outcome, outcome.attempts, outcome.status) == (FAILED, 4, 503)
    assert outcome.reason == "HTTP 503, TMDB code 9"
    assert store.bodies["movie-0"] is None
    assert pool.statistics.pauses == {"HTTP 503, TMDB code 9": 3}
    assert pool.statistics.failures == {outcome.reason: [outcome.url]}


def test_answers_429_do_not_count_as_attempts_and_reach_the_limiter() -> None:
    pacer, store = FakePacer(), FakeStore(targets(1))
    pool = pool_of(store, FakeFetcher({"movie-0": [BUSY] * 40}), pacer=pacer, max_attempts=1)

    pool.run(Bell())

    assert (store.of("movie-0").outcome, store.of("movie-0").attempts) == (FETCHED, 41)
    assert pool.statistics.pauses == {"HTTP 429, TMDB code 25": 40}
    assert pool.statistics.cooldowns_seconds == [PAUSED.pause_seconds] * 40
    assert len(pacer.refusals) == 40


def test_a_server_that_refuses_everything_for_too_long_ends_the_run() -> None:
    pacer = FakePacer(on_refusal=replace(PAUSED, refused_seconds=REFUSED_SECONDS))
    store, bell = FakeStore(targets(9)), Bell()
    refused = {f"movie-{number}": [BUSY] * 99 for number in range(9)}

    with pytest.raises(DownloadStoppedError, match="answers HTTP 429 to everything"):
        pool_of(store, FakeFetcher(refused), pacer=pacer).run(bell)

    assert bell.rings == 1
    assert store.outcomes == []
    assert survivors() == []


def test_a_server_that_asks_to_wait_is_heeded() -> None:
    busy = Attempt(503, b"", "", "1", None, (), 0.1)
    began_at = time.monotonic()

    store, _ = fetched({"movie-0": [busy]})

    assert store.of("movie-0").outcome is FETCHED
    assert time.monotonic() - began_at >= 0.99


def test_with_nothing_pending_nothing_is_asked() -> None:
    store, _ = fetched({}, count=0)

    assert store.outcomes == []


ENDS = {"ok": (OK, FETCHED), "gone": (GONE, ABSENT), "bad id": (BAD_ID, FAILED)}
AGAIN = [OFFLINE, fault(Fault.TIMED_OUT), fault(Fault.BAD_ENCODING), answer(200, b"")]
scripts = st.lists(
    st.tuples(st.lists(st.sampled_from([*AGAIN, BUSY]), max_size=6), st.sampled_from(sorted(ENDS))),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(scripts=scripts, threads=st.integers(1, 8), max_attempts=st.integers(1, 6))
def test_whatever_is_answered_every_target_ends_in_one_outcome(
    scripts: list[tuple[list[Attempt], str]], threads: int, max_attempts: int
) -> None:
    expected = {}
    for number, (answers, end) in enumerate(scripts):
        tries = sum(one is not BUSY for one in answers)
        expected[f"movie-{number}"] = FAILED if tries >= max_attempts else ENDS[end][1]
    fetcher = FakeFetcher(
        {f"movie-{place}": [*answers, ENDS[end][0]] for place, (answers, end) in enumerate(scripts)}
    )
    store = FakeStore(targets(len(scripts)))

    pool_of(store, fetcher, threads=threads, max_attempts=max_attempts).run(Bell())

    assert len(store.outcomes) == len(scripts)
    assert {outcome.name: outcome.outcome for outcome in store.outcomes} == expected
    assert {outcome.name: outcome.attempts for outcome in store.outcomes} == fetcher.asked


def test_no_more_threads_are_started_than_there_are_targets() -> None:
    seen: set[str] = set()
    all_in = threading.Barrier(3)

    class Noting(FakeFetcher):
        def attempt(self, target: Target) -> Attempt:
            seen.add(threading.current_thread().name)
            all_in.wait(SOON_SECONDS)
            return super().attempt(target)

    pool_of(FakeStore(targets(3)), Noting(), threads=50).run(Bell())

    assert seen == {"tmdb-fetch-0", "tmdb-fetch-1", "tmdb-fetch-2"}

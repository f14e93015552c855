import hashlib
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_pacer import PAUSED, FakePacer
from tmdb_assets.errors import (
    CredentialError,
    DownloadStoppedError,
    LimiterClosedError,
    LimiterUnavailableError,
    OutageError,
    StoreError,
)
from tmdb_assets.fetch_pool import DRAIN_SECONDS, Fetcher, FetchPool
from tmdb_assets.model import Attempt, Fault, Outcome, OutcomeKind, Target
from tmdb_assets.slowdown import REFUSED_SECONDS
from tmdb_assets.store import BatchStore

SOON_SECONDS = 5.0
"""Bound of what has to come at once, on a busy machine."""

FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED


def no_pause() -> float:
    """Return a jitter that makes every pause zero."""
    return 0.0


def targets(count: int) -> tuple[Target, ...]:
    return tuple(
        Target(f"https://api.themoviedb.org/3/movie/{number}/credits", f"movie-{number}")
        for number in range(count)
    )


def answer(status: int, body: bytes | None = None, *, code: int = 0) -> Attempt:
    """Return an answer, with TMDB's error body if there is a code."""
    document = {"status_code": code, "status_message": "no"} if code else {"id": 1}
    return Attempt(
        status=status,
        body=json.dumps(document).encode() if body is None else body,
        etag='W/"1"',
        retry_after=None,
        fault=None,
        sent_at=(),
        seconds=0.25,
    )


def fault(kind: Fault) -> Attempt:
    return Attempt(None, b"", "", None, kind, (), 30.0)


OK = answer(200)
GONE = answer(404, code=34)
OFFLINE = answer(503, code=9)
REFUSED = answer(429, code=25)
BAD_KEY = answer(401, code=7)
BAD_ID = answer(500, code=44)


UNSENT = {Fault.NAME, Fault.CONNECTION_REFUSED, Fault.NO_ROUTE}
"""Faults before anything could leave."""


class FakeStore:
    """Keeps outcomes in memory; `fails_at` is the number of the record that raises `failure`."""

    def __init__(
        self,
        pending: tuple[Target, ...],
        failure: BaseException | None = None,
        fails_at: int = 0,
    ) -> None:
        self.pending = pending
        self.former: dict[str, Outcome] = {}
        self.outcomes: list[Outcome] = []
        self.bodies: dict[str, bytes | None] = {}
        self._failure = failure
        self._fails_at = fails_at
        self._calls = 0

    def record(self, outcome: Outcome, body: bytes | None) -> None:
        self._calls += 1
        if self._failure is not None and self._calls == self._fails_at:
            raise self._failure
        self.outcomes.append(outcome)
        self.bodies[outcome.name] = body

    def keep(self) -> None:
        pass

    def of(self, name: str) -> Outcome:
        (outcome,) = (outcome for outcome in self.outcomes if outcome.name == name)
        return outcome


class FakeFetcher:
    """Answers each target as scripted, then with 200; an exception in a script is raised."""

    def __init__(self, script: Mapping[str, Sequence[Attempt | Exception]] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self._script = {name: list(answers) for name, answers in (script or {}).items()}
        self._lock = threading.Lock()
        self._moment = 0.0

    def attempt(self, target: Target) -> Attempt:
        with self._lock:
            self.asked[target.name] += 1
            self._moment += 1.0
            answers = self._script.get(target.name)
            next_answer = answers.pop(0) if answers else OK
            moment = self._moment
        if isinstance(next_answer, Exception):
            raise next_answer
        return Attempt(
            status=next_answer.status,
            body=next_answer.body,
            etag=next_answer.etag,
            retry_after=next_answer.retry_after,
            fault=next_answer.fault,
            sent_at=() if next_answer.fault in UNSENT else (moment,),
            seconds=next_answer.seconds,
        )


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
) -> FetchPool:
    return FetchPool(
        cast("BatchStore", store),
        fetcher,
        pacer or FakePacer(),
        threads=threads,
        max_attempts=max_attempts,
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


# --- how targets end ----------------------------------------------------------------------------


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
    pool = pool_of(store, FakeFetcher({"movie-0": [REFUSED] * 40}), pacer=pacer, max_attempts=1)

    pool.run(Bell())

    assert (store.of("movie-0").outcome, store.of("movie-0").attempts) == (FETCHED, 41)
    assert pool.statistics.pauses == {"HTTP 429, TMDB code 25": 40}
    assert pool.statistics.cooldowns_seconds == [PAUSED.pause_seconds] * 40
    assert len(pacer.refusals) == 40


def test_a_server_that_refuses_everything_for_too_long_ends_the_run() -> None:
    pacer = FakePacer(on_refusal=replace(PAUSED, refused_seconds=REFUSED_SECONDS))
    store, bell = FakeStore(targets(9)), Bell()
    refused = {f"movie-{number}": [REFUSED] * 99 for number in range(9)}

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


def hasty_clock() -> Callable[[], float]:
    """Return a clock that is a minute further at every look."""
    return map(float, count(step=60)).__next__


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


def test_with_nothing_pending_nothing_is_asked() -> None:
    store, _ = fetched({}, count=0)

    assert store.outcomes == []


ENDS = {"ok": (OK, FETCHED), "gone": (GONE, ABSENT), "bad id": (BAD_ID, FAILED)}
AGAIN = [OFFLINE, fault(Fault.TIMED_OUT), fault(Fault.BAD_ENCODING), answer(200, b"")]
scripts = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*AGAIN, REFUSED]), max_size=6), st.sampled_from(sorted(ENDS))
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(scripts=scripts, threads=st.integers(1, 8), max_attempts=st.integers(1, 6))
def test_whatever_is_answered_every_target_ends_in_one_outcome(
    scripts: list[tuple[list[Attempt], str]], threads: int, max_attempts: int
) -> None:
    expected = {}
    for number, (answers, end) in enumerate(scripts):
        tries = sum(one is not REFUSED for one in answers)
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


# --- memory -------------------------------------------------------------------------------------


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


# --- ends before the end ------------------------------------------------------------------------


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

"""What requests for one or many targets decide: an outcome for each; requests are told once."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_pacer import FakePacer
from tests.made_outcome import made_outcome
from tmdb_assets.backlog import Task
from tmdb_assets.combine import requests_for
from tmdb_assets.errors import CredentialError, DownloadStoppedError
from tmdb_assets.fetch_pool import FetchPool
from tmdb_assets.landing import Landing, land
from tmdb_assets.model import Attempt, Fault, Outcome, OutcomeKind, Target
from tmdb_assets.outage import PROBE_PATH
from tmdb_assets.retry import Judgement, Verdict, judge
from tmdb_assets.store import BatchStore
from tmdb_assets.urls import target

TMDB = "https://api.themoviedb.org"
FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED
RESOURCES = ("", "/credits", "/images", "/similar")


def made(*paths: str) -> tuple[Target, ...]:
    return tuple(target(f"{TMDB}/3{path}") for path in paths)


def whole_of(*paths: str) -> Target:
    """Return the one request for all of these."""
    (whole,) = requests_for(made(*paths), {}, combined=True)
    return whole


def answer(status: int, body: bytes = b"", etag: str = 'W/"new"') -> Attempt:
    return Attempt(status, body, etag, None, None, (), 0.25)


def fault(kind: Fault) -> Attempt:
    return Attempt(None, b"", "", None, kind, (), 30.0)


def error(status: int, code: int) -> Attempt:
    return answer(status, json.dumps({"status_code": code, "status_message": "no"}).encode())


GONE, OFFLINE, BUSY = error(404, 34), error(503, 9), error(429, 25)
BAD_KEY, BAD_ID, INTERNAL = error(401, 7), error(500, 44), error(500, 11)
TIMED_OUT, TOO_LARGE = fault(Fault.TIMED_OUT), fault(Fault.TOO_LARGE)
NOT_MODIFIED = answer(304)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def stored(one: Target, body: bytes, etag: str = 'W/"old"', combined_with: str = "") -> Outcome:
    """Return the outcome of a body that was fetched long ago."""
    return made_outcome(one, FETCHED, body, 0.5, etag=etag, combined_with=combined_with)


# --- one task -----------------------------------------------------------------------------------

MOVIE, CREDITS, SIMILAR = made("/movie/1", "/movie/1/credits", "/movie/1/similar")
TOGETHER = whole_of("/movie/1", "/movie/1/credits")
WITH_STRANGERS = whole_of("/movie/1/credits", "/movie/1", "/movie/1/similar")


def landed(
    attempt: Attempt, whole: Target, *former: Outcome, sent_at: Sequence[float] = (3.0, 4.0)
) -> Landing:
    """Return what becomes of a task for which so many requests left."""
    known = {one.url: one for one in former}
    judgement = judge(attempt, whole.url, is_conditional=bool(whole.etag))
    return land(judgement, attempt, Task(whole, tries=1, sent_at=list(sent_at)), known)


def outcomes_of(landing: Landing) -> list[Outcome]:
    return [result.outcome for result in landing.results]


def test_what_was_asked_for_alone_has_the_body_as_it_was_received() -> None:
    body = b'{ "id":1.0e0 }'
    landing = landed(answer(200, body), replace(MOVIE, etag='W/"old"'))

    (result,) = landing.results
    assert result.body == body
    assert result.outcome == Outcome(
        url=MOVIE.url,
        name=MOVIE.name,
        outcome=FETCHED,
        status=200,
        reason="",
        attempts=2,
        bytes=len(body),
        sha256=digest(body),
        etag='W/"new"',
        sent_at=(3.0, 4.0),
        seconds=0.25,
        as_of=4.0,
    )
    assert landing.alone == []


def test_of_a_combined_answer_each_has_its_part_and_the_first_tells_the_requests() -> None:
    body = b'{"id":1,"title":"A","credits":{"cast":[]}}'

    landing = landed(answer(200, body), TOGETHER)

    movie, cast = outcomes_of(landing)
    assert [result.body for result in landing.results] == [
        b'{"id":1,"title":"A"}',
        b'{"id":1,"cast":[]}',
    ]
    assert (movie.url, movie.name, cast.url) == (MOVIE.url, MOVIE.name, CREDITS.url)
    assert (movie.sent_at, movie.attempts) == ((3.0, 4.0), 2)
    assert (cast.sent_at, cast.attempts) == ((), 0)
    for outcome, part in zip((movie, cast), landing.results, strict=True):
        assert part.body is not None
        assert (outcome.sha256, outcome.bytes) == (digest(part.body), len(part.body))
        assert (outcome.status, outcome.etag, outcome.as_of) == (200, 'W/"new"', 4.0)
        assert outcome.combined_with == TOGETHER.url
    assert landing.alone == []


def test_a_part_that_the_answer_lacks_is_asked_for_alone() -> None:
    landing = landed(answer(200, b'{"id":1,"similar":{}}'), WITH_STRANGERS)

    assert [one.name for one in outcomes_of(landing)] == [MOVIE.name, SIMILAR.name]
    assert landing.alone == [Task(CREDITS, sent_at=[3.0, 4.0])]
    assert [one.sent_at for one in outcomes_of(landing)] == [(), ()]


@pytest.mark.parametrize("status", [404, 410])
def test_an_absent_thing_is_absent_and_what_hangs_on_it_is_asked_for_alone(status: int) -> None:
    landing = landed(error(status, 34), TOGETHER)

    (movie,) = outcomes_of(landing)
    assert (movie.url, movie.outcome, movie.status) == (MOVIE.url, ABSENT, status)
    assert (movie.reason, movie.sha256, movie.bytes) == (f"HTTP {status}, TMDB code 34", "", 0)
    assert (movie.as_of, movie.combined_with) == (4.0, TOGETHER.url)
    assert (movie.attempts, movie.sent_at) == (2, (3.0, 4.0))
    assert landing.results[0].body is None
    assert landing.alone == [Task(CREDITS)]


def test_whoever_comes_first_tells_the_requests_of_a_404() -> None:
    landing = landed(GONE, WITH_STRANGERS)

    assert landing.alone == [Task(CREDITS, sent_at=[3.0, 4.0]), Task(SIMILAR)]
    assert [(one.url, one.attempts) for one in outcomes_of(landing)] == [(MOVIE.url, 0)]


def test_a_404_without_the_thing_itself_among_them_decides_nothing() -> None:
    landing = landed(GONE, whole_of("/movie/1/credits", "/movie/1/similar"))

    assert landing.results == []
    assert landing.alone == [Task(CREDITS, sent_at=[3.0, 4.0]), Task(SIMILAR)]


@pytest.mark.parametrize("attempt", [OFFLINE, INTERNAL, TIMED_OUT, TOO_LARGE, BAD_ID])
def test_what_fails_together_is_asked_for_alone_and_has_its_own_tries(attempt: Attempt) -> None:
    landing = landed(attempt, TOGETHER)

    assert landing.results == []
    assert landing.alone == [Task(MOVIE, tries=0, sent_at=[3.0, 4.0]), Task(CREDITS)]


def test_what_fails_alone_has_no_body_and_is_as_of_its_last_request() -> None:
    (failed,) = outcomes_of(landed(OFFLINE, MOVIE))
    (unsent,) = outcomes_of(landed(fault(Fault.NAME), MOVIE, sent_at=()))

    assert (failed.outcome, failed.reason) == (FAILED, "HTTP 503, TMDB code 9")
    assert (failed.has_body, failed.as_of, failed.combined_with) == (False, 4.0, "")
    assert (unsent.outcome, unsent.attempts, unsent.as_of) == (FAILED, 0, 0.0)


def test_what_did_not_change_keeps_its_body_and_is_as_of_now() -> None:
    former = stored(MOVIE, b'{"id":1}')
    (result,) = landed(answer(304, etag=""), replace(MOVIE, etag='W/"old"'), former).results

    assert result.body is None
    assert result.outcome == replace(
        former, status=304, attempts=2, sent_at=(3.0, 4.0), seconds=0.25, as_of=4.0
    )
    (renamed,) = outcomes_of(landed(NOT_MODIFIED, replace(MOVIE, etag='W/"old"'), former))
    assert renamed.etag == 'W/"new"'


def test_what_did_not_change_together_keeps_every_body() -> None:
    former = [stored(one, one.name.encode(), combined_with=TOGETHER.url) for one in TOGETHER.parts]
    (whole,) = requests_for(TOGETHER.parts, {one.url: one for one in former}, combined=True)

    landing = landed(answer(304, etag=""), whole, *former)

    assert whole.etag == 'W/"old"'
    assert outcomes_of(landing) == [
        replace(former[0], status=304, attempts=2, sent_at=(3.0, 4.0), seconds=0.25, as_of=4.0),
        replace(former[1], status=304, attempts=0, sent_at=(), seconds=0.25, as_of=4.0),
    ]
    assert [result.body for result in landing.results] == [None, None]
    assert landing.alone == []


def test_what_cannot_be_fetched_anew_keeps_what_it_had() -> None:
    former = stored(MOVIE, b'{"id":1}', combined_with=TOGETHER.url)

    (result,) = landed(OFFLINE, MOVIE, former).results

    assert result.body is None
    assert result.outcome == replace(
        former,
        outcome=FAILED,
        status=503,
        reason="HTTP 503, TMDB code 9",
        attempts=2,
        sent_at=(3.0, 4.0),
        seconds=0.25,
    )


def test_what_is_gone_on_a_refresh_has_no_body_any_more() -> None:
    (result,) = landed(GONE, MOVIE, stored(MOVIE, b'{"id":1}')).results

    assert result.body is None
    assert (result.outcome.outcome, result.outcome.has_body) == (ABSENT, False)
    assert (result.outcome.bytes, result.outcome.etag, result.outcome.as_of) == (0, "", 4.0)


def test_a_304_that_nobody_asked_for_is_no_answer() -> None:
    assert judge(NOT_MODIFIED, MOVIE.url) == Judgement(Verdict.AGAIN, "HTTP 304, empty body")
    assert judge(NOT_MODIFIED, MOVIE.url, is_conditional=True) == Judgement(Verdict.UNCHANGED)
    assert judge(replace(NOT_MODIFIED, fault=Fault.TIMED_OUT), MOVIE.url, is_conditional=True) == (
        Judgement(Verdict.AGAIN, "timed out")
    )


# --- a whole batch ------------------------------------------------------------------------------


@dataclass
class FakeTmdb:
    """Answers by what it has, after the answers that a script has for a URL.

    Attributes:
        script: URL -> its first answers; an exception is raised, None is an answer as usual.
        gone: paths without version that are not there.
        lacking: names of what is left out of combined answers.
        edition: part of every body.
        moments: all that was sent.
        asked: how often for each path and query.
        conditions: paths and queries that were asked for on a condition.
    """

    script: dict[str, list[Attempt | Exception | None]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    edition: int = 1
    moments: list[float] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    conditions: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _clock: Iterable[int] = field(default_factory=lambda: count(1000))

    def attempt(self, one: Target) -> Attempt:
        with self._lock:
            path = one.url.removeprefix(f"{TMDB}/3")
            self.asked[path] += 1
            if one.etag:
                self.conditions.append(path)
            left = self.script.get(path, [])
            while one.etag and NOT_MODIFIED in left[:1]:
                left.pop(0)  # to a condition it tells no lies
            said = left.pop(0) if left else None
            moment = float(next(iter(self._clock)))
            is_redirected = self.asked[path] % 3 == 0
            hops = (moment, moment + 0.5) if is_redirected else (moment,)
            if isinstance(said, Exception):
                raise said
            if said is None:
                said = self.truth(path, one.etag)
            self.moments.extend(hops)
        return replace(said, sent_at=hops)

    def truth(self, path: str, etag: str = "") -> Attempt:
        if path == PROBE_PATH.removeprefix("/3"):
            return answer(200, b'{"images":{}}')
        url = urlsplit(path)
        if url.path in self.gone:
            return GONE
        names = parse_qs(url.query).get("append_to_response", [""])[0].split(",")
        appended = {
            name: {key: value for key, value in part.items() if key != "id"}
            for name in filter(None, names)
            if name not in self.lacking and f"{url.path}/{name}" not in self.gone
            for part in [self.part(f"{url.path}/{name}")]
        }
        body = json.dumps({**self.part(url.path), **appended}).encode()
        is_known = etag == self.etag_of(body)
        return replace(NOT_MODIFIED if is_known else answer(200, body), etag=self.etag_of(body))

    def etag_of(self, body: bytes) -> str:
        return f'W/"{digest(body)[:32]}"'

    def part(self, path: str) -> dict[str, object]:
        """Return what a path has by itself; its URL for the name of what it is."""
        own: dict[str, object] = {"what": path, "edition": self.edition, "of": [1.0, None]}
        return own if path.endswith("/similar") else {"id": int(path.split("/")[2]), **own}


class FakeStore:
    """Keeps outcomes in memory, and raises `failure` at the record of that number."""

    def __init__(
        self,
        pending: Sequence[Target],
        former: Mapping[str, Outcome] | None = None,
        failure: BaseException | None = None,
        fails_at: int = 0,
    ) -> None:
        self.pending = tuple(pending)
        self.former = dict(former or {})
        self.outcomes: list[Outcome] = []
        self.bodies: dict[str, bytes | None] = {}
        self._failure = failure
        self._fails_at = fails_at

    def record(self, outcome: Outcome, body: bytes | None) -> None:
        if self._failure is not None and len(self.outcomes) + 1 == self._fails_at:
            failure, self._failure = self._failure, None
            raise failure
        self.outcomes.append(outcome)
        self.bodies[outcome.url.removeprefix(f"{TMDB}/3")] = body

    def keep(self) -> None:
        pass

    def of(self, path: str) -> Outcome:
        (outcome,) = (one for one in self.outcomes if one.url == f"{TMDB}/3{path}")
        return outcome


def no_pause() -> float:
    return 0.0


def pool_of(
    store: FakeStore,
    tmdb: FakeTmdb,
    *,
    pacer: FakePacer | None = None,
    threads: int = 4,
    max_attempts: int = 3,
    **more: object,
) -> FetchPool:
    return FetchPool(
        cast("BatchStore", store),
        tmdb,
        pacer or FakePacer(),
        threads=threads,
        max_attempts=max_attempts,
        combined=True,
        jitter=no_pause,
        **more,  # type: ignore[arg-type]
    )


def assert_told_once(store: FakeStore, tmdb: FakeTmdb, ended: Sequence[Target]) -> None:
    """Check that these targets ended, each once, and that every request is told once."""
    assert sorted(one.url for one in store.outcomes) == sorted(one.url for one in ended)
    told = [moment for one in store.outcomes for moment in one.sent_at]
    assert sorted(told) == sorted(tmdb.moments)
    assert sum(one.attempts for one in store.outcomes) == len(tmdb.moments)


def fetched(
    tmdb: FakeTmdb, *paths: str, former: Iterable[Outcome] = (), max_attempts: int = 3
) -> tuple[FakeStore, FetchPool]:
    """Fetch these paths to the end."""
    store = FakeStore(made(*paths), {one.url: one for one in former})
    pool = pool_of(store, tmdb, max_attempts=max_attempts)
    pool.run(lambda: pytest.fail("stopped"))
    assert_told_once(store, tmdb, made(*paths))
    return store, pool


ALL = tuple(f"/movie/1{resource}" for resource in RESOURCES)
COMBINED = "/movie/1?append_to_response=credits,images,similar"


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


def hasty_clock() -> Callable[[], float]:
    """Return a clock that is a minute further at every look."""
    return map(float, count(step=60)).__next__


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


# --- refreshing ---------------------------------------------------------------------------------


def test_what_holds_still_is_confirmed_by_one_request_and_nothing_is_sent_anew() -> None:
    tmdb = FakeTmdb()
    etag = tmdb.truth(COMBINED).etag
    former = [stored(one, one.name.encode(), etag, f"{TMDB}/3{COMBINED}") for one in made(*ALL)]

    store, pool = fetched(tmdb, *ALL, former=former)

    assert (tmdb.asked, tmdb.conditions) == ({COMBINED: 1}, [COMBINED])
    assert {(one.outcome, one.status) for one in store.outcomes} == {(FETCHED, 304)}
    assert set(store.bodies.values()) == {None}
    assert [one.sha256 for one in store.outcomes] == [one.sha256 for one in former]
    assert {one.as_of for one in store.outcomes} == {tmdb.moments[-1]}
    assert pool.statistics.unchanged == pool.statistics.combined == 4
    assert pool.statistics.bytes == 0


def test_what_changed_is_replaced_and_what_went_is_absent() -> None:
    former = [stored(one, b"{}") for one in made("/movie/1", "/movie/2/credits", "/movie/3")]
    tmdb = FakeTmdb(gone=frozenset({"/movie/3"}))

    store, pool = fetched(
        tmdb, "/movie/1", "/movie/2/credits", "/movie/3", "/movie/4", former=former
    )

    assert sorted(tmdb.conditions) == ["/movie/1", "/movie/2/credits", "/movie/3"]
    assert pool.statistics.counts == {FETCHED: 3, ABSENT: 1}
    assert pool.statistics.unchanged == 0
    assert store.of("/movie/3").has_body is False


def test_a_304_to_a_question_without_a_condition_is_tried_again() -> None:
    tmdb = FakeTmdb({"/movie/1": [NOT_MODIFIED], COMBINED.replace("1", "2"): [NOT_MODIFIED] * 2})
    paths = ["/movie/1", *(path.replace("1", "2") for path in ALL)]

    store, pool = fetched(tmdb, *paths)

    assert tmdb.asked["/movie/1"] == 2
    assert {one.status for one in store.outcomes} == {200}
    assert pool.statistics.pauses == {"HTTP 304, empty body": 2}


def test_what_cannot_be_refreshed_keeps_its_body_and_says_that_it_failed() -> None:
    former = stored(made("/movie/1")[0], b'{"id":1}')
    tmdb = FakeTmdb({"/movie/1": [OFFLINE] * 9})

    store, pool = fetched(tmdb, "/movie/1", former=[former])

    outcome = store.of("/movie/1")
    assert (outcome.outcome, outcome.reason) == (FAILED, "HTTP 503, TMDB code 9")
    assert (outcome.sha256, outcome.as_of, outcome.etag) == (former.sha256, 0.5, former.etag)
    assert (outcome.attempts, store.bodies) == (len(tmdb.moments), {"/movie/1": None})
    assert pool.statistics.failed == {"HTTP 503, TMDB code 9": 1}


def test_of_a_refresh_that_fails_together_each_part_ends_by_itself() -> None:
    tmdb = FakeTmdb({COMBINED: [TIMED_OUT] * 2, ALL[1]: [TIMED_OUT] * 3}, frozenset({ALL[2]}))
    etag = tmdb.truth(COMBINED).etag
    former = [stored(one, one.name.encode(), etag, f"{TMDB}/3{COMBINED}") for one in made(*ALL)]

    store, _ = fetched(tmdb, *ALL, former=former)

    assert tmdb.conditions == [COMBINED] * 2
    assert [store.of(path).outcome for path in ALL] == [FETCHED, FAILED, ABSENT, FETCHED]
    assert store.of(ALL[1]) == replace(
        former[1],
        outcome=FAILED,
        status=None,
        reason="timed out",
        attempts=len(store.of(ALL[1]).sent_at),
        sent_at=store.of(ALL[1]).sent_at,
        seconds=30.0,
    )


# --- stopping -----------------------------------------------------------------------------------


def stopped(
    tmdb: FakeTmdb, store: FakeStore, kind: type[BaseException], threads: int = 1
) -> FetchPool:
    bells: list[None] = []
    pool = pool_of(store, tmdb, threads=threads)
    with pytest.raises(kind):
        pool.run(lambda: bells.append(None))
    assert len(bells) == 1
    assert len({one.url for one in store.outcomes}) == len(store.outcomes)
    return pool


def many(number: int) -> list[str]:
    return [f"/movie/{one}{resource}" for one in range(number) for resource in RESOURCES]


def test_a_refused_credential_keeps_all_parts_that_had_landed() -> None:
    combined = "/movie/7?append_to_response=credits,images,similar"
    tmdb, store = FakeTmdb({combined: [BAD_KEY]}), FakeStore(made(*many(30)))

    stopped(tmdb, store, CredentialError)

    assert [one.url.removeprefix(f"{TMDB}/3") for one in store.outcomes] == many(7)
    assert tmdb.asked.total() == 8


def test_an_interruption_in_the_middle_of_an_answer_keeps_its_other_parts() -> None:
    tmdb = FakeTmdb()
    store = FakeStore(made(*many(30)), None, KeyboardInterrupt(), fails_at=18)

    stopped(tmdb, store, KeyboardInterrupt, threads=2)

    # all but the one that was being written
    assert len(store.outcomes) == 4 * tmdb.asked.total() - 1
    assert len(store.outcomes) >= 17


def test_a_surprise_names_the_combined_request() -> None:
    combined = "/movie/2?append_to_response=credits,images,similar"
    tmdb, store = FakeTmdb({combined: [ValueError("what?")]}), FakeStore(made(*many(9)))

    stopped(tmdb, store, DownloadStoppedError)

    assert len(store.outcomes) == 8


def test_an_odd_name_in_an_answer_does_not_end_the_run() -> None:
    body = b'{"id":1,"\\ud800":1,"credits":{},"images":{},"similar":{}}'
    tmdb = FakeTmdb({COMBINED: [answer(200, body)]})

    store, _ = fetched(tmdb, *ALL)

    assert {one.outcome for one in store.outcomes} == {FETCHED}


# --- whatever comes -----------------------------------------------------------------------------

AGAIN = [OFFLINE, TIMED_OUT, answer(200, b"<html>"), NOT_MODIFIED, answer(200, b"[]")]
PERMANENT = [TOO_LARGE, BAD_ID]
PATHS = [f"/movie/{number}{resource}" for number in range(3) for resource in RESOURCES]
_answers = st.lists(st.sampled_from([*AGAIN, *PERMANENT, BUSY]), max_size=3)
_scripts = st.dictionaries(st.sampled_from([*PATHS, "0", "1", "2"]), _answers, max_size=6)
_former = st.dictionaries(
    st.sampled_from(PATHS), st.sampled_from(["alone", "together", "old"]), max_size=12
)


def end_of(path: str, answers: Sequence[Attempt], tmdb: FakeTmdb, max_attempts: int) -> OutcomeKind:
    """Return how a target ends that is asked for alone."""
    tries = 0
    for one in answers:
        tries += one is not BUSY
        if one in PERMANENT or tries >= max_attempts:
            return FAILED
    return ABSENT if path in tmdb.gone else FETCHED


def before(
    targets: Sequence[Target], former: Mapping[str, str], whole: Mapping[str, str], tmdb: FakeTmdb
) -> dict[str, Outcome]:
    """Return the outcomes of what was fetched before: alone or together, and perhaps otherwise."""
    known = {}
    for one in targets:
        path = one.url.removeprefix(f"{TMDB}/3")
        if (how := former.get(path)) is not None:
            is_whole = not tmdb.lacking and not tmdb.gone  # only then it could bring all of them
            together = whole.get(one.url, path) if how == "together" and is_whole else path
            known[one.url] = stored(
                one,
                tmdb.truth(path).body,
                'W/"old"' if how == "old" else tmdb.truth(together).etag,
                f"{TMDB}/3{together}" if together != path else "",
            )
    return known


@settings(max_examples=150)
@given(
    paths=st.lists(st.sampled_from(PATHS), unique=True),
    scripts=_scripts,
    former=_former,
    gone=st.frozensets(st.sampled_from(PATHS), max_size=3),
    lacking=st.frozensets(st.sampled_from(["credits", "images", "similar"]), max_size=2),
    threads=st.integers(1, 6),
    max_attempts=st.integers(1, 4),
)
def test_whatever_is_answered_every_target_ends_in_one_outcome_that_is_true(  # noqa: PLR0913 - what varies
    *,
    paths: list[str],
    scripts: dict[str, list[Attempt]],
    former: dict[str, str],
    gone: frozenset[str],
    lacking: frozenset[str],
    threads: int,
    max_attempts: int,
) -> None:
    targets = made(*paths)
    whole = {
        part.url: one.url.removeprefix(f"{TMDB}/3")
        for one in requests_for(targets, {}, combined=True)
        for part in one.parts
    }
    script: dict[str, list[Attempt | Exception | None]] = {
        path: list(answers) for path, answers in scripts.items() if path in PATHS
    }
    for path in set(whole.values()):
        number = path.removeprefix("/movie/").partition("?")[0]
        script[path] = list(scripts.get(number, []))
    tmdb = FakeTmdb(script, gone, lacking)
    known = before(targets, former, whole, tmdb)
    store = FakeStore(targets, known)

    pool_of(store, tmdb, threads=threads, max_attempts=max_attempts).run(lambda: pytest.fail("?"))

    assert_told_once(store, tmdb, targets)
    for one, path in zip(targets, paths, strict=True):
        outcome, body, last = store.of(path), store.bodies[path], known.get(one.url)
        was_alone = outcome.combined_with == ""
        answers = [
            said for said in scripts.get(path, []) if not (said.status == 304 and was_alone and
            path in tmdb.conditions)
        ]  # fmt: skip
        is_true = ABSENT if path in gone else FETCHED
        assert outcome.outcome is (
            end_of(path, answers, tmdb, max_attempts) if tmdb.asked[path] else is_true
        )
        if body is not None:
            assert (digest(body), len(body)) == (outcome.sha256, outcome.bytes)
            assert json.loads(body) == json.loads(tmdb.truth(path).body)
        elif outcome.has_body:
            assert last is not None
            assert (outcome.sha256, outcome.bytes) == (last.sha256, last.bytes)
            assert outcome.status == 304 or outcome.outcome is FAILED
            assert (outcome.as_of == last.as_of) == (outcome.outcome is FAILED)
        assert outcome.has_body == (
            outcome.outcome is FETCHED or (outcome.outcome is FAILED and last is not None)
        )
        if outcome.outcome is not FAILED:
            assert outcome.as_of in tmdb.moments

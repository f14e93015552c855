"""What requests for one or many targets decide: an outcome for each; requests are told once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fetch_pool.fake_store import ABSENT, FAILED, FETCHED
from tests.landing.targets import digest, made, stored, whole_of
from tests.made_attempt import (
    BAD_ID,
    GONE,
    INTERNAL,
    NOT_MODIFIED,
    OFFLINE,
    TIMED_OUT,
    TOO_LARGE,
    answer,
    error,
    fault,
)
from tmdb_assets.backlog import Task
from tmdb_assets.combine import requests_for
from tmdb_assets.landing import Landing, land
from tmdb_assets.model import Attempt, Fault, Outcome, Target
from tmdb_assets.retry import Judgement, Verdict, judge

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

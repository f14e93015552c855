"""A refresh confirms what holds still, replaces what changed, and keeps what cannot be had anew."""

from dataclasses import replace

from tests.combinable import TMDB
from tests.fetch_pool.fake_store import ABSENT, FAILED, FETCHED
from tests.landing.batches import ALL, COMBINED, fetched
from tests.landing.fake_tmdb import FakeTmdb
from tests.landing.targets import made, stored
from tests.made_attempt import NOT_MODIFIED, OFFLINE, TIMED_OUT


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

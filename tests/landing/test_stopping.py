"""A run that ends in the middle of combined answers keeps every part that had landed."""

import pytest

from tests.combinable import TMDB
from tests.fetch_pool.fake_store import FETCHED
from tests.landing.batches import ALL, COMBINED, fetched, pool_of
from tests.landing.fake_store import FakeStore
from tests.landing.fake_tmdb import FakeTmdb
from tests.landing.targets import RESOURCES, made
from tests.made_attempt import BAD_KEY, answer
from tmdb_assets.errors import CredentialError, DownloadStoppedError
from tmdb_assets.fetch_pool import FetchPool


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

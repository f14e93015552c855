"""Whole batches through the pool, combined where they can be, and a look that all is told once."""

from collections.abc import Iterable, Sequence
from functools import partial

import pytest

from tests.fetch_pool import running
from tests.landing.fake_store import FakeStore
from tests.landing.fake_tmdb import FakeTmdb
from tests.landing.targets import RESOURCES, made
from tmdb_assets.fetch_pool import FetchPool
from tmdb_assets.model import Outcome, Target

ALL = tuple(f"/movie/1{resource}" for resource in RESOURCES)
COMBINED = "/movie/1?append_to_response=credits,images,similar"

pool_of = partial(running.pool_of, combined=True)


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

"""What a 429 does at the door, and what it tells of the limiter."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.fake_pacer import AT_FULL_RATE, PAUSED
from tests.limiter.fake_store import FakeStore
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.door import Door

RATE = 50


class RefusedStore(FakeStore):
    """While somebody waits for the first slot, a request of the same process is refused."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.standing = pace
        self.door = Door(self, RATE)

    def book(self) -> tuple[int | None, int]:
        booking = super().book()
        if self.calls == ["book"]:
            self.door.refused(0.0, 0.0)
        return booking


def test_a_refusal_is_told_with_its_times_in_nanoseconds() -> None:
    store = FakeStore()
    store.standing = PAUSED
    door = Door(store, RATE)

    assert door.refused(123.25, 2.5) == PAUSED
    assert store.calls == ["refused 123250000000 2500000000"]


@pytest.mark.parametrize("asked", [3600.0, 3600.5, 1e9, 1e300, float("inf")])
def test_a_retry_after_beyond_all_bounds_is_told_as_an_hour(asked: float) -> None:
    store = FakeStore()

    Door(store, RATE).refused(1.0, asked)

    assert store.calls == ["refused 1000000000 3600000000000"]


def test_a_pause_that_begins_takes_the_slot_of_whoever_waits_for_one() -> None:
    store = RefusedStore(PAUSED)

    with store.door:
        store.door.permit()

    assert store.calls == ["book", "refused 0 0", "book"]


def test_a_refusal_that_is_no_news_takes_nobody_s_slot() -> None:
    store = RefusedStore(replace(PAUSED, is_news=False))

    with store.door:
        store.door.permit()

    assert store.calls == ["book", "refused 0 0"]


def test_a_refusal_need_not_pass_the_door_itself() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    with ThreadPoolExecutor(1) as pool, door:
        assert pool.submit(door.refused, 1.0, 0.0).result(5) is AT_FULL_RATE
        assert pool.submit(door.pace).result(5) is AT_FULL_RATE


@pytest.mark.parametrize(
    ("eldest", "is_behind"),
    [
        (None, False),
        (FakeStore.born, False),
        (FakeStore.born + 1, False),
        (FakeStore.born - 1, True),
    ],
)
def test_a_run_is_behind_when_an_older_one_asks(eldest: int | None, *, is_behind: bool) -> None:
    door = Door(FakeStore(), RATE)

    assert door.is_behind(replace(AT_FULL_RATE, eldest=eldest)) is is_behind


def test_a_failure_of_the_store_is_raised_by_refusals_and_looks_too() -> None:
    store = FakeStore()
    store.failure = LimiterUnavailableError("gone")
    store.standing = PAUSED
    door = Door(store, RATE)

    with pytest.raises(LimiterUnavailableError, match="gone"):
        door.refused(1.0, 0.0)
    with pytest.raises(LimiterUnavailableError, match="gone"):
        door.pace()

"""The contract with pyrate-limiter: which of our calls it makes, when, and with what."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyrate_limiter import Limiter, RateItem

from tests.limiter.fake_store import FakeStore
from tmdb_assets.errors import LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.bucket import PATIENT_AFTER, SlotBucket, SlotFactory, SlotItem
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.slots import GRACE_NS, MS, VOID_NS


class OversleepingStore(FakeStore):
    """Whoever books wakes so much later than the slot, and then for once in time."""

    def __init__(self, *oversleeps: int) -> None:
        super().__init__()
        self._oversleeps = list(oversleeps)

    def book(self) -> tuple[int | None, int]:
        booking = super().book()
        if self._oversleeps:
            self.now += self._oversleeps.pop(0)
        return booking


class ClosingStore(FakeStore):
    """Is closed while somebody sleeps until a slot."""

    def book(self) -> tuple[int | None, int]:
        self.failure = LimiterClosedError("closed")
        return super().book()


class RealTimeStore(FakeStore):
    """Its time passes by itself, but for 5 ms only: a busy machine oversleeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic_ns()

    def now_ns(self) -> int:
        return self.now + min(time.monotonic_ns() - self._started, 5 * MS)


class WatchedBucket(SlotBucket):
    """Notes what the library hands it, and what it gets back."""

    def __init__(self, store: FakeStore) -> None:
        super().__init__(store, 50)
        self.seen: list[tuple[str, RateItem, int]] = []

    def put(self, item: RateItem) -> bool:
        answer = super().put(item)
        self.seen.append(("put", item, answer))
        return answer

    def waiting(self, item: RateItem) -> int:
        answer = super().waiting(item)
        self.seen.append(("waiting", item, answer))
        return answer


class RefusedStore(FakeStore):
    """While somebody sleeps until a slot, news of a pause comes in, so many times."""

    def __init__(self, pauses: int) -> None:
        super().__init__()
        self.bucket = SlotBucket(self, 50)
        self._pauses = pauses

    def book(self) -> tuple[int | None, int]:
        booking = super().book()
        if self._pauses:
            self._pauses -= 1
            self.bucket.heed_news()
        return booking


def limiter(bucket: SlotBucket) -> Limiter:
    return Limiter(SlotFactory(bucket), buffer_ms=0)


def item(slot_ns: int | None = None) -> SlotItem:
    fresh = SlotItem("tmdb", 0)
    fresh.slot_ns = slot_ns
    return fresh


def in_another_thread(call: Callable[[], object]) -> object:
    """Call where a lock that is held by this thread would block."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(5)


def test_a_permit_is_one_booking_and_the_same_item_comes_back() -> None:
    store = FakeStore()
    bucket = WatchedBucket(store)

    assert limiter(bucket).try_acquire("tmdb") is True

    first = bucket.seen[0][1]
    assert bucket.seen == [("put", first, False), ("waiting", first, 0), ("put", first, True)]
    assert store.calls == ["book"]
    assert bucket.admitted_ns == store.now


def test_who_is_refused_a_slot_asks_again_with_the_same_item() -> None:
    store = FakeStore((None, 1), (None, MS + 1), (0, 0))
    bucket = WatchedBucket(store)

    assert limiter(bucket).try_acquire("tmdb") is True

    waits = [answer for call, _, answer in bucket.seen if call == "waiting"]
    assert waits == [1, 2, 0]  # rounded up: asking too early would be asking twice
    assert len({id(seen) for _, seen, _ in bucket.seen}) == 1
    assert store.calls == ["book"] * 3


def test_who_asks_in_vain_for_a_second_asks_for_every_other_slot_until_there_is_one() -> None:
    bucket = SlotBucket(FakeStore(*[(None, 20 * MS)] * (PATIENT_AFTER + 2), (0, 0), (None, 1)), 50)
    waiting = item()

    waits = [bucket.waiting(waiting) for _ in range(PATIENT_AFTER + 3)]
    after = bucket.waiting(item())

    assert waits == [20] * PATIENT_AFTER + [41, 41, 0]
    assert after == 1


def test_a_fresh_item_is_refused_without_touching_the_store() -> None:
    store = FakeStore()
    bucket = SlotBucket(store, 50)

    assert bucket.put(item()) is False
    assert bucket.failing_rate is bucket.rates[0]
    assert store.calls == []


def test_who_does_not_want_to_wait_gets_nothing_and_books_nothing() -> None:
    store = FakeStore()

    assert limiter(SlotBucket(store, 50)).try_acquire("tmdb", blocking=False) is False
    assert store.calls == []


@pytest.mark.parametrize(("ahead", "milliseconds"), [(0, 0), (MS - 1, 0), (MS, 1), (7 * MS + 9, 7)])
def test_the_wait_for_a_booked_slot_is_rounded_down(ahead: int, milliseconds: int) -> None:
    bucket = SlotBucket(FakeStore((ahead, ahead)), 50)

    assert bucket.waiting(item()) == milliseconds


def test_an_item_that_has_its_slot_books_no_other() -> None:
    store = FakeStore()
    bucket = SlotBucket(store, 50)

    assert bucket.waiting(item(store.now + 7 * MS + 9)) == 7
    assert bucket.waiting(item(store.now - 7 * MS)) == 0
    assert store.calls == []


def test_an_item_that_comes_too_early_is_refused_and_keeps_its_slot() -> None:
    store = FakeStore()
    bucket = SlotBucket(store, 50)
    early = item(store.now + GRACE_NS + 1)

    assert bucket.put(early) is False
    assert bucket.waiting(early) == 2
    assert store.calls == []


def test_the_last_moment_is_slept_until_the_slot_itself() -> None:
    store = RealTimeStore()
    bucket = SlotBucket(store, 50)
    slot_ns = store.now + GRACE_NS

    assert bucket.put(item(slot_ns)) is True
    assert store.now_ns() >= slot_ns


def test_a_slot_is_good_until_it_is_void() -> None:
    store = FakeStore()
    bucket = SlotBucket(store, 50)
    late, overslept = item(store.now - VOID_NS), item(store.now - VOID_NS - 1)

    assert bucket.put(overslept) is False
    assert bucket.failing_rate is not None
    assert bucket.put(late) is True
    assert bucket.failing_rate is None
    assert overslept.slot_ns is None
    assert bucket.admitted_ns == late.slot_ns


def test_an_overslept_slot_is_booked_again() -> None:
    store = OversleepingStore(VOID_NS + 1, 3000 * MS, VOID_NS)
    bucket = SlotBucket(store, 50)

    assert limiter(bucket).try_acquire("tmdb") is True
    assert store.calls == ["book"] * 3
    assert bucket.admitted_ns == store.now - VOID_NS


def test_a_slot_that_was_booked_before_a_pause_began_is_booked_again() -> None:
    store = RefusedStore(pauses=2)

    assert limiter(store.bucket).try_acquire("tmdb") is True
    assert store.calls == ["book"] * 3


def test_news_that_came_before_a_booking_costs_it_nothing() -> None:
    store = FakeStore((0, 0), LimiterUnavailableError("asked once too often"))
    bucket = SlotBucket(store, 50)
    bucket.heed_news()
    bucket.heed_news()

    assert limiter(bucket).try_acquire("tmdb") is True
    assert store.calls == ["book"]


def test_an_item_that_lost_its_slot_to_a_pause_is_refused_and_has_none() -> None:
    store = FakeStore()
    bucket = SlotBucket(store, 50)
    booked = item()
    bucket.waiting(booked)

    bucket.heed_news()

    assert bucket.put(booked) is False
    assert bucket.failing_rate is not None
    assert booked.slot_ns is None
    assert bucket.admitted_ns == 0


def test_a_store_that_is_closed_refuses_an_item_whose_slot_has_come() -> None:
    store = FakeStore()
    store.failure = LimiterClosedError("closed")
    bucket = SlotBucket(store, 50)

    with pytest.raises(LimiterClosedError):
        bucket.put(item(store.now))


def test_an_error_of_the_first_put_leaves_the_lock_of_the_library_free() -> None:
    store = FakeStore()
    store.failure = LimiterClosedError("closed")
    paced = limiter(SlotBucket(store, 50))

    with pytest.raises(LimiterClosedError):
        paced.try_acquire("tmdb")

    store.failure = None
    assert in_another_thread(lambda: paced.try_acquire("tmdb")) is True


@pytest.mark.parametrize("refused_before", [0, 1])
def test_an_error_of_a_booking_leaves_the_lock_of_the_library_free(refused_before: int) -> None:
    store = FakeStore(*[(None, 1)] * refused_before, LimiterUnavailableError("gone"))
    paced = limiter(SlotBucket(store, 50))

    with pytest.raises(LimiterUnavailableError):
        paced.try_acquire("tmdb")

    assert in_another_thread(lambda: paced.try_acquire("tmdb")) is True


def test_an_error_of_the_second_put_leaves_the_lock_of_the_library_free() -> None:
    paced = limiter(SlotBucket(ClosingStore(), 50))

    with pytest.raises(LimiterClosedError):
        paced.try_acquire("tmdb")

    with pytest.raises(LimiterClosedError):
        in_another_thread(lambda: paced.try_acquire("tmdb"))


def test_no_thread_is_started_and_nothing_is_added_to_a_wait() -> None:
    before = set(threading.enumerate())

    door = Door(FakeStore(), 50)
    with door:
        door.permit()

    started = set(threading.enumerate()) - before
    assert "PyrateLimiter's Leaker" not in {thread.name for thread in started}
    assert started == set()
    assert door._limiter.buffer_ms == 0


@pytest.mark.parametrize("weight", [0, 2, -1])
def test_a_permit_is_for_one_request(weight: int) -> None:
    factory = SlotFactory(SlotBucket(FakeStore(), 50))

    with pytest.raises(ValueError, match=f"weight must be 1, not {weight}"):
        factory.wrap_item("tmdb", weight)


def test_a_weight_that_the_library_hands_on_is_refused() -> None:
    store = FakeStore()

    with pytest.raises(ValueError, match="weight must be 1"):
        limiter(SlotBucket(store, 50)).try_acquire("tmdb", weight=2)

    assert store.calls == []


def test_items_of_another_factory_are_refused() -> None:
    bucket = SlotBucket(FakeStore(), 50)

    with pytest.raises(TypeError, match="SlotFactory"):
        bucket.put(RateItem("tmdb", 0))
    with pytest.raises(TypeError, match="SlotFactory"):
        bucket.waiting(RateItem("tmdb", 0))


def test_slots_cannot_be_flushed_and_are_not_kept() -> None:
    bucket = SlotBucket(FakeStore(), 50)
    limiter(bucket).try_acquire("tmdb")

    with pytest.raises(NotImplementedError, match="cannot be flushed"):
        bucket.flush()
    assert (bucket.leak(), bucket.leak(123), bucket.count(), bucket.peek(0)) == (0, 0, 0, None)
    assert bucket.is_async is False


def test_the_rate_is_the_cap_in_a_second() -> None:
    (rate,) = SlotBucket(FakeStore(), 37).rates

    assert (rate.limit, rate.interval) == (37, 1000)

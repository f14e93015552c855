"""One thread at a time, in real time but fast: who passes, who is sent away, what is told."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from tests.limiter.fake_store import FakeStore
from tmdb_assets.errors import LimiterClosedError, LimiterError, LimiterUnavailableError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.slots import LATE_NS, MS, VOID_NS, WINDOW_NS

RATE = 500
INTERVAL = WINDOW_NS // RATE

FullestSecond = Callable[[list[int]], int]
InAChild = Callable[[Callable[[], object]], str]


class TwoSecondsAgo:
    """The clocks of this host as they were two seconds ago."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() - 2000 * MS

    def time_ns(self) -> int:
        return time.time_ns() - 2000 * MS


class WatchedStore(FileStore):
    """A store that notes the slots it gives, and tells when it was asked first."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, RATE)
        self.slots: list[int] = []
        self.is_asked = threading.Event()
        self.asked_at = 0.0

    def book(self) -> tuple[int | None, int]:
        slot_ns, wait_ns = super().book()
        if slot_ns is not None:
            self.slots.append(slot_ns)
        if not self.is_asked.is_set():
            self.asked_at = time.monotonic()
            self.is_asked.set()
        return slot_ns, wait_ns


class FailingStore(FakeStore):
    """Fails for good as soon as it is asked for a slot."""

    def book(self) -> tuple[int | None, int]:
        self.failure = LimiterUnavailableError("gone")
        self.calls.append("book")
        raise self.failure


class ForgetfulStore(FakeStore):
    """Fails to write anything back."""

    def write_back(self, late_ns: int) -> None:
        super().write_back(late_ns)
        raise LimiterUnavailableError("gone for a moment")


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[WatchedStore]:
    """A store on a new file: nobody sends for a second and a half."""
    store = WatchedStore(tmp_path / "limiter")
    yield store
    store.close()


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[WatchedStore]:
    """A store whose silence is over."""
    earlier = FileStore(tmp_path / "limiter", RATE, born=0, clock=TwoSecondsAgo())
    earlier.book()
    earlier.close()
    store = WatchedStore(tmp_path / "limiter")
    yield store
    store.close()


def send_late(door: Door, store: FakeStore, late_ns: int, then: Callable[[], object]) -> None:
    """Leave late, do one thing more inside."""
    with door:
        door.permit()
        store.now += late_ns
        then()


def reset_by_peer() -> None:
    raise ConnectionResetError


def passed(door: Door) -> type[BaseException] | None:
    """Pass the door once; return what it raised."""
    try:
        with door:
            door.permit()
    except LimiterError as error:
        return type(error)
    return None


def test_threads_pass_one_at_a_time_each_in_a_slot_of_its_own(
    ready: WatchedStore, fullest_second: FullestSecond
) -> None:
    door = Door(ready, RATE)
    inside: list[int] = []
    departures: list[int] = []
    crowds: Counter[int] = Counter()

    def send() -> None:
        for _ in range(20):
            with door:
                door.permit()
                departures.append(time.monotonic_ns())
                inside.append(1)
                crowds[len(inside)] += 1
                inside.pop()

    with ThreadPoolExecutor(8) as pool:
        for sent in [pool.submit(send) for _ in range(8)]:
            sent.result(20)

    slots = ready.slots
    assert crowds == {1: 160}
    assert len(departures) == 160 <= len(slots)
    assert min(after - before for before, after in pairwise(slots)) >= INTERVAL
    assert all(departure >= slot for departure, slot in zip(departures, slots, strict=False))
    assert departures[-1] - departures[0] >= 159 * INTERVAL - VOID_NS
    assert fullest_second(departures) <= RATE


def test_closing_sends_everybody_away_while_one_waits_for_a_slot(silent: WatchedStore) -> None:
    door = Door(silent, RATE)
    with ThreadPoolExecutor(32) as pool:
        waiting = [pool.submit(passed, door) for _ in range(32)]
        assert silent.is_asked.wait(5)
        door.close()
        ends = [thread.result(5) for thread in waiting]
        waited = time.monotonic() - silent.asked_at

    assert ends == [LimiterClosedError] * 32
    assert waited < 0.9  # half a second, and what 32 threads take to wake up
    assert silent.slots == []


def test_a_closed_door_stays_closed(ready: WatchedStore) -> None:
    door = Door(ready, RATE)

    door.close()
    door.close()

    with pytest.raises(LimiterClosedError), door:
        pytest.fail("nobody may come in")
    assert passed(door) is LimiterClosedError


def test_a_late_departure_is_written_back_with_its_lateness() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    send_late(door, store, 11 * MS, then=list)

    assert store.calls == ["book", f"write_back {11 * MS}"]


def test_a_departure_that_is_hardly_late_is_not_written_back() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    send_late(door, store, LATE_NS, then=list)
    send_late(door, store, 0, then=list)

    assert store.calls == ["book", "book"]


def test_a_request_is_on_time_until_its_slot_is_void() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    with door:
        door.permit()
        store.now += VOID_NS
        on_time = door.is_on_time()
        store.now += 1
        too_late = door.is_on_time()
        door.permit()
        again = door.is_on_time()

    assert (on_time, too_late, again) == (True, False, True)
    assert store.calls == ["book", "book"]  # the void one left nothing to write back


def test_lateness_is_that_of_the_last_look_and_not_of_the_way_back() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    with door:
        door.permit()
        store.now += 11 * MS
        assert door.is_on_time()
        store.now += 1000 * MS

    assert store.calls == ["book", f"write_back {11 * MS}"]


def test_who_takes_no_permit_writes_nothing_back() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    with door:
        store.now += 1000 * MS
    with door:
        door.permit()
    with door:
        store.now += 1000 * MS

    assert store.calls == ["book"]


def test_an_exception_inside_leaves_the_door_free_and_is_a_departure_all_the_same() -> None:
    store = FakeStore()
    door = Door(store, RATE)

    with pytest.raises(ConnectionResetError):
        send_late(door, store, 7 * MS, then=reset_by_peer)

    assert store.calls == ["book", f"write_back {7 * MS}"]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(passed, door).result(5) is None


def test_a_failure_to_write_back_does_not_lose_the_request_that_left() -> None:
    store = ForgetfulStore()
    door = Door(store, RATE)

    send_late(door, store, 7 * MS, then=list)

    assert store.calls == ["book", f"write_back {7 * MS}"]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(passed, door).result(5) is None


def test_a_failure_of_the_store_is_raised_in_every_thread_once() -> None:
    store = FailingStore()
    door = Door(store, RATE)

    with ThreadPoolExecutor(16) as pool:
        ends = [thread.result(5) for thread in [pool.submit(passed, door) for _ in range(16)]]

    assert ends == [LimiterUnavailableError] * 16
    assert store.calls == ["book"]


def test_a_limiter_that_gives_up_is_an_error_and_never_a_permit() -> None:
    door = Door(FakeStore((None, -MS)), RATE)  # what the library takes for "never"

    with pytest.raises(LimiterUnavailableError, match="gave no permit"), door:
        door.permit()


def test_a_door_waits_for_whoever_stands_in_it() -> None:
    door = Door(FakeStore(), RATE)
    with ThreadPoolExecutor(1) as pool:
        with door:
            second: Future[type[BaseException] | None] = pool.submit(passed, door)
            with pytest.raises(TimeoutError):
                second.result(0.02)

        assert second.result(5) is None


def test_closing_the_door_closes_its_store() -> None:
    store = FakeStore()

    Door(store, RATE).close()

    assert store.calls == ["close"]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_is_not_left_standing_at_a_door_that_is_taken(
    ready: WatchedStore, in_a_child: InAChild
) -> None:
    door = Door(ready, RATE)

    def enter() -> None:
        with door:
            door.permit()

    with door:
        told = in_a_child(enter)

    assert told.startswith("LimiterUnavailableError: ")
    assert "fork" in told


# --- how long one waits -------------------------------------------------------------------------


def test_the_time_from_asking_to_the_permit_is_summed_up() -> None:
    door = Door(FakeStore((None, 20 * MS), (None, 20 * MS), (0, 0), (None, 20 * MS)), RATE)
    waited = [door.waited_seconds]

    began_at = time.monotonic()
    for _ in range(2):
        with door:
            door.permit()
            waited.append(door.waited_seconds)
    seconds = time.monotonic() - began_at

    assert waited[0] == 0.0
    assert waited[1] >= 0.04
    assert waited[1] + 0.02 <= waited[2] <= seconds


def test_threads_that_queue_for_the_door_wait_once_and_not_each_for_itself(
    ready: WatchedStore,
) -> None:
    door = Door(ready, RATE)

    began_at = time.monotonic()
    with ThreadPoolExecutor(16) as executor:
        assert {*executor.map(passed, [door] * 50)} == {None}
    seconds = time.monotonic() - began_at

    assert 0.0 < door.waited_seconds <= seconds


def test_a_permit_that_never_came_is_no_waiting_either() -> None:
    door = Door(FailingStore(), RATE)

    assert passed(door) is LimiterUnavailableError
    assert door.waited_seconds == 0.0

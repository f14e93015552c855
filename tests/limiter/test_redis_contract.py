"""One contract for both stores, on a real file and a real Redis, in real time."""

import re
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.limiter.redis_server import CAP, KEY, RedisServer
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.limiter.bucket import SlotStore
from tmdb_assets.limiter.cooldown import FIRST_PAUSE_NS, SLOWER, Pace
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.redis_store import RedisStore
from tmdb_assets.limiter.slots import (
    AHEAD_NS,
    LATE_NS,
    MS,
    PROBE_PER_SECOND,
    SECOND_NS,
    SILENCE_NS,
    VOID_NS,
    WINDOW_NS,
)

INTERVAL = WINDOW_NS // CAP
BORN = 1_790_000_000_000_000_000
ELDER, YOUNGER = BORN, BORN + 5000

Open = Callable[[int], SlotStore]
InAChild = Callable[[Callable[[], object]], str]


class TwoSecondsAgo:
    """The clocks of this host as they were two seconds ago."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() - 2 * SECOND_NS

    def time_ns(self) -> int:
        return time.time_ns() - 2 * SECOND_NS


class Place:
    """Where stores keep one state: a file, or a key of a Redis."""

    def __init__(self, path: Path, server: RedisServer | None) -> None:
        self._path = path
        self._server = server
        self._opened: list[SlotStore] = []

    def open(self, born: int) -> SlotStore:
        """Open a store that knows by a few looks how far away its state is."""
        store: SlotStore
        if self._server is None:
            store = FileStore(self._path, CAP, born=born)
        else:
            store = RedisStore(self._server.address(), KEY, CAP, born=born)
        self._opened.append(store)
        for _ in range(5):
            store.pace()
        return store

    def end_silence(self) -> None:
        """Leave a state there as if somebody had asked two seconds ago, and nobody since."""
        if self._server is not None:
            self._server.end_silence()
            return
        earlier = FileStore(self._path, CAP, born=0, clock=TwoSecondsAgo())
        earlier.book()
        earlier.close()

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    server: RedisServer | None = None
    if request.param == "redis":
        server = request.getfixturevalue("server")
        server.command("FLUSHALL")
    place = Place(tmp_path / "limiter", server)
    yield place
    place.close()


@pytest.fixture
def open_new(place: Place) -> Open:
    """Open a store on a state that nobody has made yet."""
    return place.open


@pytest.fixture
def open_ready(place: Place) -> Open:
    """Open a store on a state whose silence is over."""
    place.end_silence()
    return place.open


def taken(store: SlotStore) -> int:
    """Book a slot; there has to be one."""
    slot_ns, _ = store.book()
    assert slot_ns is not None
    return slot_ns


def first_slot(store: SlotStore) -> int:
    """Ask as often as told until there is a slot."""
    for _ in range(20):
        slot_ns, wait_ns = store.book()
        if slot_ns is not None:
            return slot_ns
        assert 0 <= wait_ns <= AHEAD_NS
        time.sleep(wait_ns / 1e9)
    pytest.fail("20 questions and no slot")


def distance_from(expected_ns: int, slot_ns: int) -> int:
    return abs(slot_ns - expected_ns)


def refuse(store: SlotStore, asked_ns: int = 0) -> Pace:
    """Have a request refused that has left just now."""
    return store.refused(store.now_ns(), asked_ns)


def test_a_new_state_is_silent_first_and_then_gives_slots_an_interval_apart(
    open_new: Open,
) -> None:
    store = open_new(BORN)
    before_ns = store.now_ns()
    assert store.book()[0] is None
    after_ns = store.now_ns()

    slots = [first_slot(store) for _ in range(5)]

    assert before_ns - MS <= slots[0] - SILENCE_NS <= after_ns + MS
    assert max(distance_from(a + INTERVAL, b) for a, b in pairwise(slots)) < MS


def test_looking_changes_nothing_and_needs_no_state(open_new: Open) -> None:
    store = open_new(BORN)

    first, second = store.pace(), store.pace()

    assert first == second
    assert first == Pace(CAP, CAP, 0, 0, 0, 0, permits=0, asker=0, eldest=None)
    assert store.book()[0] is None


def test_stores_share_their_slots(open_ready: Open) -> None:
    stores = [open_ready(BORN) for _ in range(3)]

    slots = [taken(stores[number % 3]) for number in range(12)]

    assert max(distance_from(a + INTERVAL, b) for a, b in pairwise(slots)) < MS
    assert stores[0].pace().permits == stores[1].pace().permits == 12


def test_slots_that_nobody_took_are_not_made_up_for(open_ready: Open) -> None:
    store = open_ready(BORN)
    taken(store)
    time.sleep(0.1)

    before_ns = store.now_ns()
    slots = [taken(store) for _ in range(3)]

    assert slots[0] >= before_ns - MS
    assert max(distance_from(a + INTERVAL, b) for a, b in pairwise(slots)) < MS


def test_nobody_books_further_than_half_a_second_ahead(open_ready: Open) -> None:
    store = open_ready(BORN)

    slots = []
    while (booking := store.book())[0] is not None:
        slots.append(booking[0])
    last_ns, now_ns = slots[-1], store.now_ns()

    assert last_ns is not None
    assert now_ns + AHEAD_NS - INTERVAL - 5 * MS < last_ns < now_ns + AHEAD_NS + MS
    assert 0 < booking[1] <= INTERVAL


def test_a_younger_run_gets_only_what_the_elder_leaves(open_ready: Open) -> None:
    elder, younger = open_ready(ELDER), open_ready(YOUNGER)
    slot_ns = taken(elder)

    nothing, wait_ns = younger.book()
    due_ns = younger.now_ns() + wait_ns
    time.sleep(wait_ns / 1e9)

    assert nothing is None
    assert slot_ns + INTERVAL - 4 * MS < due_ns <= slot_ns + INTERVAL
    assert -MS <= first_slot(younger) - slot_ns - INTERVAL < 100 * MS  # later if we overslept


def test_the_next_eldest_takes_over_when_the_eldest_asks_for_nothing(open_ready: Open) -> None:
    elder, younger = open_ready(ELDER), open_ready(YOUNGER)
    taken(elder)
    assert younger.pace().eldest == ELDER

    time.sleep(1.01)
    slots = [taken(younger) for _ in range(3)]

    assert slots[-1] - younger.now_ns() > INTERVAL
    assert younger.pace().eldest == YOUNGER
    assert elder.book()[0] is not None
    assert younger.pace().eldest == ELDER


def test_it_tells_who_asked_last_and_who_is_eldest(open_ready: Open) -> None:
    elder, younger = open_ready(ELDER), open_ready(YOUNGER)

    taken(elder)
    younger.book()

    assert (elder.born, younger.born) == (ELDER, YOUNGER)
    assert (elder.pace().asker, elder.pace().eldest) == (YOUNGER, ELDER)
    assert elder.pace() == younger.pace()


@pytest.mark.parametrize(
    ("late_ns", "moved_ns"),
    [
        (0, 0),
        (LATE_NS, 0),
        (15 * MS, 15 * MS - LATE_NS),
        (VOID_NS, VOID_NS - LATE_NS),
        (3 * SECOND_NS, VOID_NS - LATE_NS),
    ],
)
def test_a_late_departure_moves_the_next_slot_for_all(
    open_ready: Open, late_ns: int, moved_ns: int
) -> None:
    late, other = open_ready(BORN), open_ready(BORN)
    slot_ns = taken(late)

    late.write_back(late_ns)

    assert distance_from(slot_ns + INTERVAL + moved_ns, taken(other)) < MS


def test_after_a_429_everybody_pauses_and_then_probes_slowly(open_ready: Open) -> None:
    refused, other = open_ready(BORN), open_ready(BORN)
    taken(refused)
    before_ns = refused.now_ns()

    told = refuse(refused)
    after_ns = refused.now_ns()
    slots = [first_slot(store) for store in (other, refused, other)]

    assert told.is_news
    assert told.is_slowed
    assert told.requests_per_second == pytest.approx(SLOWER * CAP)
    assert 0.99 < told.pause_seconds <= 1 == told.last_pause_seconds
    assert before_ns - MS <= slots[0] - FIRST_PAUSE_NS <= after_ns + MS
    probe_ns = int(WINDOW_NS / PROBE_PER_SECOND)
    assert max(distance_from(a + probe_ns, b) for a, b in pairwise(slots)) < MS
    assert other.pace().requests_per_second == pytest.approx(SLOWER * CAP, rel=0.01)


def test_a_429_to_a_request_that_left_before_the_pause_is_no_news(open_ready: Open) -> None:
    first, second = open_ready(BORN), open_ready(BORN)
    left_ns = second.now_ns()
    refuse(first)

    told = second.refused(left_ns, 0)

    assert not told.is_news
    assert 0.9 < told.pause_seconds <= 1
    assert told.requests_per_second == pytest.approx(SLOWER * CAP)


def test_a_longer_retry_after_counts_even_when_it_is_no_news(open_ready: Open) -> None:
    store = open_ready(BORN)
    left_ns = store.now_ns()
    refuse(store)

    told = store.refused(left_ns, 7 * SECOND_NS)
    endless = store.refused(left_ns, 10**9 * SECOND_NS)

    assert 6.9 < told.pause_seconds <= 7
    assert told.last_pause_seconds == 1
    assert 59.9 < endless.pause_seconds <= 60


def test_a_429_right_after_a_pause_doubles_it(open_ready: Open) -> None:
    store = open_ready(BORN)
    refuse(store)
    time.sleep(1.01)

    told = refuse(store)

    assert told.is_news
    assert told.last_pause_seconds == 2
    assert told.refused_seconds == pytest.approx(1.0, abs=0.2)
    assert told.requests_per_second == pytest.approx(SLOWER * SLOWER * CAP, rel=0.01)


def test_a_reset_forgets_pause_and_slower_rate_and_keeps_silence(open_ready: Open) -> None:
    store, other = open_ready(BORN), open_ready(BORN)
    refuse(store, 60 * SECOND_NS)
    before_ns = store.now_ns()

    store.reset()
    after_ns = store.now_ns()
    told = other.pace()

    assert told == Pace(CAP, CAP, 0, 0, 0, 0, permits=0, asker=0, eldest=None)
    assert before_ns - MS <= first_slot(other) - SILENCE_NS <= after_ns + MS


def test_a_closed_store_answers_nothing_and_leaves_the_others_alone(open_ready: Open) -> None:
    closed, other = open_ready(BORN), open_ready(BORN)

    closed.close()
    closed.close()

    for call in (
        closed.book,
        closed.pace,
        closed.reset,
        closed.check_open,
        lambda: closed.write_back(10 * MS),
        lambda: closed.refused(0, 0),
    ):
        with pytest.raises(LimiterClosedError):
            call()
    assert taken(other)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_no_call_works_in_a_forked_child(open_ready: Open, in_a_child: InAChild) -> None:
    store = open_ready(BORN)
    calls = (store.book, store.pace, store.reset, lambda: refuse(store))

    told = [in_a_child(call) for call in calls]

    assert all(re.match("LimiterUnavailableError: .* fork", text) for text in told), told
    assert taken(store)

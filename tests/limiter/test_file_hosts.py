"""Two hosts on one file: slow at worst, never fast, and one of them is told what to do."""

import heapq
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.limiter.file_limiter import SECOND, FakeClock, OtherHost, first_slot, record
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.file_store import (
    CLOCK_TOLERANCE_NS,
    FOREIGN_RECORDS,
    FOREIGN_SECONDS,
    FileStore,
)
from tmdb_assets.limiter.slots import AHEAD_NS, MS, SILENCE_NS, WINDOW_NS

CAP = 50
EARLIER = 12_345 * SECOND

FullestSecond = Callable[[Iterable[int]], int]


class Host:
    """A process on a host of its own that always wants to send, until it is told to give up."""

    def __init__(self, store: FileStore) -> None:
        self.departures: list[int] = []
        self.told = ""
        self._store = store
        self._holds_slot = False

    def wake(self, now_ns: int) -> int | None:
        """Send if the slot has come, then book; return when to wake up again, None if never."""
        if self._holds_slot:
            self.departures.append(now_ns)
        try:
            slot_ns, wait_ns = self._store.book()
        except LimiterUnavailableError as error:
            self.told = str(error)
            return None
        self._holds_slot = slot_ns is not None
        return now_ns + wait_ns


def live(clock: FakeClock, starts: Iterable[tuple[int, Host]], until_ns: int) -> None:
    """Let hosts run from their starts on; all times are those of `clock`."""
    events = [(start_ns, number, host) for number, (start_ns, host) in enumerate(starts)]
    heapq.heapify(events)
    while events and events[0][0] <= until_ns:
        now_ns, number, host = heapq.heappop(events)
        clock.move(now_ns - clock.monotonic)
        again_ns = host.wake(now_ns)
        if again_ns is not None:
            heapq.heappush(events, (again_ns, number, host))


def foreign(path: Path, clock: FakeClock) -> bytes:
    return record(path, clock, offset_ns=EARLIER)


def silences(path: Path, store: FileStore, clock: FakeClock, apart_ns: Iterable[int]) -> list[int]:
    """Meet a foreign record after each of these times; return what each of them cost."""
    costs = []
    for ns in apart_ns:
        clock.move(ns)
        path.write_bytes(foreign(path, clock))
        met_ns = clock.monotonic
        costs.append(first_slot(store, clock))
        clock.move(met_ns - clock.monotonic)  # as if it had taken no time
    return costs


@settings(max_examples=30)
@given(
    earlier=st.one_of(
        st.just(EARLIER),
        st.integers(CLOCK_TOLERANCE_NS + 1, EARLIER),
        st.integers(-4_000 * SECOND, -CLOCK_TOLERANCE_NS - 1),
    ),
    joins=st.integers(0, 5 * SECOND),
)
def test_two_hosts_never_both_send_and_one_is_told_why(
    tmp_path_factory: pytest.TempPathFactory,
    fullest_second: FullestSecond,
    earlier: int,
    joins: int,
) -> None:
    path = tmp_path_factory.mktemp("hosts") / "limiter"
    clock = FakeClock()
    stores = [
        FileStore(path, CAP, clock=clock),
        FileStore(path, CAP, clock=OtherHost(clock, earlier)),
    ]
    hosts = [Host(store) for store in stores]
    began = clock.monotonic
    joined = began + joins

    live(clock, [(began, hosts[0]), (joined, hosts[1])], joined + 10 * SECOND)

    gone, alone = sorted(hosts, key=lambda host: host.told == "")
    assert "redis://" in gone.told
    assert alone.told == ""
    assert fullest_second(hosts[0].departures + hosts[1].departures) <= CAP
    assert all(abs(one - other) >= SECOND for one, other in product(*around(hosts, joined)))
    rest = [ns for ns in alone.departures if ns > joined + 5 * SECOND]
    assert len(rest) >= 0.98 * 5 * CAP * SECOND / WINDOW_NS
    for store in stores:
        store.close()


def around(hosts: Iterable[Host], joined_ns: int) -> list[list[int]]:
    """Return who left when once the second host was there, and in the second before."""
    return [[ns for ns in host.departures if ns > joined_ns - SECOND] for host in hosts]


def test_a_host_that_goes_on_alone_stays_silent_for_long_enough(
    path: Path, clock: FakeClock
) -> None:
    here = FileStore(path, CAP, clock=clock)
    there = FileStore(path, CAP, clock=OtherHost(clock, EARLIER))
    first_slot(here, clock)
    for _ in range(FOREIGN_RECORDS - 1):
        assert there.book() == (None, AHEAD_NS)
        assert here.book() == (None, AHEAD_NS)

    with pytest.raises(LimiterUnavailableError):
        there.book()
    assert first_slot(here, clock) == SILENCE_NS
    here.close()
    there.close()


def test_the_error_names_the_file_and_redis_once_and_for_good(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    silences(path, store, clock, [0] * (FOREIGN_RECORDS - 1))
    left_behind = foreign(path, clock)
    path.write_bytes(left_behind)

    for call in (store.book, store.check_open, store.pace, store.reset):
        with pytest.raises(LimiterUnavailableError, match="another clock") as caught:
            call()
        assert str(caught.value).startswith(f"limiter file {str(path)!r} ")
        assert "TMDB_LIMITER to redis://" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    assert path.read_bytes() == left_behind


def test_a_host_that_gives_up_lets_go_of_the_lock(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    silences(path, store, clock, [0] * (FOREIGN_RECORDS - 1))
    path.write_bytes(foreign(path, clock))
    with pytest.raises(LimiterUnavailableError):
        store.book()
    other = FileStore(path, CAP, clock=clock, lock_timeout_seconds=0.05)

    assert first_slot(other, clock) == SILENCE_NS
    other.close()


def test_fewer_foreign_records_cost_a_silence_each(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    costs = silences(path, store, clock, [0] * (FOREIGN_RECORDS - 1))

    assert costs == [SILENCE_NS] * (FOREIGN_RECORDS - 1)
    store.check_open()


def test_foreign_records_spread_over_more_than_a_minute_are_no_second_host(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    apart_ns = FOREIGN_SECONDS * SECOND // (FOREIGN_RECORDS - 1) + 1

    costs = silences(path, store, clock, [apart_ns] * 12)

    assert costs == [SILENCE_NS] * 12
    store.check_open()


def test_a_full_minute_is_not_more_than_a_minute(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    apart_ns = FOREIGN_SECONDS * SECOND // (FOREIGN_RECORDS - 1)

    with pytest.raises(LimiterUnavailableError, match=r"4 times within 60 s"):
        silences(path, store, clock, [apart_ns] * FOREIGN_RECORDS)


def test_damage_and_records_put_back_are_not_taken_for_a_second_host(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    for damage in (b"", b"x" * 200, record(path, clock, inode=1), record(path, clock)) * 3:
        path.write_bytes(damage)
        assert first_slot(store, clock) == SILENCE_NS

    store.check_open()


@pytest.mark.parametrize("ahead_ns", [1, MS, SECOND])
def test_a_record_of_a_moment_that_is_still_to_come_is_of_a_second_host(
    path: Path, store: FileStore, clock: FakeClock, ahead_ns: int
) -> None:
    for _ in range(FOREIGN_RECORDS - 1):
        path.write_bytes(record(path, clock, at_ns=ahead_ns))
        store.book()
    path.write_bytes(record(path, clock, at_ns=ahead_ns))

    with pytest.raises(LimiterUnavailableError, match="redis://"):
        store.book()


def test_looking_at_a_foreign_record_is_no_meeting(
    path: Path, store: FileStore, clock: FakeClock
) -> None:
    path.write_bytes(foreign(path, clock))
    for _ in range(3 * FOREIGN_RECORDS):
        assert store.pace().permits == 0

    assert first_slot(store, clock) == SILENCE_NS

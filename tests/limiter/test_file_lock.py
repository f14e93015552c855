"""Who holds the lock of the file, who closed the store, who forked."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.limiter.file_limiter import FakeClock, HeldClock, locked
from tmdb_assets.errors import LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.file_record import RECORD_BYTES
from tmdb_assets.limiter.file_store import FileStore

InAChild = Callable[[Callable[[], object]], str]


@contextmanager
def in_the_middle(path: Path) -> Iterator[FileStore]:
    """Yield a store while another thread of this process is in the middle of a transaction."""
    clock = HeldClock()
    store = FileStore(path, 50, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(store.book)
        assert clock.is_read.wait(5)
        yield store
        clock.go_on.set()
        assert asked.result(5)[0] is None
    store.close()


def test_a_lock_that_another_process_keeps_is_named_once_and_for_good(
    path: Path, busy: FileStore
) -> None:
    with locked(path):
        with pytest.raises(
            LimiterUnavailableError,
            match=r"^limiter file '.*' is locked for 0\.05 s .*TMDB_LIMITER",
        ) as caught:
            busy.book()
        started = time.monotonic()
        with pytest.raises(LimiterUnavailableError, match="locked"):
            busy.book()
        with pytest.raises(LimiterUnavailableError, match="locked"):
            busy.check_open()
        waited = time.monotonic() - started
    with pytest.raises(LimiterUnavailableError, match="locked"):
        busy.write_back(0)

    assert waited < 0.04
    assert repr(str(path)) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_no_two_stores_change_the_file_at_once(path: Path, clock: FakeClock) -> None:
    held = HeldClock()
    slow = FileStore(path, 50, clock=held)
    other = FileStore(path, 50, clock=clock, lock_timeout_seconds=0.02)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(slow.book)
        assert held.is_read.wait(5)
        with pytest.raises(LimiterUnavailableError, match="locked"):
            other.book()
        held.go_on.set()

    assert asked.result()[0] is None
    slow.close()
    other.close()


def test_a_lock_that_is_let_go_in_time_is_waited_for(path: Path, clock: FakeClock) -> None:
    store = FileStore(path, 50, clock=clock)
    with ThreadPoolExecutor(1) as pool, locked(path):
        asked = pool.submit(store.book)
        with pytest.raises(TimeoutError):
            asked.result(0.03)

    assert asked.result()[0] is None
    store.close()


def test_a_file_replaced_while_its_lock_is_waited_for_is_not_used(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    patient = FileStore(path, 50, born=0, clock=clock)
    old = path.read_bytes()
    with ThreadPoolExecutor(1) as pool:
        with locked(path):
            asked = pool.submit(patient.book)
            path.rename(path.with_name("old"))
        slot_ns, _ = asked.result()

    assert slot_ns is None
    assert path.with_name("old").read_bytes() == old
    assert path.stat().st_size == RECORD_BYTES
    busy.close()
    patient.close()


def test_a_closed_store_says_so_to_all_later_calls(busy: FileStore) -> None:
    busy.close()
    busy.close()

    for call in (
        busy.book,
        busy.check_open,
        busy.pace,
        busy.reset,
        lambda: busy.write_back(0),
        lambda: busy.refused(0, 0),
    ):
        with pytest.raises(LimiterClosedError, match="closed") as caught:
            call()
        assert len(str(caught.value).splitlines()) == 1


def test_closing_sends_away_who_waits_for_the_lock(path: Path, clock: FakeClock) -> None:
    store = FileStore(path, 50, clock=clock)
    with ThreadPoolExecutor(2) as pool, locked(path):
        waiting = [pool.submit(store.book), pool.submit(store.book)]
        started = time.monotonic()
        store.close()
        errors = [asked.exception(5) for asked in waiting]

    assert time.monotonic() - started < 2
    assert [type(error) for error in errors] == [LimiterClosedError] * 2


def test_the_file_is_not_inherited_by_programs(busy: FileStore) -> None:
    assert os.get_inheritable(busy._fd) is False


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_store_does_not_outlive_a_fork(busy: FileStore, in_a_child: InAChild) -> None:
    told = in_a_child(busy.book)

    assert told.startswith("LimiterUnavailableError: ")
    assert "fork" in told
    assert len(told.splitlines()) == 1
    assert busy.book()[0] is not None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("call", ["book", "pace", "reset", "check_open"])
def test_a_fork_in_the_middle_of_a_transaction_leaves_no_child_hanging(
    path: Path, in_a_child: InAChild, call: str
) -> None:
    with in_the_middle(path) as store:
        told = in_a_child(getattr(store, call))

    assert told.startswith("LimiterUnavailableError: ")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_a_fork_in_the_middle_of_a_transaction_can_close_the_store(
    path: Path, in_a_child: InAChild
) -> None:
    with in_the_middle(path) as store:
        told = in_a_child(store.close)

    assert told == "nothing"

"""One file for all: who reads it, who damages it, who holds its lock."""

import fcntl
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.errors import LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.file_store import CLOCK_TOLERANCE_NS, FileStore
from tmdb_assets.limiter.slots import ELDEST_NS, LATE_NS, MS, SILENCE_NS, WINDOW_NS

SECOND = 1000 * MS
HOUR = 3600 * SECOND
DAY = 24 * HOUR
INTERVAL = WINDOW_NS // 50
RECORD_BYTES = 52

InAChild = Callable[[Callable[[], object]], str]


class FakeClock:
    """Both clocks of a host, moved by hand."""

    def __init__(self) -> None:
        self.monotonic = 5_000 * SECOND
        self.wall = 1_700_000_000 * SECOND

    def monotonic_ns(self) -> int:
        return self.monotonic

    def time_ns(self) -> int:
        return self.wall

    def move(self, by_ns: int) -> None:
        self.monotonic += by_ns
        self.wall += by_ns


class HeldClock(FakeClock):
    """A clock that holds up whoever reads it, in the middle of a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()
        self.go_on = threading.Event()

    def monotonic_ns(self) -> int:
        self.is_read.set()
        self.go_on.wait(10)
        return super().monotonic_ns()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limiter"


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[FileStore]:
    store = FileStore(path, 50, clock=clock, lock_timeout_seconds=0.05)
    yield store
    store.close()


@pytest.fixture
def busy(store: FileStore, clock: FakeClock) -> FileStore:
    """A store whose silence is over and that has booked a slot already."""
    first_slot(store, clock)
    return store


def first_slot(store: FileStore, clock: FakeClock) -> int:
    """Ask as often as told until there is a slot, move on to it, return how long all that took."""
    started_ns = clock.monotonic
    for _ in range(20):
        slot_ns, wait_ns = store.book()
        clock.move(wait_ns)
        if slot_ns is not None:
            assert slot_ns == clock.monotonic
            return slot_ns - started_ns
    pytest.fail("20 questions and no slot")


def taken(store: FileStore) -> int:
    """Book a slot; there has to be one."""
    slot_ns, _ = store.book()
    assert slot_ns is not None
    return slot_ns


def record(  # noqa: PLR0913 - the fields of a record
    clock: FakeClock,
    *,
    magic: bytes = b"tmdbslt1",
    offset_ns: int = 0,
    at_ns: int = 0,
    next_ns: int = 0,
    seen_ns: int = 0,
) -> bytes:
    """Return a whole record whose times are relative to what `clock` shows."""
    now = clock.monotonic
    offset_ns += clock.wall - now
    body = struct.pack("<8sqqqqq", magic, offset_ns, now + at_ns, now + next_ns, 7, now + seen_ns)
    return body + zlib.crc32(body).to_bytes(4, "little")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file, like another process."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_new_file_is_silent_first_and_then_gives_a_slot_an_interval_apart(
    store: FileStore, clock: FakeClock
) -> None:
    silence_ns = first_slot(store, clock)
    slots = [taken(store) for _ in range(4)]

    assert silence_ns == SILENCE_NS
    assert [after - before for before, after in pairwise(slots)] == [INTERVAL] * 3


def test_two_stores_on_one_file_share_its_slots(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    other = FileStore(path, 50, born=0, clock=clock)

    slots = [taken(store) for store in (busy, other, other)]
    refused = busy.book()
    clock.move(4 * INTERVAL)
    slots += [taken(store) for store in (busy, other)]

    assert [after - before for before, after in pairwise(slots)] == [INTERVAL] * 4
    assert refused[0] is None  # the other one is elder by now
    other.close()


@pytest.mark.usefixtures("busy")
def test_a_run_is_born_when_its_store_is_opened(path: Path, clock: FakeClock) -> None:
    younger = FileStore(path, 50, clock=clock)

    refused, _ = younger.book()
    clock.move(ELDEST_NS + 1)
    due = younger.book()
    ahead = younger.book()

    assert refused is None
    assert due == (clock.monotonic, 0)
    assert ahead == (clock.monotonic + INTERVAL, INTERVAL)
    younger.close()


def test_each_process_keeps_its_own_rate_on_a_shared_file(path: Path, clock: FakeClock) -> None:
    slow = FileStore(path, 10, born=0, clock=clock)
    first_slot(slow, clock)

    slot = taken(slow)
    following = taken(slow)

    assert following - slot == WINDOW_NS // 10
    slow.close()


def test_a_late_departure_moves_the_slots_of_everybody(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    other = FileStore(path, 50, born=0, clock=clock)
    before = taken(busy)

    busy.write_back(LATE_NS + 5 * MS)
    busy.write_back(LATE_NS)
    after = taken(other)

    assert after - before == INTERVAL + 5 * MS
    other.close()


def test_a_state_from_yesterday_does_not_delay(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    busy.book()
    busy.close()
    clock.move(DAY)
    today = FileStore(path, 50, clock=clock)

    assert today.book() == (clock.monotonic, 0)
    today.close()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"x",
        bytes(RECORD_BYTES),
        b"x" * (RECORD_BYTES - 1),
        b"x" * RECORD_BYTES,
        b"x" * (RECORD_BYTES + 1),
        b"not a limiter at all\n" * 100,
    ],
    ids=["empty", "a letter", "zeros", "too short", "as long", "too long", "a text"],
)
def test_garbage_in_the_file_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock, damage: bytes
) -> None:
    path.write_bytes(damage)

    assert first_slot(busy, clock) == SILENCE_NS
    assert busy.book() == (clock.monotonic + INTERVAL, INTERVAL)


@pytest.mark.parametrize("length", [0, 1, RECORD_BYTES // 2, RECORD_BYTES - 1])
def test_a_truncated_file_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock, length: int
) -> None:
    os.truncate(path, length)

    assert first_slot(busy, clock) == SILENCE_NS
    assert path.stat().st_size == RECORD_BYTES


def test_a_flipped_bit_anywhere_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    for place in range(RECORD_BYTES):
        raw = bytearray(path.read_bytes())
        raw[place] ^= 1 << place % 8
        path.write_bytes(raw)

        assert first_slot(busy, clock) == SILENCE_NS, place


@given(raw=st.binary(max_size=9) | st.binary(min_size=RECORD_BYTES - 1))
def test_no_bytes_at_all_give_an_earlier_slot(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    clock = FakeClock()
    path = tmp_path_factory.getbasetemp() / "any-bytes"
    path.write_bytes(raw)
    store = FileStore(path, 50, clock=clock)

    assert first_slot(store, clock) == SILENCE_NS
    store.close()


@pytest.mark.parametrize(
    ("fields", "is_believed"),
    [
        ({}, True),
        ({"magic": b"tmdbslt0"}, False),
        ({"offset_ns": CLOCK_TOLERANCE_NS}, True),
        ({"offset_ns": -CLOCK_TOLERANCE_NS}, True),
        ({"offset_ns": CLOCK_TOLERANCE_NS + 1}, False),
        ({"offset_ns": -CLOCK_TOLERANCE_NS - 1}, False),
        ({"at_ns": 1}, False),
        ({"next_ns": 2 * SILENCE_NS + 1}, False),
        ({"seen_ns": 1}, False),
    ],
)
def test_a_whole_record_is_believed_only_if_this_clock_and_these_rules_can_have_made_it(
    path: Path, clock: FakeClock, fields: dict[str, Any], *, is_believed: bool
) -> None:
    path.write_bytes(record(clock, **fields))
    store = FileStore(path, 50, born=7, clock=clock)

    assert first_slot(store, clock) == (0 if is_believed else SILENCE_NS)
    store.close()


def test_a_deleted_file_costs_one_silence_for_all(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    other = FileStore(path, 50, born=0, clock=clock)
    path.unlink()

    silence_ns = first_slot(busy, clock)
    slots = [taken(busy), taken(other)]

    assert silence_ns == SILENCE_NS
    assert slots[1] - slots[0] == INTERVAL
    assert path.stat().st_size == RECORD_BYTES
    other.close()


def test_a_deleted_folder_costs_one_silence(tmp_path: Path, clock: FakeClock) -> None:
    store = FileStore(tmp_path / "folder" / "limiter", 50, clock=clock)
    first_slot(store, clock)
    shutil.rmtree(tmp_path / "folder")

    assert first_slot(store, clock) == SILENCE_NS
    store.close()


def test_a_file_renamed_over_the_state_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    replacement = path.with_name("replacement")
    replacement.write_bytes(b"x" * RECORD_BYTES)
    replacement.rename(path)

    assert first_slot(busy, clock) == SILENCE_NS
    assert busy.book() == (clock.monotonic + INTERVAL, INTERVAL)


@pytest.mark.parametrize("step", [HOUR, -HOUR, 10 * SECOND, -10 * SECOND])
def test_a_step_of_the_wall_clock_costs_one_silence(
    busy: FileStore, clock: FakeClock, step: int
) -> None:
    clock.wall += step

    assert first_slot(busy, clock) == SILENCE_NS
    assert busy.book() == (clock.monotonic + INTERVAL, INTERVAL)


@pytest.mark.parametrize("step", [SECOND, -SECOND])
def test_a_wall_clock_that_is_set_right_by_a_second_costs_nothing(
    busy: FileStore, clock: FakeClock, step: int
) -> None:
    before = taken(busy)
    for _ in range(10):
        clock.wall += step
        after = taken(busy)

        assert after - before == INTERVAL
        before = after


@pytest.mark.parametrize("uptime", [3 * SECOND, 9_000 * SECOND])
def test_a_reboot_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock, uptime: int
) -> None:
    busy.close()
    clock.wall += 60 * SECOND
    clock.monotonic = uptime
    rebooted = FileStore(path, 50, clock=clock)

    assert first_slot(rebooted, clock) == SILENCE_NS
    assert rebooted.book() == (clock.monotonic + INTERVAL, INTERVAL)
    rebooted.close()


def test_the_record_is_written_in_place(path: Path, busy: FileStore) -> None:
    before = path.stat()
    busy.book()
    after = path.stat()

    assert (after.st_ino, after.st_size) == (before.st_ino, RECORD_BYTES)
    assert list(path.parent.iterdir()) == [path]


def test_the_file_is_readable_for_its_owner_only_and_missing_folders_are_made(
    tmp_path: Path,
) -> None:
    path = tmp_path / "some" / "folder" / "limiter"

    FileStore(path, 50).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def a_folder(tmp_path: Path) -> Path:
    return tmp_path


def under_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "limiter"


def circle(tmp_path: Path) -> Path:
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path / "circle"


def odd_name(tmp_path: Path) -> Path:
    (tmp_path / "two\nlines").mkdir()
    return tmp_path / "two\nlines"


@pytest.mark.parametrize("place", [a_folder, under_a_file, circle, odd_name])
def test_a_path_that_can_be_no_file_is_named_with_the_remedy_in_one_line(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    path = place(tmp_path)

    with pytest.raises(LimiterUnavailableError) as caught:
        FileStore(path, 50)

    assert repr(str(path)) in str(caught.value)
    assert "TMDB_LIMITER" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_becomes_a_file_makes_the_store_fail_for_good(
    tmp_path: Path, clock: FakeClock
) -> None:
    folder = tmp_path / "folder"
    store = FileStore(folder / "limiter", 50, clock=clock)
    first_slot(store, clock)
    shutil.rmtree(folder)
    folder.touch()

    with pytest.raises(LimiterUnavailableError, match=r"folder/limiter.*TMDB_LIMITER"):
        store.book()
    folder.unlink()
    with pytest.raises(LimiterUnavailableError, match="folder/limiter"):
        store.book()
    store.close()


def test_a_path_that_becomes_a_folder_makes_the_store_fail(path: Path, busy: FileStore) -> None:
    path.unlink()
    path.mkdir()

    with pytest.raises(LimiterUnavailableError, match=r"directory.*TMDB_LIMITER"):
        busy.book()
    with pytest.raises(LimiterUnavailableError, match="directory"):
        busy.check_open()


def test_a_lock_that_the_system_refuses_makes_the_store_fail(path: Path, clock: FakeClock) -> None:
    store = FileStore(path, 50, clock=clock)
    spare = os.dup(store._fd)
    os.close(store._fd)

    with pytest.raises(LimiterUnavailableError, match=r"Bad file descriptor.*TMDB_LIMITER"):
        store.book()
    with pytest.raises(LimiterUnavailableError, match="Bad file descriptor"):
        store.check_open()

    os.dup2(spare, store._fd)
    os.close(spare)
    store.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_makes_the_store_fail() -> None:
    store = FileStore(Path("/dev/full"), 50)

    with pytest.raises(LimiterUnavailableError, match="No space left on device"):
        store.book()
    with pytest.raises(LimiterUnavailableError, match="No space left on device"):
        store.write_back(0)
    store.close()


HALF_A_RECORD = """
import resource, sys
from pathlib import Path
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.file_store import FileStore

store = FileStore(Path(sys.argv[1]), 50)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
try:
    store.book()
except LimiterUnavailableError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    print(error)
"""


def test_half_a_record_written_makes_the_store_fail(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HALF_A_RECORD, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )

    assert path.stat().st_size == 20
    assert "No space left on device" in done.stdout
    assert repr(str(path)) in done.stdout


def test_a_lock_that_another_process_keeps_is_named_once_and_for_good(
    path: Path, busy: FileStore
) -> None:
    with locked(path):
        with pytest.raises(
            LimiterUnavailableError, match=r"locked for 0\.05 s .*TMDB_LIMITER"
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

    for call in (busy.book, busy.check_open, lambda: busy.write_back(0)):
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


def test_a_failed_store_can_be_closed_and_keeps_its_error(tmp_path: Path, clock: FakeClock) -> None:
    store = FileStore(tmp_path / "folder" / "limiter", 50, clock=clock)
    shutil.rmtree(tmp_path / "folder")
    (tmp_path / "folder").touch()
    with pytest.raises(LimiterUnavailableError):
        store.book()

    store.close()

    with pytest.raises(LimiterUnavailableError):
        store.check_open()


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
def test_a_fork_in_the_middle_of_a_transaction_leaves_no_child_hanging(
    path: Path, in_a_child: InAChild
) -> None:
    clock = HeldClock()
    store = FileStore(path, 50, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(store.book)
        assert clock.is_read.wait(5)
        told = in_a_child(store.book)
        clock.go_on.set()
        asked.result(5)

    assert told.startswith("LimiterUnavailableError: ")
    store.close()


def test_threads_of_one_store_get_slots_of_their_own(path: Path, clock: FakeClock) -> None:
    store = FileStore(path, 50_000, clock=clock)
    first_slot(store, clock)

    def take() -> list[int]:
        return [taken(store) for _ in range(50)]

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(take) for _ in range(8)]
    slots = sorted(slot for one in asked for slot in one.result())

    assert len(slots) == 400
    assert min(after - before for before, after in pairwise(slots)) >= WINDOW_NS // 50_000
    store.close()


def test_slots_are_told_in_the_clock_of_the_store(busy: FileStore, clock: FakeClock) -> None:
    clock.move(123)

    assert busy.now_ns() == clock.monotonic

"""One file for all: what its sharers see of each other."""

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.limiter.file_limiter import SECOND, EventfulClock, FakeClock, first_slot, locked, taken
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.limiter.cooldown import FIRST_PAUSE_NS, SLOWER
from tmdb_assets.limiter.file_record import RECORD_BYTES
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.slots import ELDEST_NS, LATE_NS, MS, SILENCE_NS, WINDOW_NS

DAY = 24 * 3600 * SECOND
INTERVAL = WINDOW_NS // 50


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


def test_a_store_has_a_name_and_a_birth(path: Path, clock: FakeClock) -> None:
    store = FileStore(path, 50, clock=clock)
    named = FileStore(path, 50, born=3, clock=clock)

    assert (store.name, store.born) == (f"file '{path}'", clock.wall)
    assert named.born == 3
    store.close()
    named.close()


def test_a_refusal_makes_everybody_on_the_file_pause_and_slow_down(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    other = FileStore(path, 50, born=0, clock=clock)
    left_ns = clock.monotonic
    clock.move(60 * MS)

    told = busy.refused(left_ns, 0)
    again = other.refused(left_ns, 0)
    slot_ns = clock.monotonic + first_slot(other, clock)

    assert told.is_news
    assert (told.pause_seconds, told.last_pause_seconds) == (1.0, 1.0)
    assert told.requests_per_second == SLOWER * 50
    assert again == replace(told, is_news=False)
    assert slot_ns == left_ns + 60 * MS + FIRST_PAUSE_NS
    other.close()


def test_a_refusal_of_a_younger_run_after_the_pause_is_news_again(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    younger = FileStore(path, 50, clock=clock)
    busy.refused(clock.monotonic, 0)
    first_slot(busy, clock)

    told = younger.refused(clock.monotonic, 3 * SECOND)

    assert told.is_news
    assert (told.pause_seconds, told.last_pause_seconds) == (3.0, 2.0)
    assert told.requests_per_second == pytest.approx(SLOWER**2 * 50)
    assert told.refused_seconds == 1.0
    assert replace(told, is_news=False) == busy.pace()
    younger.close()


def test_a_pace_tells_what_was_given_and_who_asked(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    younger = FileStore(path, 50, born=clock.wall + 1, clock=clock)
    before = busy.pace()
    taken(busy)
    younger.book()
    after = busy.pace()
    clock.move(ELDEST_NS + 1)
    alone = busy.pace()

    assert after.permits - before.permits == 1
    assert (before.asker, before.eldest) == (busy.born, busy.born)
    assert (after.asker, after.eldest) == (younger.born, busy.born)
    assert (alone.asker, alone.eldest) == (younger.born, None)
    assert (before.requests_per_second, before.cap, before.pause_seconds) == (50.0, 50, 0.0)
    younger.close()


def test_each_process_tells_the_pace_by_its_own_cap(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    slow = FileStore(path, 10, clock=clock)

    assert (slow.pace().requests_per_second, slow.pace().cap) == (10.0, 10)
    assert busy.pace().requests_per_second == 50.0
    slow.close()


def test_a_pace_waits_for_nobody(path: Path, busy: FileStore, clock: FakeClock) -> None:
    before = busy.pace()
    patient = FileStore(path, 50, born=0, clock=clock)
    with ThreadPoolExecutor(1) as pool, locked(path):
        asked = pool.submit(patient.book)  # holds the store's own lock too, all the time
        with pytest.raises(TimeoutError):
            asked.result(0.02)
        told = [busy.pace(), patient.pace()]

    assert told == [before, before]
    assert asked.result()[0] is not None
    patient.close()


def test_a_pace_is_told_of_a_record_that_was_written_since_the_clock_was_read(path: Path) -> None:
    clock = EventfulClock()
    busy, other = FileStore(path, 50, clock=clock), FileStore(path, 50, clock=clock)
    first_slot(busy, clock)

    def ask_a_moment_later() -> None:
        clock.move(1)
        taken(other)

    clock.then = ask_a_moment_later

    assert busy.pace().permits == 2
    busy.close()
    other.close()


def test_a_pace_of_a_store_that_is_closed_meanwhile_is_an_error_of_the_limiter(path: Path) -> None:
    clock = EventfulClock()
    store = FileStore(path, 50, clock=clock)
    clock.then = store.close

    with pytest.raises(LimiterClosedError):
        store.pace()


def test_a_pace_is_told_although_another_thread_opens_the_file_anew_meanwhile(path: Path) -> None:
    clock = EventfulClock()
    store = FileStore(path, 50, clock=clock)
    first_slot(store, clock)
    fd = store._fd

    def close_the_old_one() -> None:
        store._fd, clock.then = -1, open_the_new_one

    def open_the_new_one() -> None:
        store._fd = fd

    clock.then = close_the_old_one

    assert store.pace().permits == 1
    store.close()


def test_a_pace_writes_nothing(path: Path, busy: FileStore, clock: FakeClock) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    clock.move(10 * SECOND)
    busy.pace()

    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.write_bytes(b"garbage")
    damaged = busy.pace()
    assert path.read_bytes() == b"garbage"
    assert (damaged.permits, damaged.eldest, damaged.requests_per_second) == (0, None, 50.0)
    path.unlink()
    busy.pace()
    assert not path.exists()


def test_a_pace_of_a_file_that_nobody_used_yet_is_the_cap(store: FileStore) -> None:
    told = store.pace()

    assert (told.requests_per_second, told.permits, told.eldest) == (50.0, 0, None)


def test_a_reset_forgets_pauses_and_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    other = FileStore(path, 50, born=0, clock=clock)
    busy.refused(clock.monotonic, 60 * SECOND)

    other.reset()

    assert (busy.pace().pause_seconds, busy.pace().last_pause_seconds) == (0.0, 0.0)
    assert busy.pace().requests_per_second == 50.0
    assert (busy.pace().permits, busy.pace().eldest) == (0, None)
    assert first_slot(busy, clock) == SILENCE_NS
    other.close()

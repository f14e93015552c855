"""What befalls the file: it never costs a request too many, only one silence."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.limiter.file_limiter import SECOND, FakeClock, first_slot, record, taken
from tmdb_assets.limiter.file_record import RECORD_BYTES
from tmdb_assets.limiter.file_store import CLOCK_TOLERANCE_NS, FileStore
from tmdb_assets.limiter.slots import LONGEST_PAUSE_NS, MS, SILENCE_NS, UNSLOWED, WINDOW_NS

HOUR = 3600 * SECOND
INTERVAL = WINDOW_NS // 50


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
        ({"magic": b"tmdbslt1"}, False),
        ({"offset_ns": CLOCK_TOLERANCE_NS}, True),
        ({"offset_ns": -CLOCK_TOLERANCE_NS}, True),
        ({"offset_ns": CLOCK_TOLERANCE_NS + 1}, False),
        ({"offset_ns": -CLOCK_TOLERANCE_NS - 1}, False),
        ({"at_ns": 1}, False),
        ({"next_ns": 2 * SILENCE_NS + 1}, False),
        ({"seen_ns": 1}, False),
        ({"inode": 1}, False),
        ({"paused_ns": LONGEST_PAUSE_NS + 1}, False),
        ({"pause_ns": LONGEST_PAUSE_NS + 1}, False),
        ({"since_ns": 1}, False),
        ({"slowed_to": 0.0}, False),
        ({"slowed_to": float("nan")}, False),
        ({"slowed_to": 2 * UNSLOWED}, False),
        ({"slowed_to": 30.0, "pause_ns": SECOND}, True),
    ],
)
def test_a_whole_record_is_believed_only_if_this_clock_and_these_rules_can_have_made_it(
    path: Path, clock: FakeClock, fields: dict[str, Any], *, is_believed: bool
) -> None:
    path.touch()
    path.write_bytes(record(path, clock, **fields))
    store = FileStore(path, 50, born=7, clock=clock)

    assert first_slot(store, clock) == (0 if is_believed else SILENCE_NS)
    store.close()


def test_a_record_of_the_first_format_costs_one_silence(path: Path, clock: FakeClock) -> None:
    path.touch()
    path.write_bytes(record(path, clock)[:52])
    store = FileStore(path, 50, born=7, clock=clock)

    assert first_slot(store, clock) == SILENCE_NS
    store.close()


def test_an_earlier_record_copied_back_in_place_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    earlier = path.read_bytes()
    clock.move(10 * MS)
    taken(busy)
    path.write_bytes(earlier)

    assert first_slot(busy, clock) == SILENCE_NS
    assert busy.book() == (clock.monotonic + INTERVAL, INTERVAL)


def test_an_earlier_record_is_refused_by_whoever_only_wrote_back(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    earlier = path.read_bytes()
    clock.move(1)
    busy.write_back(0)
    path.write_bytes(earlier)

    assert first_slot(busy, clock) == SILENCE_NS


def test_the_last_record_copied_back_in_place_costs_nothing(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    path.write_bytes(path.read_bytes())

    assert busy.book() == (clock.monotonic + INTERVAL, INTERVAL)


@pytest.mark.parametrize("is_old", [True, False])
def test_a_whole_record_renamed_over_the_file_costs_one_silence(
    path: Path, busy: FileStore, clock: FakeClock, *, is_old: bool
) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    clock.move(10 * MS)
    taken(busy)
    if not is_old:
        shutil.copy2(path, copy)
    copy.rename(path)
    newcomer = FileStore(path, 50, born=0, clock=clock)

    assert first_slot(busy, clock) == SILENCE_NS
    assert taken(newcomer) - clock.monotonic == INTERVAL
    newcomer.close()


def test_a_file_moved_to_another_place_costs_one_silence_there(
    path: Path, busy: FileStore, clock: FakeClock
) -> None:
    elsewhere = path.with_name("elsewhere")
    shutil.copy2(path, elsewhere)
    busy.close()
    store = FileStore(elsewhere, 50, clock=clock)

    assert first_slot(store, clock) == SILENCE_NS
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

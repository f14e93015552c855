import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from tests.defs.project import Project
from tests.defs.runs import CANCELED, CANCELING, FAILURE, QUEUED, STARTED, add_run, say, status_of
from tests.patience import HANG_SECONDS
from tests.store.stored_batches import held
from tmdb_assets.batch_lock import LOCK_NAME, BatchLock, this_host
from tmdb_assets.defs.reaper import (
    APART_SECONDS,
    PARTITION_TAG,
    SILENT_SECONDS,
    interrupt_holder,
    reap,
)
from tmdb_assets.files import exclusive
from tmdb_assets.receipt import batch_folder

BATCH = "movies-0001"

# holds the lock of a batch as a run does, and tells how it was stopped
HOLD = """
import sys
from pathlib import Path
from tmdb_assets.batch_lock import BatchLock
folder = Path(sys.argv[1])
with BatchLock(folder, "movies-0001", "run-7"):
    try:
        print("held", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        (folder / "interrupted").touch()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with one frozen batch."""
    frozen = tmp_path / "batches" / "movies" / f"{BATCH}.txt"
    frozen.parent.mkdir(parents=True)
    frozen.write_text("https://api.themoviedb.org/3/movie/1\n")
    return tmp_path


def lock_of(data_dir: Path, line: str, batch: str = BATCH) -> Path:
    lock = batch_folder(data_dir, batch) / LOCK_NAME
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(line)
    return lock


def look_twice(
    instance: dg.DagsterInstance, data_dir: Path
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Look, and look again as if the time between two looks had passed."""
    first = reap(instance, data_dir, {})
    earlier = {run_id: seen - APART_SECONDS for run_id, seen in first.items()}
    return first, reap(instance, data_dir, earlier)


# --- runs that had their lock -------------------------------------------------------------------


@pytest.mark.parametrize(("status", "end"), [(STARTED, FAILURE), (CANCELING, CANCELED)])
def test_a_run_that_lost_the_lock_it_had_is_reported_dead_at_the_second_look(
    instance: dg.DagsterInstance,
    data_dir: Path,
    status: dg.DagsterRunStatus,
    end: dg.DagsterRunStatus,
) -> None:
    run = add_run(instance, BATCH, status)
    say(instance, run)
    lock_of(data_dir, f"{run.run_id} 123 {this_host()} 4\n")

    first, second = look_twice(instance, data_dir)

    assert list(first) == [run.run_id]
    assert second == {}
    assert status_of(instance, run) is end


def test_the_failure_says_that_the_process_is_gone_and_which_batch_it_had(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    lock_of(data_dir, f"{run.run_id} 123 {this_host()} 4\n")

    look_twice(instance, data_dir)

    said = [str(entry.message) for entry in instance.all_logs(run.run_id)]
    assert any("its process is gone" in words and f"'{BATCH}'" in words for words in said)


def test_one_look_is_not_enough(instance: dg.DagsterInstance, data_dir: Path) -> None:
    run = add_run(instance, BATCH)
    lock_of(data_dir, f"{run.run_id} 123 {this_host()} 4\n")

    first = reap(instance, data_dir, {})
    suspects = reap(instance, data_dir, first)

    assert suspects == first
    assert list(suspects) == [run.run_id]
    assert status_of(instance, run) is STARTED


def test_a_run_whose_lock_is_held_lives(instance: dg.DagsterInstance, data_dir: Path) -> None:
    run = add_run(instance, BATCH)
    say(instance, run, SILENT_SECONDS + 100)

    with exclusive(lock_of(data_dir, f"{run.run_id} 123 {this_host()} 4\n"), wait_seconds=0):
        looks = look_twice(instance, data_dir)

    assert looks == ({}, {})
    assert status_of(instance, run) is STARTED


def test_a_suspect_that_ended_meanwhile_is_forgotten(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    lock_of(data_dir, f"{run.run_id} 123 {this_host()} 4\n")
    suspects = reap(instance, data_dir, {})
    instance.report_run_failed(run, "for a reason of its own")

    assert reap(instance, data_dir, suspects) == {}
    assert time.time() - suspects[run.run_id] < APART_SECONDS


def test_a_suspect_that_was_seen_alive_in_between_begins_anew(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    lock = lock_of(data_dir, f"{run.run_id} 123 {this_host()} 4\n")
    suspects = reap(instance, data_dir, {})
    with exclusive(lock, wait_seconds=0):
        suspects = reap(instance, data_dir, suspects)

    again = reap(instance, data_dir, suspects)

    assert list(again) == [run.run_id]
    assert status_of(instance, run) is STARTED


# --- runs that gave it back, or never had it ----------------------------------------------------

NOT_THEIRS = ["", "the-run-before 123 a-host 9\n"]
"""What a lock file says when a run gave it back in good order, or did not come to it yet."""


@pytest.mark.parametrize("line", NOT_THEIRS)
def test_a_run_without_its_lock_that_just_said_something_is_left_alone(
    instance: dg.DagsterInstance, data_dir: Path, line: str
) -> None:
    run = add_run(instance, BATCH)
    say(instance, run, SILENT_SECONDS + 100)
    say(instance, run, SILENT_SECONDS / 2)
    lock_of(data_dir, line)

    assert look_twice(instance, data_dir) == ({}, {})
    assert status_of(instance, run) is STARTED


@pytest.mark.parametrize("line", NOT_THEIRS)
def test_a_run_without_its_lock_that_has_been_silent_for_too_long_is_dead(
    instance: dg.DagsterInstance, data_dir: Path, line: str
) -> None:
    run = add_run(instance, BATCH)
    say(instance, run, SILENT_SECONDS + 100)
    say(instance, run, SILENT_SECONDS + 1)
    lock_of(data_dir, line)

    first, second = look_twice(instance, data_dir)

    assert (list(first), second) == ([run.run_id], {})
    assert status_of(instance, run) is FAILURE


def test_a_silent_run_of_a_batch_that_nobody_ever_began_is_dead(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    say(instance, run, SILENT_SECONDS + 1)

    look_twice(instance, data_dir)

    assert status_of(instance, run) is FAILURE
    assert not batch_folder(data_dir, BATCH).exists()


def test_a_lock_that_was_taken_and_given_back_leaves_its_run_alone_while_checks_follow(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    say(instance, run)
    folder = lock_of(data_dir, "").parent
    with BatchLock(folder, BATCH, run.run_id):
        pass

    assert look_twice(instance, data_dir) == ({}, {})


def test_only_the_dead_one_of_many_is_reported(
    instance: dg.DagsterInstance, project: Project
) -> None:
    dead_batch, live_batch = project.add(150).all_batches
    dead, alive = add_run(instance, dead_batch), add_run(instance, live_batch)
    lock_of(project.data_dir, f"{dead.run_id} 1 {this_host()} 1\n", dead_batch)
    lock = lock_of(project.data_dir, f"{alive.run_id} 1 {this_host()} 1\n", live_batch)

    with exclusive(lock, wait_seconds=0):
        look_twice(instance, project.data_dir)

    assert status_of(instance, dead) is FAILURE
    assert status_of(instance, alive) is STARTED


# --- runs of another host, or of this one before it was started anew ---------------------------


def test_a_run_of_another_host_that_just_said_something_lives_although_its_lock_looks_free(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    say(instance, run)
    lock_of(data_dir, f"{run.run_id} 123 another-host 4\n")

    assert look_twice(instance, data_dir) == ({}, {})


def test_a_run_that_ended_with_its_machine_is_dead_when_it_has_been_silent_for_too_long(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH)
    say(instance, run, SILENT_SECONDS + 1)
    lock_of(data_dir, f"{run.run_id} 123 {'0' * 8}-the-boot-before 4\n")

    look_twice(instance, data_dir)

    assert status_of(instance, run) is FAILURE


@pytest.mark.parametrize("line", [b"\xff\xfe", b"\0" * 100, b"x" * 100_000])
def test_a_lock_file_that_is_damaged_is_as_good_as_an_empty_one(
    instance: dg.DagsterInstance, data_dir: Path, line: bytes
) -> None:
    loud, silent = add_run(instance, BATCH), add_run(instance, BATCH)
    say(instance, loud)
    say(instance, silent, SILENT_SECONDS + 1)
    lock_of(data_dir, "").write_bytes(line)

    look_twice(instance, data_dir)

    assert status_of(instance, loud) is STARTED
    assert status_of(instance, silent) is FAILURE
    interrupt_holder(data_dir, BATCH, "run-7")


# --- runs that are none of ours -----------------------------------------------------------------


@pytest.mark.parametrize(
    "batch",
    [None, "", "somebody-elses-0001", "movies-0002", "2026-11-24", "../movies-0001", "a\0-0001"],
)
def test_runs_that_are_none_of_ours_are_left_alone_however_silent_they_are(
    instance: dg.DagsterInstance, data_dir: Path, batch: str | None
) -> None:
    run = add_run(instance, batch)
    say(instance, run, SILENT_SECONDS + 1000)

    assert look_twice(instance, data_dir) == ({}, {})
    assert status_of(instance, run) is STARTED


def test_a_run_of_a_batch_without_a_frozen_file_is_none_of_ours_although_it_left_a_lock(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = add_run(instance, BATCH)
    lock_of(tmp_path, f"{run.run_id} 123 {this_host()} 4\n")

    assert look_twice(instance, tmp_path) == ({}, {})


def test_runs_that_wait_are_left_to_dagster(instance: dg.DagsterInstance, data_dir: Path) -> None:
    waiting = [
        add_run(instance, BATCH, status) for status in (QUEUED, dg.DagsterRunStatus.STARTING)
    ]
    for run in waiting:
        say(instance, run, SILENT_SECONDS + 1000)

    assert look_twice(instance, data_dir) == ({}, {})


def test_a_run_that_nobody_queued_any_more_is_reported_failed(
    instance: dg.DagsterInstance, data_dir: Path
) -> None:
    run = add_run(instance, BATCH, dg.DagsterRunStatus.NOT_STARTED)
    assert look_twice(instance, data_dir) == ({}, {})
    say(instance, run, SILENT_SECONDS + 1)

    look_twice(instance, data_dir)

    assert status_of(instance, run) is dg.DagsterRunStatus.FAILURE


def test_a_folder_that_leads_elsewhere_harms_nobody(
    instance: dg.DagsterInstance, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    add_run(instance, BATCH)
    (data_dir / "responses").symlink_to(tmp_path_factory.mktemp("elsewhere"))

    assert look_twice(instance, data_dir) == ({}, {})


# --- interrupting a run through its lock --------------------------------------------------------


def end_of(process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Let a holder end by itself if nobody did, and say whether it was interrupted."""
    process.communicate(timeout=HANG_SECONDS)
    return (folder / "interrupted").exists()


def test_the_process_that_holds_the_batch_for_a_run_is_interrupted(data_dir: Path) -> None:
    folder = batch_folder(data_dir, BATCH)
    folder.mkdir(parents=True)
    with held(HOLD, folder) as process:
        interrupt_holder(data_dir, BATCH, "run-7")
        process.wait(HANG_SECONDS)

        assert (folder / "interrupted").exists()


def test_a_process_that_holds_the_batch_for_another_run_is_left_alone(data_dir: Path) -> None:
    folder = batch_folder(data_dir, BATCH)
    folder.mkdir(parents=True)
    with held(HOLD, folder) as process:
        for run_id in ("run-8", "run", "", str(process.pid)):
            interrupt_holder(data_dir, BATCH, run_id)
        interrupt_holder(data_dir, "movies-0002", "run-7")

        assert not end_of(process, folder)


def test_a_holder_on_another_host_is_not_mistaken_for_a_process_here(data_dir: Path) -> None:
    folder = batch_folder(data_dir, BATCH)
    folder.mkdir(parents=True)
    with held(HOLD, folder) as process:
        (folder / LOCK_NAME).write_text(f"run-7 {process.pid} another-host 1\n")
        interrupt_holder(data_dir, BATCH, "run-7")

        assert not end_of(process, folder)


def test_a_process_that_got_the_number_of_a_dead_holder_is_left_alone(data_dir: Path) -> None:
    lock_of(data_dir, f"run-7 {os.getpid()} {this_host()} 1\n")
    before = signal.getsignal(signal.SIGINT)
    signals: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    try:
        interrupt_holder(data_dir, BATCH, "run-7")
    finally:
        signal.signal(signal.SIGINT, before)

    assert signals == []


@pytest.mark.parametrize("batch", ["", "..", "movies", "../movies-0001", BATCH])
def test_interrupting_where_there_is_no_such_batch_is_no_error(data_dir: Path, batch: str) -> None:
    interrupt_holder(data_dir, batch, "run-7")


def test_the_tag_is_that_of_dagster() -> None:
    assert PARTITION_TAG == "dagster/partition"

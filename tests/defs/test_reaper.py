import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.defs import reaper
from tmdb_assets.defs.reaper import APART_SECONDS, PARTITION_TAG, reap
from tmdb_assets.files import exclusive
from tmdb_assets.receipt import batch_folder


@dg.op
def nothing() -> None:
    pass


@dg.job
def some_job() -> None:
    nothing()


def started_run(instance: dg.DagsterInstance, batch: str | None) -> dg.DagsterRun:
    tags = {} if batch is None else {PARTITION_TAG: batch}
    run = instance.create_run_for_job(job_def=some_job, tags=tags)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, some_job.name, message="started"),
        run_id=run.run_id,
    )
    return run


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def lock_of(data_dir: Path, batch: str, holder: str) -> Path:
    lock = batch_folder(data_dir, batch) / LOCK_NAME
    lock.parent.mkdir(parents=True)
    lock.write_text(f"{holder} 123\n")
    return lock


def look_twice(
    instance: dg.DagsterInstance, data_dir: Path
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Look, and look again as if the time between two looks had passed."""
    first = reap(instance, data_dir, {})
    earlier = {run_id: seen - APART_SECONDS for run_id, seen in first.items()}
    return first, reap(instance, data_dir, earlier)


def test_a_run_that_lost_the_lock_it_had_is_reported_failed_at_the_second_look(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = started_run(instance, "movies-0001")
    lock_of(tmp_path, "movies-0001", run.run_id)

    first, second = look_twice(instance, tmp_path)

    assert list(first) == [run.run_id]
    assert second == {}
    assert status_of(instance, run) is dg.DagsterRunStatus.FAILURE


def test_one_look_is_not_enough(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = started_run(instance, "movies-0001")
    lock_of(tmp_path, "movies-0001", run.run_id)

    suspects = reap(instance, tmp_path, reap(instance, tmp_path, {}))

    assert list(suspects) == [run.run_id]
    assert status_of(instance, run) is dg.DagsterRunStatus.STARTED


def test_a_run_whose_lock_is_held_lives(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = started_run(instance, "movies-0001")

    with exclusive(lock_of(tmp_path, "movies-0001", run.run_id), wait_seconds=0):
        looks = look_twice(instance, tmp_path)

    assert looks == ({}, {})
    assert status_of(instance, run) is dg.DagsterRunStatus.STARTED


def test_a_young_run_that_did_not_come_to_its_lock_yet_is_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    started_run(instance, "movies-0001")
    lock_of(tmp_path, "movies-0001", "the-run-before")

    assert look_twice(instance, tmp_path) == ({}, {})


def test_an_old_run_that_never_had_its_lock_is_dead(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(instance, "movies-0001")
    lock_of(tmp_path, "movies-0001", "the-run-before")
    monkeypatch.setattr(reaper, "YOUNG_SECONDS", -1.0)

    look_twice(instance, tmp_path)

    assert status_of(instance, run) is dg.DagsterRunStatus.FAILURE


def test_runs_that_are_none_of_ours_are_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    started_run(instance, None)
    started_run(instance, "somebody-elses-0001")

    assert look_twice(instance, tmp_path) == ({}, {})


def test_a_suspect_that_ended_meanwhile_is_forgotten(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = started_run(instance, "movies-0001")
    lock_of(tmp_path, "movies-0001", run.run_id)
    suspects = reap(instance, tmp_path, {})
    instance.report_run_failed(run, "for a reason of its own")

    assert reap(instance, tmp_path, suspects) == {}
    assert time.time() - suspects[run.run_id] < APART_SECONDS

"""Dagster's queue from a console: what it says about very many runs and about daemons."""

import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from tests.defs.runs import FAILURE, QUEUED, STARTED, SUCCESS, add_run
from tmdb_assets.defs.assets import BUSY_TAG, TOO_MANY_FAILED_TAG
from tmdb_assets.defs.queue import (
    QUEUE_DAEMON,
    RETRIED_BY_TAG,
    RETRY_SECONDS,
    SILENT_SECONDS,
    UNDECIDED_SECONDS,
    WILL_RETRY_TAG,
    active_runs,
    failures,
    is_daemon_up,
)
from tmdb_assets.defs.reaper import ACTIVE
from tmdb_assets.files import exclusive

MANY = 300_000
"""More than SQLite takes variables in a question: 32,766 by default, 250,000 in some builds."""


# --- active runs --------------------------------------------------------------------------------


NEVER = {WILL_RETRY_TAG: "false"}
"""What Dagster says of a run that it will not retry."""


@pytest.mark.parametrize("status", ACTIVE)
def test_a_run_that_has_not_ended_is_active(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run = add_run(instance, "movies-0001", status)
    add_run(instance, "tv-0001", status)
    add_run(instance, None, status)

    assert [one.run_id for one in active_runs(instance, {"movies-0001"})] == [run.run_id]
    assert active_runs(instance, ()) == []


def test_a_list_may_have_more_batches_than_a_database_takes_in_a_question(
    instance: dg.DagsterInstance,
) -> None:
    queued = add_run(instance, f"movies-{MANY - 1}", QUEUED)
    started = add_run(instance, "movies-0", STARTED)
    add_run(instance, "movies-1", SUCCESS)
    keys = frozenset(f"movies-{number}" for number in range(MANY))

    found = {run.run_id for run in active_runs(instance, keys)}

    assert found == {queued.run_id, started.run_id}


def test_a_failed_run_is_active_as_long_as_its_retry_is_to_come(
    instance: dg.DagsterInstance,
) -> None:
    to_come = add_run(instance, "movies-0001", FAILURE, {WILL_RETRY_TAG: "true"})
    add_run(instance, "movies-0002", FAILURE, {WILL_RETRY_TAG: "true", RETRIED_BY_TAG: "another"})
    add_run(instance, "movies-0003", FAILURE, {WILL_RETRY_TAG: "false"})
    keys = {f"movies-000{number}" for number in range(1, 4)}

    assert [run.run_id for run in active_runs(instance, keys)] == [to_come.run_id]
    assert RETRY_SECONDS > UNDECIDED_SECONDS


def test_a_run_that_failed_in_this_moment_may_come_back_until_dagster_has_decided(
    instance: dg.DagsterInstance,
) -> None:
    run = add_run(instance, "movies-0001", FAILURE)
    before = (active_runs(instance, {"movies-0001"}), failures(instance, {run.run_id}))
    instance.add_run_tags(run.run_id, NEVER)
    after = (active_runs(instance, {"movies-0001"}), failures(instance, {run.run_id}))

    assert ([one.run_id for one in before[0]], before[1]) == ([run.run_id], [])
    assert (after[0], len(after[1])) == ([], 1)


# --- failures -----------------------------------------------------------------------------------


def test_why_runs_failed_is_told_once_per_reason(instance: dg.DagsterInstance) -> None:
    runs = [add_run(instance, f"movies-{number:04}", STARTED, NEVER) for number in range(4)]
    for run, words in zip(runs, ("no room", "no room", "no net"), strict=False):
        instance.report_run_failed(run, words)

    assert set(failures(instance, [run.run_id for run in runs])) == {"no room", "no net"}
    assert failures(instance, []) == []


def test_a_run_that_did_all_it_could_is_no_failure(instance: dg.DagsterInstance) -> None:
    did_all = add_run(instance, "movies-0001", STARTED, {**NEVER, TOO_MANY_FAILED_TAG: "true"})
    broken = add_run(instance, "movies-0002", STARTED, NEVER)
    for run in (did_all, broken):
        instance.report_run_failed(run, f"about {run.tags['dagster/partition']}")

    assert failures(instance, [did_all.run_id]) == []
    assert failures(instance, [did_all.run_id, broken.run_id]) == ["about movies-0002"]


def test_that_the_batch_of_a_run_of_others_was_busy_is_no_failure(
    instance: dg.DagsterInstance,
) -> None:
    runs = [add_run(instance, "movies-0001", STARTED, {**NEVER, BUSY_TAG: "true"}) for _ in "12"]
    for run in runs:
        instance.report_run_failed(run, "busy")
    ours, theirs = ([run.run_id] for run in runs)

    assert failures(instance, theirs, followed=theirs) == []
    assert failures(instance, [*ours, *theirs], followed=theirs) == ["busy"]


def test_another_failure_of_a_run_of_others_counts(instance: dg.DagsterInstance) -> None:
    run = add_run(instance, "movies-0001", STARTED, NEVER)
    instance.report_run_failed(run, "no room")

    assert failures(instance, [run.run_id], followed=[run.run_id]) == ["no room"]


def test_a_run_that_will_be_retried_is_no_failure_yet(instance: dg.DagsterInstance) -> None:
    run = add_run(instance, "movies-0001", FAILURE, {WILL_RETRY_TAG: "true"})

    assert failures(instance, [run.run_id]) == []


def test_a_failure_without_a_word_says_where_to_look(instance: dg.DagsterInstance) -> None:
    run = add_run(instance, "movies-0001", FAILURE, NEVER)

    (words,) = failures(instance, [run.run_id])

    assert run.run_id in words
    assert "look at it in the UI" in words


def test_a_list_may_have_had_more_runs_than_a_database_takes_in_a_question(
    instance: dg.DagsterInstance,
) -> None:
    run = add_run(instance, "movies-0001", STARTED, NEVER)
    instance.report_run_failed(run, "no room")

    ids = [*(f"{number:036}" for number in range(MANY)), run.run_id]

    assert failures(instance, ids) == ["no room"]


# --- is a daemon up? ----------------------------------------------------------------------------


def beat(instance: dg.DagsterInstance, daemon_id: str, seconds_ago: float = 0.0) -> None:
    instance.add_daemon_heartbeat(
        DaemonHeartbeat(
            timestamp=time.time() - seconds_ago, daemon_type=QUEUE_DAEMON, daemon_id=daemon_id
        )
    )


@pytest.fixture
def disk_instance(tmp_path_factory: pytest.TempPathFactory) -> dg.DagsterInstance:
    """One with heartbeats, which an instance in memory does not have."""
    return dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance")))


def test_a_daemon_of_others_is_up_as_long_as_it_is_heard_of(
    disk_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    beacon = tmp_path / "beacon"
    with disk_instance as instance:
        never = is_daemon_up(instance, beacon)
        beat(instance, "theirs")
        fresh = is_daemon_up(instance, beacon)
        beacon.write_text("ours-that-was")
        beside = is_daemon_up(instance, beacon)
        beat(instance, "theirs", SILENT_SECONDS + 1)
        silent = is_daemon_up(instance, beacon)

    assert [never, fresh, beside, silent] == [False, True, True, False]


@pytest.mark.parametrize("said", ["", "ours"])
def test_a_daemon_of_ours_is_up_only_while_it_holds_its_beacon(
    disk_instance: dg.DagsterInstance, tmp_path: Path, said: str
) -> None:
    beacon = tmp_path / "beacon"
    with disk_instance as instance:
        beat(instance, "ours")
        with exclusive(beacon, wait_seconds=0):
            beacon.write_text(said)
            alive = is_daemon_up(instance, beacon)
        dead = is_daemon_up(instance, beacon)

    assert [alive, dead] == [True, False]


def test_a_beacon_that_is_held_does_not_stand_for_a_heartbeat(
    disk_instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    beacon = tmp_path / "beacon"
    with disk_instance as instance, exclusive(beacon, wait_seconds=0):
        assert not is_daemon_up(instance, beacon)

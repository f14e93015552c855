from pathlib import Path

import dagster as dg
import pytest

from tests.defs.project import Project
from tests.defs.runs import CANCELED, CANCELING, FAILURE, QUEUED, STARTED, SUCCESS, add_run
from tests.store.stored_batches import fetch
from tmdb_assets.defs.reaper import ACTIVE
from tmdb_assets.defs.requests import (
    QUEUED_AT_MOST,
    Turn,
    room_for_runs,
    submitting,
    unfinished,
    unregistered,
    with_runs,
)
from tmdb_assets.files import is_held
from tmdb_assets.receipt import batch_folder

MOVIES = tuple(f"movies-stand-in-{number:04}" for number in (1, 2, 3))
WAITING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]


def fill(project: Project, count: int) -> None:
    """Queue runs of batches of other people."""
    for number in range(count):
        add_run(project.instance, f"others-{number:04}", QUEUED)


def spoil(project: Project, batch: str) -> None:
    """Have the receipt of a batch tell of a failed URL."""
    path = batch_folder(project.data_dir, batch) / "receipt.json"
    path.write_text(path.read_text().replace('"failed": 0', '"failed": 1'))


# --- room ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [QUEUED, *WAITING, STARTED, CANCELING])
def test_every_run_that_has_not_ended_takes_room(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    add_run(instance, None, status)

    assert status in ACTIVE
    assert room_for_runs(instance) == QUEUED_AT_MOST - 1


def test_runs_that_ended_take_no_room(instance: dg.DagsterInstance) -> None:
    for status in (SUCCESS, FAILURE, CANCELED):
        add_run(instance, "movies-0001", status)

    assert room_for_runs(instance) == QUEUED_AT_MOST


def test_more_runs_than_may_be_queued_leave_no_room_and_no_less(project: Project) -> None:
    fill(project, QUEUED_AT_MOST + 5)

    assert room_for_runs(project.instance) == 0


# --- which batches had a run --------------------------------------------------------------------


def test_batches_with_a_run_are_told_from_those_without(instance: dg.DagsterInstance) -> None:
    add_run(instance, "movies-0001", SUCCESS)
    add_run(instance, "movies-0002", STARTED)
    add_run(instance, "movies-0002", FAILURE)
    add_run(instance, "tv-0001", QUEUED)
    add_run(instance, None)
    keys = ["movies-0001", "movies-0002", "movies-0003"]

    assert with_runs(instance, keys) == {"movies-0001", "movies-0002"}
    assert with_runs(instance, keys, [SUCCESS]) == {"movies-0001"}
    assert with_runs(instance, keys, [CANCELED]) == set()
    assert with_runs(instance, []) == set()


# --- a turn -------------------------------------------------------------------------------------


def test_a_turn_chooses_batches_in_the_order_of_the_lists(project: Project) -> None:
    project.add(250)
    project.add(10, "tv")

    turn = Turn(project.data_dir, {"tv-stand-in": 0, "movies-stand-in": 0})

    assert turn.keys(project.instance) == ["tv-stand-in-0001", *MOVIES]
    assert (turn.positions, turn.waiting) == ({}, 0)


def test_a_turn_begins_each_list_where_the_last_one_ended(project: Project) -> None:
    project.add(250)

    turn = Turn(project.data_dir, {"movies-stand-in": 2})

    assert turn.keys(project.instance) == [MOVIES[2]]


def test_what_has_no_room_waits_and_the_next_turn_goes_on_from_there(project: Project) -> None:
    project.add(250)
    project.add(10, "tv")
    fill(project, QUEUED_AT_MOST - 2)

    turn = Turn(project.data_dir, {"movies-stand-in": 0, "tv-stand-in": 0})
    keys = turn.keys(project.instance)
    rest = Turn(project.data_dir, turn.positions)

    assert keys == list(MOVIES[:2])
    assert turn.positions == {"movies-stand-in": 2, "tv-stand-in": 0}
    assert turn.waiting == 2
    for key in keys:
        add_run(project.instance, key, QUEUED)
    assert rest.keys(project.instance) == []
    assert (rest.positions, rest.waiting) == (turn.positions, 2)


def test_batches_that_had_a_run_or_are_complete_take_no_room_of_a_turn(project: Project) -> None:
    project.add(250)
    fetch(project.data_dir, MOVIES[0])
    add_run(project.instance, MOVIES[1], SUCCESS)
    fill(project, QUEUED_AT_MOST - 1)

    turn = Turn(project.data_dir, {"movies-stand-in": 0})

    assert turn.keys(project.instance) == [MOVIES[2]]
    assert (turn.positions, turn.waiting) == ({}, 0)


def test_a_batch_with_failed_urls_that_never_had_a_run_is_chosen(project: Project) -> None:
    project.add(150)
    fetch(project.data_dir, MOVIES[0])
    spoil(project, MOVIES[0])

    assert Turn(project.data_dir, {"movies-stand-in": 0}).keys(project.instance) == [*MOVIES[:2]]


def test_a_list_that_is_gone_or_damaged_leaves_a_turn_and_the_others_stay(
    project: Project,
) -> None:
    project.add(150)
    project.add(10, "tv")
    (project.data_dir / "batches" / "tv-stand-in" / "list.json").write_text("nonsense")

    turn = Turn(project.data_dir, {"gone": 0, "tv-stand-in": 0, "movies-stand-in": 0})

    assert turn.keys(project.instance) == [*MOVIES[:2]]
    assert (turn.positions, turn.waiting) == ({}, 0)


def test_a_list_whose_runs_somebody_queues_stays_for_the_next_turn(project: Project) -> None:
    project.add(150)
    turn = Turn(project.data_dir, {"movies-stand-in": 0})

    with submitting(project.data_dir, "movies-stand-in"):
        meanwhile = turn.keys(project.instance)

    assert meanwhile == []
    assert turn.positions == {"movies-stand-in": 0}
    assert Turn(project.data_dir, turn.positions).keys(project.instance) == [*MOVIES[:2]]


def test_an_end_beyond_the_list_is_no_error(project: Project) -> None:
    project.add(150)

    turn = Turn(project.data_dir, {"movies-stand-in": 99})

    assert turn.keys(project.instance) == []
    assert turn.positions == {}


# --- partitions that are yet to be --------------------------------------------------------------


def test_all_batches_of_a_list_and_further_keys_are_to_be_registered_once(
    project: Project,
) -> None:
    project.add(250)
    project.instance.delete_dynamic_partition("tmdb_batches", MOVIES[0])
    project.instance.delete_dynamic_partition("tmdb_batches", MOVIES[2])

    found = unregistered(
        project.instance, project.data_dir, ["movies-stand-in"], [MOVIES[2], "tv-0001", MOVIES[1]]
    )

    assert found == [MOVIES[0], MOVIES[2], "tv-0001"]
    assert unregistered(project.instance, project.data_dir, [], []) == []


# --- what is unfinished -------------------------------------------------------------------------


def test_failed_and_pending_batches_are_unfinished_and_complete_ones_are_not(
    project: Project,
) -> None:
    project.add(250)
    fetch(project.data_dir, MOVIES[0])
    fetch(project.data_dir, MOVIES[1])
    spoil(project, MOVIES[1])

    assert unfinished(project.instance, project.tmdb.settings()) == [*MOVIES[1:]]


@pytest.mark.parametrize("status", ACTIVE)
def test_a_batch_with_an_active_run_is_left_to_it(
    project: Project, status: dg.DagsterRunStatus
) -> None:
    project.add(150)
    add_run(project.instance, MOVIES[0], status)
    add_run(project.instance, MOVIES[1], FAILURE)

    assert unfinished(project.instance, project.tmdb.settings()) == [MOVIES[1]]


def test_batches_of_the_stand_in_are_left_out_where_it_may_not_be_asked(project: Project) -> None:
    project.add(150)
    elsewhere = project.with_(
        TMDB_ALLOWED_ORIGINS="https://api.themoviedb.org", TMDB_REQUESTS_PER_SECOND="50"
    ).settings()

    assert unfinished(project.instance, elsewhere) == []


def test_no_more_is_unfinished_than_there_is_room_for(project: Project) -> None:
    project.add(250)
    fill(project, QUEUED_AT_MOST - 2)
    first = unfinished(project.instance, project.tmdb.settings())
    fill(project, 2)

    assert first == [*MOVIES[:2]]
    assert unfinished(project.instance, project.tmdb.settings()) == []


@pytest.mark.parametrize("key", ["ghost", "ghost-0001", "movies-stand-in-0009"])
def test_a_partition_that_somebody_made_by_hand_is_none_of_ours(project: Project, key: str) -> None:
    project.add(100)
    project.instance.add_dynamic_partitions("tmdb_batches", [key])

    assert unfinished(project.instance, project.tmdb.settings()) == [MOVIES[0]]


@pytest.mark.parametrize("key", ["../../x-0001", "a\0b-0001"])
def test_a_partition_of_a_hostile_name_does_not_stop_the_others(project: Project, key: str) -> None:
    project.add(100)
    project.instance.add_dynamic_partitions("tmdb_batches", [key])

    assert unfinished(project.instance, project.tmdb.settings()) == [MOVIES[0]]


# --- one at a time ------------------------------------------------------------------------------


def test_whoever_submits_holds_a_lock_of_the_list_alone_and_gives_it_back(
    project: Project,
) -> None:
    project.add(100)
    project.add(10, "tv")

    def locks() -> list[Path]:
        return [path for path in project.data_dir.rglob(".submitting") if is_held(path)]

    with submitting(project.data_dir, "movies-stand-in"):
        (lock,) = locks()
        with submitting(project.data_dir, "tv-stand-in"):
            assert len(locks()) == 2

    assert lock.parent.name == "movies-stand-in"
    assert locks() == []

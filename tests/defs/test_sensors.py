import gzip
import json
import os

import dagster as dg
import pytest

from tests.defs.project import Project
from tests.defs.runs import FAILURE, QUEUED, STARTED, SUCCESS, add_run
from tests.defs.ticker import Ticker, evaluations, words
from tmdb_assets import batches
from tmdb_assets.defs.requests import QUEUED_AT_MOST, submitting
from tmdb_assets.defs.sensors import dead_runs


def test_a_list_is_taken_when_two_ticks_find_it_the_same(ticker: Ticker) -> None:
    ticker.drop("movies.txt")

    first, second, third = ticker.keys(), ticker.keys(), ticker.keys()

    assert first == []
    assert second == ["movies-stand-in-0001", "movies-stand-in-0002"]
    assert third == []


def test_a_list_that_still_grows_is_left_until_it_rests(ticker: Ticker) -> None:
    ticker.drop("movies.txt", 100)
    ticker.tick()
    ticker.drop("movies.txt", 130)

    while_it_grew = ticker.keys()

    assert while_it_grew == []
    assert len(ticker.keys()) == 2


def test_a_list_that_grew_later_gets_runs_for_its_new_urls_only(ticker: Ticker) -> None:
    ticker.drop("movies.txt", 100)
    ticker.tick()
    assert len(ticker.queue()) == 1
    ticker.drop("movies.txt", 160)
    ticker.tick()

    assert ticker.keys() == ["movies-stand-in-0002"]


def test_a_compressed_list_is_taken_too(ticker: Ticker) -> None:
    (ticker.folder / "tv.txt.gz").write_bytes(gzip.compress(b"/tv/1\n/tv/2\n"))
    ticker.tick()

    assert ticker.keys() == ["tv-stand-in-0001"]


def test_a_list_that_was_only_added_by_hand_gets_no_runs(ticker: Ticker, project: Project) -> None:
    project.add(100)
    ticker.tick()

    assert ticker.keys() == []


def test_a_frozen_list_event_tells_what_was_taken(ticker: Ticker) -> None:
    ticker.drop("movies.txt")
    ticker.tick()

    result = ticker.tick()

    (event,) = [one for one in result.asset_events if isinstance(one, dg.AssetMaterialization)]
    (evaluation,) = evaluations(result)
    assert event.asset_key == dg.AssetKey("url_lists")
    assert event.metadata["urls"].value == 150
    assert event.metadata["new_batches"].value == 2
    assert evaluation.passed


def test_a_missing_folder_is_no_error(ticker: Ticker) -> None:
    ticker.folder.rmdir()

    assert ticker.tick().skip_reason is not None


def test_the_sensor_for_dead_runs_remembers_its_suspects_in_the_cursor(project: Project) -> None:
    context = dg.build_sensor_context(instance=project.instance)

    result = dead_runs(context, tmdb=project.tmdb)

    assert isinstance(result, dg.SensorResult)
    assert json.loads(result.cursor or "") == {}


# --- what becomes of a file between two ticks ---------------------------------------------------


def test_a_file_that_was_removed_before_it_rested_is_forgotten(ticker: Ticker) -> None:
    path = ticker.drop("movies.txt")
    ticker.tick()
    path.unlink()

    assert (ticker.keys(), ticker.keys()) == ([], [])
    assert json.loads(ticker.cursor or "")["files"] == {}


def test_a_file_that_was_renamed_rests_anew_and_is_taken_under_its_new_name(
    ticker: Ticker,
) -> None:
    path = ticker.drop("movies.txt", 100)
    ticker.tick()
    path.rename(path.with_name("films.txt"))

    assert (ticker.keys(), ticker.keys()) == ([], ["films-stand-in-0001"])


def test_a_file_in_the_place_of_another_with_its_size_and_time_is_another_one(
    ticker: Ticker,
) -> None:
    path = ticker.drop("movies.txt", 100, start=100)
    was = path.stat()
    ticker.tick()
    other = ticker.drop("other.txt.part", 100, start=300)
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert other.stat().st_size == was.st_size
    other.rename(path)

    assert (ticker.keys(), len(ticker.keys())) == ([], 1)


def test_a_list_that_was_taken_and_written_again_as_it_was_gets_no_runs(ticker: Ticker) -> None:
    ticker.drop("movies.txt")
    ticker.tick()
    ticker.queue()
    ticker.drop("movies.txt")

    assert (ticker.keys(), ticker.keys()) == ([], [])


def test_two_files_of_one_name_make_one_list(ticker: Ticker) -> None:
    ticker.drop("Movies.txt", 100)
    (ticker.folder / "movies.txt.gz").write_bytes(gzip.compress(b"/tv/1\n"))
    ticker.tick()

    assert ticker.keys() == ["movies-stand-in-0001", "movies-stand-in-0002"]
    assert ticker.keys() == []


def test_a_list_of_120_000_urls_is_taken_registered_and_requested_in_one_tick(
    ticker: Ticker, project: Project
) -> None:
    project.tmdb = project.with_(TMDB_BATCH_SIZE="20000")
    ticker.drop("movies.txt", 120_000)
    ticker.tick()

    keys = ticker.keys()

    assert len(keys) == 6
    assert keys == ticker.partitions()
    assert ticker.keys() == []
    assert batches.read_list(project.data_dir, "movies-stand-in").urls == 120_000


# --- a cursor that is lost, and a tick that broke off -------------------------------------------

OTHER_CURSORS = [None, "", "nonsense", "null", "[]", "{}", '{"movies.txt": [1, 2, 1]}']


@pytest.mark.parametrize("cursor", OTHER_CURSORS)
def test_with_a_cursor_that_is_lost_or_of_another_shape_nothing_is_asked_twice(
    ticker: Ticker, cursor: str | None
) -> None:
    ticker.drop("movies.txt")
    ticker.tick()
    assert len(ticker.queue()) == 2
    ticker.cursor = cursor

    assert (ticker.keys(), ticker.keys(), ticker.keys()) == ([], [], [])


@pytest.mark.parametrize("cursor", OTHER_CURSORS)
def test_with_a_cursor_that_is_lost_or_of_another_shape_nothing_is_lost(
    ticker: Ticker, project: Project, cursor: str | None
) -> None:
    ticker.drop("movies.txt", 300)
    ticker.tick()
    first, *_ = ticker.keys()
    add_run(project.instance, first, QUEUED)
    ticker.cursor = cursor

    assert ticker.keys() == ["movies-stand-in-0002", "movies-stand-in-0003"]


def test_a_damaged_list_does_not_keep_the_others_from_the_first_tick_on(
    ticker: Ticker, project: Project
) -> None:
    damaged = project.data_dir / "batches" / "tv-stand-in" / "list.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("nonsense")
    ticker.drop("movies.txt")
    ticker.tick()

    assert ticker.keys() == ["movies-stand-in-0001", "movies-stand-in-0002"]


def test_with_a_lost_cursor_a_list_whose_file_is_gone_is_gone_on_with(
    ticker: Ticker, project: Project
) -> None:
    path = ticker.drop("movies.txt", 300)
    ticker.tick()
    first, *_ = ticker.keys()
    add_run(project.instance, first, QUEUED)
    path.unlink()
    ticker.cursor = None

    assert ticker.keys() == ["movies-stand-in-0002", "movies-stand-in-0003"]


@pytest.mark.parametrize(
    "cursor",
    [
        '{"files": {"movies.txt": 3}, "lists": {}}',
        '{"files": {"movies.txt": []}, "lists": {}}',
        '{"files": {"movies.txt": null}, "lists": {"movies-stand-in": "x"}}',
        '{"files": {"movies.txt": [1e999, 0, 0, 0]}, "lists": {}}',
        '{"files": [], "lists": []}',
        '{"files": {}, "lists": {"": 0, "gone": 7}}',
        '{"files": {}, "lists": {"../..": 0}}',
    ],
)
def test_a_cursor_of_another_shape_within_is_as_good_as_none(ticker: Ticker, cursor: str) -> None:
    ticker.drop("movies.txt")
    ticker.cursor = cursor

    assert (ticker.keys(), len(ticker.keys())) == ([], 2)


def test_what_a_tick_registered_and_did_not_request_is_requested_by_the_next_one(
    ticker: Ticker,
) -> None:
    ticker.drop("movies.txt")
    ticker.tick()
    before = ticker.cursor
    lost = ticker.keys()  # registered; then all ended: no run, no cursor
    ticker.cursor = before

    assert ticker.keys() == lost == ticker.partitions()
    assert ticker.keys() == []


def test_what_was_frozen_and_neither_registered_nor_requested_is_found_by_the_next_tick(
    ticker: Ticker, project: Project
) -> None:
    path = ticker.drop("movies.txt")
    ticker.tick()
    batches.add(path, project.tmdb.settings())

    assert ticker.keys() == ticker.partitions() == ["movies-stand-in-0001", "movies-stand-in-0002"]


@pytest.mark.parametrize("status", [QUEUED, STARTED, SUCCESS, FAILURE])
def test_a_batch_that_had_a_run_of_whatever_end_is_not_requested(
    ticker: Ticker, project: Project, status: dg.DagsterRunStatus
) -> None:
    add_run(project.instance, "movies-stand-in-0001", status)
    ticker.drop("movies.txt")
    ticker.tick()

    assert ticker.keys() == ["movies-stand-in-0002"]


def test_a_list_whose_runs_a_command_queues_right_now_is_left_for_a_later_tick(
    ticker: Ticker, project: Project
) -> None:
    project.add(100)
    ticker.drop("movies.txt", 150)
    ticker.drop("tv.txt", 10)
    ticker.tick()

    with submitting(project.data_dir, "movies-stand-in"):
        meanwhile = [*ticker.keys(), *ticker.keys()]
    add_run(project.instance, "movies-stand-in-0001", QUEUED)

    assert meanwhile == ["tv-stand-in-0001"]
    assert ticker.keys() == ["movies-stand-in-0002"]
    assert set(ticker.partitions()) >= {"movies-stand-in-0001", "movies-stand-in-0002"}


# --- bounded queues -----------------------------------------------------------------------------

MORE = QUEUED_AT_MOST + 3


def test_all_batches_are_registered_at_once_and_so_many_requested_as_may_be_queued(
    ticker: Ticker, project: Project
) -> None:
    ticker.drop("movies.txt", MORE * 100)
    ticker.tick()

    first = [run.tags["dagster/partition"] for run in ticker.queue()]
    registered = ticker.partitions()
    full = ticker.tick()

    everything = [
        one.name for one in batches.read_list(project.data_dir, "movies-stand-in").batches
    ]
    assert first == everything[:QUEUED_AT_MOST]
    assert registered == everything
    assert full.run_requests == []
    assert words(full) == "3 batches wait until fewer runs are queued"
    assert evaluations(full) == []


def test_the_rest_is_requested_as_runs_end_although_the_file_is_gone(
    ticker: Ticker, project: Project
) -> None:
    path = ticker.drop("movies.txt", MORE * 100)
    ticker.tick()
    runs = ticker.queue()
    path.unlink()
    project.instance.report_run_failed(runs[0], "it ended")

    one, none = ticker.queue(), ticker.keys()
    for run in runs[1:6]:
        project.instance.report_run_failed(run, "it ended")
    two = ticker.keys()

    assert [run.tags["dagster/partition"] for run in one] == ["movies-stand-in-0201"]
    assert none == []
    assert two == ["movies-stand-in-0202", "movies-stand-in-0203"]
    assert ticker.keys() == []


def test_runs_that_others_queued_take_room_and_those_that_ended_do_not(
    ticker: Ticker, project: Project
) -> None:
    for number in range(QUEUED_AT_MOST - 1):
        add_run(project.instance, f"others-{number:04}", QUEUED if number % 2 else STARTED)
        add_run(project.instance, f"old-{number:04}", SUCCESS)
    ticker.drop("movies.txt", 300)
    ticker.drop("tv.txt", 10)
    ticker.tick()

    (run,) = ticker.queue()

    assert run.tags["dagster/partition"] == "movies-stand-in-0001"
    assert words(ticker.tick()) == "3 batches wait until fewer runs are queued"
    assert "tv-stand-in-0001" in ticker.partitions()

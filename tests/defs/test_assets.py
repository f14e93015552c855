import json
import logging

import dagster as dg
import pytest

from tests.defs.project import Project
from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.defs.assets import tmdb_responses
from tmdb_assets.defs.checks import CAP_WAS_HELD, NO_URL_FAILED
from tmdb_assets.files import exclusive
from tmdb_assets.receipt import batch_folder
from tmdb_assets.standin.server import StandIn


def materialize(
    project: Project, key: str, *, raise_on_error: bool = True
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [tmdb_responses],
        partition_key=key,
        instance=project.instance,
        resources={"tmdb": project.tmdb},
        raise_on_error=raise_on_error,
    )


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    data = result.failure_data_for_node("tmdb_responses")
    assert data is not None
    assert data.user_failure_data is not None
    return data.user_failure_data.description or ""


def test_a_materialized_partition_has_a_file_per_url_and_tells_of_it_in_numbers(
    project: Project, stand_in: StandIn
) -> None:
    added = project.add(150)

    result = materialize(project, added.all_batches[0])

    event = result.asset_materializations_for_node("tmdb_responses")[0]
    numbers = {name: entry.value for name, entry in event.metadata.items()}
    folder = batch_folder(project.data_dir, added.all_batches[0])
    bodies = [path for path in folder.glob("*.json") if path.name != "receipt.json"]
    assert event.partition == added.all_batches[0]
    assert numbers["urls"] == 75
    assert numbers["fetched"] == len(bodies) == 73  # ids 37 and 74 do not exist
    assert numbers["absent"] == 2
    assert numbers["failed"] == 0
    assert numbers["requests"] == stand_in.statistics()["arrivals"] == 75
    assert numbers["requests_per_second"] > 0
    assert 0 < numbers["share_of_cap"] <= 1.05
    assert numbers["latency_p50_seconds"] <= numbers["latency_p95_seconds"]
    assert numbers["bytes"] == sum(path.stat().st_size for path in bodies)
    assert numbers["folder"] == str(folder.absolute())
    assert all(json.loads(path.read_bytes())["id"] for path in bodies)


def test_a_partition_whose_urls_all_have_an_answer_passes_its_check(project: Project) -> None:
    added = project.add(100)

    result = materialize(project, added.all_batches[0])

    checks = result.get_asset_check_evaluations()
    assert {check.check_name: check.passed for check in checks} == {
        NO_URL_FAILED: True,
        CAP_WAS_HELD: True,
    }
    assert checks[0].partition == added.all_batches[0]


def test_failed_urls_fail_the_check_and_are_counted_by_reason_with_examples(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"script": {"/3/movie/7": ["503"], "/3/movie/8": ["bad_json"]}})
    added = project.add(100)

    result = materialize(project, added.all_batches[0])

    event = result.asset_materializations_for_node("tmdb_responses")[0]
    rows = [record.data for record in event.metadata["failures"].records]  # type: ignore[union-attr]
    assert {row["reason"] for row in rows} == {"HTTP 503, TMDB code 9", "invalid JSON"}
    assert all(row["times"] == 1 and "/3/movie/" in row["examples"] for row in rows)
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks[NO_URL_FAILED].passed
    assert checks[NO_URL_FAILED].severity is dg.AssetCheckSeverity.ERROR


def test_materializing_again_asks_only_for_what_failed(project: Project, stand_in: StandIn) -> None:
    stand_in.change({"script": {"/3/movie/7": ["503"]}})
    added = project.add(100)
    materialize(project, added.all_batches[0])
    stand_in.change({"script": {}})
    stand_in.reset()

    result = materialize(project, added.all_batches[0])

    event = result.asset_materializations_for_node("tmdb_responses")[0]
    assert stand_in.statistics()["arrivals"] == 1
    assert event.metadata["resumed"].value == 99
    assert event.metadata["failed"].value == 0


def test_a_complete_partition_materializes_again_without_a_request(
    project: Project, stand_in: StandIn
) -> None:
    added = project.add(100)
    materialize(project, added.all_batches[0])
    stand_in.reset()

    assert materialize(project, added.all_batches[0]).success
    assert stand_in.statistics()["arrivals"] == 0


def test_a_refused_credential_fails_the_run_in_words_that_say_what_to_do(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"refuse_after": 1})
    added = project.add(100)

    result = materialize(project, added.all_batches[0], raise_on_error=False)

    assert not result.success
    assert "check TMDB_READ_ACCESS_TOKEN" in failure_text(result)


def test_a_second_run_of_a_batch_fails_at_once_and_says_why(project: Project) -> None:
    added = project.add(100)
    folder = batch_folder(project.data_dir, added.all_batches[0])
    folder.mkdir(parents=True)

    with exclusive(folder / LOCK_NAME, wait_seconds=0):
        result = materialize(project, added.all_batches[0], raise_on_error=False)

    assert "is being downloaded by another run" in failure_text(result)


def test_a_registered_partition_without_a_batch_fails_with_its_name(project: Project) -> None:
    project.instance.add_dynamic_partitions("tmdb_batches", ["ghost-0001"])

    result = materialize(project, "ghost-0001", raise_on_error=False)

    assert "'ghost'" in failure_text(result)


def test_a_partition_that_does_not_exist_is_refused(project: Project) -> None:
    with pytest.raises(dg.DagsterUnknownPartitionError):
        materialize(project, "movies-9999")


def test_the_log_of_a_run_says_how_it_began_and_ended(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    added = project.add(100)

    with caplog.at_level(logging.INFO, logger="tmdb_assets"):
        materialize(project, added.all_batches[0])

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("tmdb_")]
    assert lines[0] == f"batch {added.all_batches[0]}: 100 URLs, 0 done before"
    assert f"batch {added.all_batches[0]}: 98 fetched, 2 absent, 0 failed in" in lines[-1]

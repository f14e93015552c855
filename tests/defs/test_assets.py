import json
import logging
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from tests.defs.execution import evaluations, execute, failure_of, values
from tests.defs.project import Project
from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.defs.asked import ASKED_TAG, asked_with
from tmdb_assets.defs.assets import BUSY_TAG, RETRY_TAG, TOO_MANY_FAILED_TAG
from tmdb_assets.defs.checks import CAP_WAS_HELD, NO_URL_FAILED
from tmdb_assets.files import exclusive
from tmdb_assets.receipt import batch_folder
from tmdb_assets.standin.server import StandIn
from tmdb_assets.tables.record import read, tables_folder


def test_a_materialized_partition_has_a_file_per_url_and_tells_of_it_in_numbers(
    project: Project, stand_in: StandIn
) -> None:
    added = project.add(150)

    result = execute(project, added.all_batches[0])

    event = result.asset_materializations_for_node("tmdb_responses")[0]
    numbers = values(event.metadata)
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

    result = execute(project, added.all_batches[0])

    checks = evaluations(result)
    assert {name: checks[name].passed for name in (NO_URL_FAILED, CAP_WAS_HELD)} == {
        NO_URL_FAILED: True,
        CAP_WAS_HELD: True,
    }
    assert checks[NO_URL_FAILED].partition == added.all_batches[0]


def test_failed_urls_fail_the_check_and_are_counted_by_reason_with_examples(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"script": {"/3/movie/7": ["503"], "/3/movie/8": ["bad_json"]}})
    added = project.add(100)

    result = execute(project, added.all_batches[0])

    event = result.asset_materializations_for_node("tmdb_responses")[0]
    rows = values(event.metadata)["failures"]
    assert {row["reason"] for row in rows} == {"HTTP 503, TMDB code 9", "invalid JSON"}
    assert all(row["times"] == 1 and "/3/movie/" in row["examples"] for row in rows)
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks[NO_URL_FAILED].passed
    assert checks[NO_URL_FAILED].severity is dg.AssetCheckSeverity.ERROR


def test_materializing_again_asks_only_for_what_failed(project: Project, stand_in: StandIn) -> None:
    stand_in.change({"script": {"/3/movie/7": ["503"]}})
    added = project.add(100)
    execute(project, added.all_batches[0])
    stand_in.change({"script": {}})
    stand_in.reset()

    result = execute(project, added.all_batches[0])

    event = result.asset_materializations_for_node("tmdb_responses")[0]
    assert stand_in.statistics()["arrivals"] == 1
    assert event.metadata["resumed"].value == 99
    assert event.metadata["failed"].value == 0


def test_a_complete_partition_materializes_again_without_a_request(
    project: Project, stand_in: StandIn
) -> None:
    added = project.add(100)
    execute(project, added.all_batches[0])
    stand_in.reset()

    assert execute(project, added.all_batches[0]).success
    assert stand_in.statistics()["arrivals"] == 0


def test_a_refused_credential_fails_the_run_in_words_that_say_what_to_do(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"refuse_after": 1})
    added = project.add(100)

    result = execute(project, added.all_batches[0], raise_on_error=False)

    assert not result.success
    assert "check TMDB_READ_ACCESS_TOKEN" in failure_of(result).description


def test_a_second_run_of_a_batch_fails_at_once_and_says_why(project: Project) -> None:
    added = project.add(100)
    folder = batch_folder(project.data_dir, added.all_batches[0])
    folder.mkdir(parents=True)

    with exclusive(folder / LOCK_NAME, wait_seconds=0):
        result = execute(project, added.all_batches[0], raise_on_error=False)

    assert "is being downloaded by another run" in failure_of(result).description
    assert tags_of(project, result)[BUSY_TAG] == "true"


@pytest.mark.parametrize(
    ("variable", "value"), [("TMDB_REQUESTS_PER_SECOND", "10"), ("TMDB_MAX_ATTEMPTS", "2")]
)
def test_a_run_that_was_asked_for_with_other_settings_asks_for_nothing_and_says_which(
    project: Project, stand_in: StandIn, variable: str, value: str
) -> None:
    added = project.add(100)
    asked = asked_with(project.with_(**{variable: value}).settings())

    result = execute(project, added.all_batches[0], tags={ASKED_TAG: asked}, raise_on_error=False)

    assert f"was asked for with {variable}={value}, but the Dagster that runs it was sta" in (
        failure_of(result).description or ""
    )
    assert stand_in.statistics()["arrivals"] == 0


def test_a_run_that_was_asked_for_with_its_own_settings_does_its_work(project: Project) -> None:
    added = project.add(100)
    asked = asked_with(project.tmdb.settings())

    assert execute(project, added.all_batches[0], tags={ASKED_TAG: asked}).success


def test_no_credential_is_in_what_a_run_was_asked_for_with(project: Project) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.secret"  # noqa: S105 - made up
    settings = project.with_(
        TMDB_READ_ACCESS_TOKEN=token, TMDB_LIMITER="redis://:hidden@127.0.0.1/0"
    ).settings()

    asked = asked_with(settings)

    assert token not in asked
    assert "hidden" not in asked


def test_a_registered_partition_without_a_batch_fails_with_its_name(project: Project) -> None:
    project.instance.add_dynamic_partitions("tmdb_batches", ["ghost-0001"])

    result = execute(project, "ghost-0001", raise_on_error=False)

    assert "'ghost'" in failure_of(result).description


def test_a_partition_that_does_not_exist_is_refused(project: Project) -> None:
    with pytest.raises(dg.DagsterUnknownPartitionError):
        execute(project, "movies-9999")


def test_the_log_of_a_run_says_how_it_began_and_ended(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    added = project.add(100)

    with caplog.at_level(logging.INFO, logger="tmdb_assets"):
        execute(project, added.all_batches[0])

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("tmdb_")]
    assert lines[0] == f"batch {added.all_batches[0]}: 100 URLs, 0 done before"
    assert f"batch {added.all_batches[0]}: 98 fetched, 2 absent, 0 failed in" in lines[-1]


# --- too many failed URLs -----------------------------------------------------------------------


def fail(stand_in: StandIn, count: int) -> None:
    """Have the first request for each of the first so many movies fail."""
    stand_in.change({"script": {f"/3/movie/{number}": ["503"] for number in range(1, count + 1)}})


def tags_of(project: Project, result: dg.ExecuteInProcessResult) -> dict[str, str]:
    run = project.instance.get_run_by_id(result.run_id)
    assert run is not None
    return dict(run.tags)


def test_up_to_the_allowed_share_of_failed_urls_the_partition_is_materialized(
    project: Project, stand_in: StandIn
) -> None:
    fail(stand_in, 10)
    added = project.add(100)

    result = execute(project, added.all_batches[0])

    (event,) = result.asset_materializations_for_node("tmdb_responses")
    assert result.success
    assert values(event.metadata)["failed_share"] == 0.1
    assert not evaluations(result)[NO_URL_FAILED].passed
    assert TOO_MANY_FAILED_TAG not in tags_of(project, result)


def test_beyond_the_allowed_share_the_run_fails_with_all_that_it_found_out(
    project: Project, stand_in: StandIn
) -> None:
    fail(stand_in, 11)
    added = project.add(100)

    result = execute(project, added.all_batches[0], raise_on_error=False)

    failure = failure_of(result)
    told = values(failure.metadata)
    assert not result.success
    assert result.asset_materializations_for_node("tmdb_responses") == []
    assert failure.description.startswith(
        "11 of 100 URLs failed, a share of 11.0% where TMDB_MAX_FAILED_SHARE allows 10.0%: "
    )
    assert "materialize the partition again" in failure.description
    assert (told["failed"], told["fetched"], told["requests"]) == (11, 87, 100)
    assert [(row["reason"], row["times"]) for row in told["failures"]] == [
        ("HTTP 503, TMDB code 9", 11)
    ]
    checks = evaluations(result)
    assert (checks[NO_URL_FAILED].passed, checks[CAP_WAS_HELD].passed) == (False, True)
    assert tags_of(project, result)[TOO_MANY_FAILED_TAG] == "true"
    assert RETRY_TAG not in tags_of(project, result)
    # their step is skipped, and what failed has to be seen all the same
    made = read(tables_folder(project.data_dir, added.all_batches[0]))
    assert made is not None
    assert (made.rows["outcomes"], made.rows["movies"]) == (100, 87)

    stand_in.change({"script": {}})
    stand_in.reset()
    again = execute(project, added.all_batches[0])

    (event,) = again.asset_materializations_for_node("tmdb_responses")
    assert stand_in.statistics()["arrivals"] == 11
    assert values(event.metadata)["resumed"] == 89
    assert values(event.metadata)["failed"] == 0
    assert all(one.passed for one in evaluations(again).values())


@pytest.mark.parametrize(("allowed", "is_success"), [("0", False), ("0.01", True), ("1", True)])
def test_the_allowed_share_is_a_setting(
    project: Project, stand_in: StandIn, allowed: str, *, is_success: bool
) -> None:
    fail(stand_in, 1)
    added = project.add(100)

    result = execute(
        project,
        added.all_batches[0],
        tmdb=project.with_(TMDB_MAX_FAILED_SHARE=allowed),
        raise_on_error=False,
    )

    assert result.success is is_success


# --- what the pages show ------------------------------------------------------------------------


def test_numbers_have_the_same_names_in_every_run_so_that_they_can_be_plotted(
    project: Project, stand_in: StandIn
) -> None:
    fail(stand_in, 11)
    added = project.add(100)
    key = added.all_batches[0]

    failed = failure_of(execute(project, key, raise_on_error=False)).metadata
    repaired, idle = (
        execute(project, key).asset_materializations_for_node("tmdb_responses")[0].metadata
        for _ in range(2)
    )

    def numbers(metadata: Mapping[str, dg.MetadataValue[Any]]) -> set[str]:
        kinds = (dg.IntMetadataValue, dg.FloatMetadataValue)
        return {name for name, value in metadata.items() if isinstance(value, kinds)}

    assert numbers(failed) == numbers(repaired) == numbers(idle)
    assert {"urls", "failed_share", "requests_per_second", "share_of_cap"} <= numbers(idle)
    assert values(idle)["requests"] == 0
    assert "requests_by_second" not in idle


def test_pictures_are_markdown_that_is_short_enough_to_be_shown_in_place(
    project: Project,
) -> None:
    added = project.add(100)

    result = execute(project, added.all_batches[0])

    metadata = result.asset_materializations_for_node("tmdb_responses")[0].metadata
    pictures = {
        name: value.md_str
        for name, value in metadata.items()
        if isinstance(value, dg.MarkdownMetadataValue)
    }
    assert set(pictures) == {"requests_by_second", "latency_histogram"}
    for picture in pictures.values():
        assert picture is not None
        assert re.fullmatch(r"!\[[^\]]+\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)", picture)
        assert len(picture) < 1000


def test_a_run_leaves_few_events_with_its_log_lines_among_them(
    project: Project, stand_in: StandIn
) -> None:
    fail(stand_in, 20)
    settings = {
        "python_logs": {"managed_python_loggers": ["tmdb_assets"], "python_log_level": "INFO"}
    }
    with dg.DagsterInstance.ephemeral(settings=settings) as instance:
        project.instance = instance
        added = project.add(500)
        few = [
            len(instance.all_logs(execute(project, key, raise_on_error=False).run_id))
            for key in added.all_batches[:2]
        ]
        run = instance.get_runs()[-1]
        said = [entry.user_message for entry in instance.all_logs(run.run_id)]

    assert max(few) < 100
    assert any(f"batch {added.all_batches[0]}: 100 URLs" in str(words) for words in said)

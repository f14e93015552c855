"""The tables and the catalogue as Dagster sees them."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from tests.defs.execution import evaluations, failure_of, values
from tests.defs.project import Project
from tests.defs.ticker import words
from tmdb_assets.defs import table_checks
from tmdb_assets.defs.assets import tmdb_responses
from tmdb_assets.defs.partitions import CATALOG, TABLES
from tmdb_assets.defs.sensors import old_content
from tmdb_assets.defs.table_checks import NO_DUPLICATES, NOT_OLD, ROW_PER_BODY, TYPES_HOLD
from tmdb_assets.defs.tables import tmdb_catalog, tmdb_tables
from tmdb_assets.model import OutcomeKind
from tmdb_assets.outcomes import FILE_NAME, OutcomeReader, encode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.tables.record import RECORD_NAME

DAY = 86_400.0
ASSETS = [tmdb_responses, tmdb_tables, tmdb_catalog]


def run(
    project: Project, key: str, *assets: dg.AssetsDefinition, raise_on_error: bool = True
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets(*(assets or ASSETS)),
        partition_key=key,
        instance=project.instance,
        resources={"tmdb": project.tmdb},
        raise_on_error=raise_on_error,
    )


def metadata_of(result: dg.ExecuteInProcessResult, step: str) -> dict[str, object]:
    (one,) = result.asset_materializations_for_node(step)
    return values(one.metadata)


def rewrite(project: Project, key: str, name: str, **changes: object) -> None:
    """Have TMDB have answered something else for a film."""
    folder = batch_folder(project.data_dir, key)
    lines = []
    for outcome in OutcomeReader(folder / FILE_NAME).new():
        if outcome.name.startswith(name) and outcome.has_body:
            path = folder / f"{outcome.name}.json"
            body = json.dumps({**json.loads(path.read_bytes()), **changes}).encode()
            path.write_bytes(body)
            digest = hashlib.sha256(body).hexdigest()
            outcome = replace(outcome, bytes=len(body), sha256=digest)  # noqa: PLW2901
        lines.append(encode(outcome))
    (folder / FILE_NAME).write_bytes(b"".join(lines))


def test_a_run_makes_the_tables_of_its_batch_and_the_catalogue(project: Project) -> None:
    (key,) = project.add(20).all_batches

    result = run(project, key)

    tables, catalog = metadata_of(result, TABLES), metadata_of(result, CATALOG)
    fetched = tables["movies_rows"]
    assert tables["dagster/row_count"] == catalog["dagster/row_count"] == fetched
    assert (tables["outcomes_rows"], catalog["outcomes_rows"]) == (20, 20)
    assert catalog["batches"] == 1
    assert isinstance(preview := tables["preview"], list)
    assert [set(row) for row in preview] == [{"table", "what"}] * 5
    assert all(one.passed for one in evaluations(result).values())


def test_the_catalogue_has_no_partition_and_tells_where_its_columns_come_from(
    project: Project,
) -> None:
    keys = project.add(150).all_batches

    for key in keys:
        result = run(project, key)

    (one,) = result.asset_materializations_for_node(CATALOG)
    lineage = one.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    (source,) = lineage.deps_by_column["movies.title"]
    assert (source.asset_key, source.column_name) == (dg.AssetKey(TABLES), "movies.title")
    assert one.partition is None
    assert values(one.metadata)["batches"] == 2
    assert project.instance.get_materialized_partitions(dg.AssetKey(TABLES)) == set(keys)


def test_the_columns_of_all_tables_are_documented_with_their_types() -> None:
    (spec,) = tmdb_tables.specs
    schema = spec.metadata["dagster/column_schema"]

    assert isinstance(schema, dg.TableSchema)
    columns = {column.name: column for column in schema.columns}
    assert columns["movies.release_date"].type == "DATE"
    assert columns["outcomes.sent_at"].type == "TIMESTAMP WITH TIME ZONE[]"
    assert all(column.description for column in schema.columns)


def test_a_batch_that_was_fetched_without_gets_its_tables_alone(project: Project) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)

    result = run(project, key, tmdb_tables)

    assert metadata_of(result, TABLES)["outcomes_rows"] == 5


def test_a_value_of_the_wrong_type_is_a_warning_that_names_it(project: Project) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)
    rewrite(project, key, "movie-2-", runtime="two hours")

    found = evaluations(run(project, key, tmdb_tables))[TYPES_HOLD]

    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    (row,) = values(found.metadata)["examples"]
    assert (row["column"], "/movie/2" in row["url"]) == ("runtime", True)


def test_an_answer_of_another_kind_is_a_warning_and_a_lost_one_an_error(project: Project) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)
    rewrite(project, key, "movie-2-", id="two")

    moved = evaluations(run(project, key, tmdb_tables))[ROW_PER_BODY]
    (body,) = batch_folder(project.data_dir, key).glob("movie-3-*.json")
    body.unlink()
    (project.data_dir / "tables" / key[:-5] / key / RECORD_NAME).unlink()
    lost = evaluations(run(project, key, tmdb_tables))[ROW_PER_BODY]

    assert (moved.passed, moved.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert values(moved.metadata)["moved_to_responses"] == 1
    assert (lost.passed, lost.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert values(lost.metadata)["skipped_bodies"] == 1


def test_two_urls_with_one_answer_are_named(project: Project) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)
    rewrite(project, key, "movie-2-", id=3)

    found = evaluations(run(project, key, tmdb_tables))[NO_DUPLICATES]

    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    (row,) = values(found.metadata)["examples"]
    assert (row["table"], row["id"]) == ("movies", 3)


def test_tables_of_a_newer_version_fail_the_run_with_the_remedy(project: Project) -> None:
    (key,) = project.add(5).all_batches
    run(project, key)
    path = project.data_dir / "tables" / key[:-5] / key / RECORD_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))

    result = run(project, key, tmdb_tables, raise_on_error=False)

    assert not result.success
    assert "update" in (failure_of(result, TABLES).description or "")


@pytest.mark.parametrize(
    ("days", "severity"),
    [
        (149.0, None),
        (151.0, dg.AssetCheckSeverity.WARN),
        (181.0, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_content_is_old_after_150_days_and_too_old_after_180(
    project: Project, days: float, severity: dg.AssetCheckSeverity | None
) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)
    path = batch_folder(project.data_dir, key) / FILE_NAME
    newest = min(one.as_of for one in OutcomeReader(path).new() if one.has_body)

    found = table_checks.of_ages(project.data_dir, newest + days * DAY)

    assert (found.passed, found.check_name) == (severity is None, NOT_OLD)
    assert severity in {None, found.severity}
    assert ("lists" in found.metadata) is not found.passed


def test_purged_content_is_not_old(project: Project, tmp_path: Path) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)
    folder = batch_folder(project.data_dir, key)
    lines = [
        encode(replace(one, outcome=OutcomeKind.PURGED, bytes=0, sha256=""))
        for one in OutcomeReader(folder / FILE_NAME).new()
    ]
    (folder / FILE_NAME).write_bytes(b"".join(lines))
    (folder / "receipt.json").unlink()

    assert table_checks.of_ages(project.data_dir, 1e12).passed
    assert table_checks.of_ages(tmp_path / "nothing", 1e12).passed


def test_old_content_is_warned_of_once_a_day_without_any_run(project: Project) -> None:
    (key,) = project.add(5).all_batches
    run(project, key, tmdb_responses)
    age_by_days(batch_folder(project.data_dir, key), 160)

    first = tick(project, cursor=None)
    again = tick(project, cursor=first.cursor)
    next_day = tick(project, cursor="2026-01-31")

    (event,) = first.asset_events
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert (event.asset_key, event.check_name) == (dg.AssetKey(CATALOG), NOT_OLD)
    assert (event.passed, event.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "of 160.0 days ago" in words(first)
    assert not again.asset_events
    assert len(next_day.asset_events) == 1


def tick(project: Project, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=project.instance, cursor=cursor)
    result = old_content(context, tmdb=project.tmdb)
    assert isinstance(result, dg.SensorResult)
    return result


def age_by_days(folder: Path, days: float) -> None:
    lines = [
        encode(replace(one, as_of=one.as_of - days * DAY))
        for one in OutcomeReader(folder / FILE_NAME).new()
    ]
    (folder / FILE_NAME).write_bytes(b"".join(lines))
    (folder / "receipt.json").unlink()

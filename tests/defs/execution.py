"""Runs of partitions and checks within this process, as Dagster makes them."""

from typing import Any

import dagster as dg

from tests.defs.project import Project
from tmdb_assets.defs.assets import tmdb_responses
from tmdb_assets.defs.checks import every_url_has_one_outcome, files_are_as_fetched
from tmdb_assets.defs.reaper import PARTITION_TAG
from tmdb_assets.defs.resources import TmdbResource

DISK_CHECKS = [every_url_has_one_outcome, files_are_as_fetched]

Evaluations = dict[str, dg.AssetCheckEvaluation]


def execute(
    project: Project,
    key: str,
    *,
    tmdb: TmdbResource | None = None,
    tags: dict[str, str] | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    """Materialize a partition with all of its checks."""
    return dg.materialize(
        [tmdb_responses, *DISK_CHECKS],
        partition_key=key,
        instance=project.instance,
        resources={"tmdb": tmdb or project.tmdb},
        tags=tags,
        raise_on_error=raise_on_error,
    )


def look(project: Project, key: str, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """Execute the checks that read the disk, and nothing else."""
    return dg.materialize(
        [tmdb_responses, *DISK_CHECKS],
        instance=project.instance,
        resources={"tmdb": project.tmdb},
        selection=dg.AssetSelection.checks(*(key for one in DISK_CHECKS for key in one.check_keys)),
        # as a launched run has it: a partition key is for runs with assets only
        tags={PARTITION_TAG: key},
        raise_on_error=raise_on_error,
    )


def evaluations(result: dg.ExecuteInProcessResult) -> Evaluations:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def values(metadata: Any) -> dict[str, Any]:
    """Return numbers and texts as they are, and tables as rows."""
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in metadata.items()
    }


def failure_of(result: dg.ExecuteInProcessResult, node: str = "tmdb_responses") -> Any:
    """Return what a step failed with, as the user meant it."""
    data = result.failure_data_for_node(node)
    assert data is not None
    assert data.user_failure_data is not None
    return data.user_failure_data

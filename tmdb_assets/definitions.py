"""The code location: everything that Dagster publishes for this package, as one explicit list."""

import warnings

import dagster as dg

from tmdb_assets.defs.assets import tmdb_responses
from tmdb_assets.defs.checks import (
    every_line_was_taken,
    every_url_has_one_outcome,
    files_are_as_fetched,
)
from tmdb_assets.defs.exports import daily_export, id_exports, tmdb_id_export
from tmdb_assets.defs.jobs import tmdb_download
from tmdb_assets.defs.lists import url_lists, with_code_link
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.defs.schedules import unfinished_batches
from tmdb_assets.defs.sensors import dead_runs, new_url_lists, old_content
from tmdb_assets.defs.tables import tmdb_catalog, tmdb_tables

with warnings.catch_warnings():
    # links to the code are a beta; a test notices if they change
    warnings.simplefilter("ignore", dg.BetaWarning)
    assets = dg.with_source_code_references(
        [id_exports, with_code_link(url_lists), tmdb_responses, tmdb_tables, tmdb_catalog]
    )

defs = dg.Definitions(
    assets=assets,
    asset_checks=[every_url_has_one_outcome, files_are_as_fetched, every_line_was_taken],
    jobs=[tmdb_download, tmdb_id_export],
    sensors=[new_url_lists, dead_runs, old_content],
    schedules=[unfinished_batches, daily_export],
    resources={"tmdb": TmdbResource()},
    # one process per run; reaches the implicit job of the UI and of backfills too
    executor=dg.in_process_executor,
)

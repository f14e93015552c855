"""The code location: everything that Dagster publishes for this package, as one explicit list."""

import dagster as dg

from tmdb_assets.defs.assets import files_are_as_fetched, tmdb_responses, url_lists
from tmdb_assets.defs.jobs import tmdb_download
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.defs.sensors import dead_runs, new_url_lists

defs = dg.Definitions(
    assets=[url_lists, tmdb_responses],
    asset_checks=[files_are_as_fetched],
    jobs=[tmdb_download],
    sensors=[new_url_lists, dead_runs],
    resources={"tmdb": TmdbResource()},
    # one process per run; reaches the implicit job of the UI and of backfills too
    executor=dg.in_process_executor,
)

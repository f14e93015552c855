"""Dagster jobs: what one starts by name; partitioned like the assets they make."""

import dagster as dg

from tmdb_assets.defs.assets import tmdb_responses
from tmdb_assets.defs.tables import tmdb_catalog, tmdb_tables

DOWNLOAD_JOB = "tmdb_download"

tmdb_download = dg.define_asset_job(
    DOWNLOAD_JOB,
    selection=[tmdb_responses, tmdb_tables, tmdb_catalog],
    description="Download batches of URLs and make their tables; resumes what was begun.",
)

"""Dagster jobs: what one starts by name; partitioned like the assets they make."""

import dagster as dg

from tmdb_assets.defs.assets import tmdb_responses

DOWNLOAD_JOB = "tmdb_download"

tmdb_download = dg.define_asset_job(
    DOWNLOAD_JOB,
    selection=[tmdb_responses],
    description="Download batches of URLs; resumes what was begun.",
)

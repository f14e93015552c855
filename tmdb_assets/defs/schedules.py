"""Dagster schedules: what is done by the clock."""

import dagster as dg

from tmdb_assets.defs.jobs import tmdb_download
from tmdb_assets.defs.requests import unfinished
from tmdb_assets.defs.resources import TmdbResource


@dg.schedule(
    job=tmdb_download,
    cron_schedule="30 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=(
        "Every night, asks again for what failed and what is pending, of all lists: up to 200 "
        "batches. Off until somebody turns it on."
    ),
)
def unfinished_batches(
    context: dg.ScheduleEvaluationContext, tmdb: TmdbResource
) -> dg.SkipReason | list[dg.RunRequest]:
    """Request a run for every batch that has something left to do."""
    moment = context.scheduled_execution_time.isoformat()
    keys = unfinished(context.instance, tmdb.settings())
    if not keys:
        return dg.SkipReason("every batch is complete, or has a run already")
    return [dg.RunRequest(run_key=f"{key} {moment}", partition_key=key) for key in keys]

"""Dead runs: runs that Dagster believes to be running although their process is gone.

Dagster notices a run worker that dies while the process that launched it lives. When both are
killed, or a `dagster asset materialize` is, the run stays STARTED for ever and keeps its place
under the tag limit: two of them stop the queue. But every run of ours holds the lock of its batch,
and a lock goes with its process. So a run that is STARTED while nobody holds its batch is dead.
"""

import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.errors import StoreError
from tmdb_assets.files import is_held
from tmdb_assets.receipt import batch_folder

PARTITION_TAG = "dagster/partition"

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""Statuses of a run that is to come or under way."""

YOUNG_SECONDS = 60.0
"""A run younger than this is left alone unless it had its lock: it may not have come to it yet."""

APART_SECONDS = 10.0
"""Two looks this far apart have to agree: a run gives its lock back shortly before it ends."""


def reap(
    instance: dg.DagsterInstance, data_dir: Path, suspects: Mapping[str, float]
) -> dict[str, float]:
    """Report dead runs as failed, so that their place is free and Dagster retries them.

    Args:
        instance: where the runs are.
        data_dir: where their batches are.
        suspects: what the last call returned.

    Returns:
        Runs that look dead since then, with the time of day of the first look at them.
    """
    now = time.time()
    started = instance.get_run_records(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    )
    kept: dict[str, float] = {}
    for record in started:
        run = record.dagster_run
        batch = run.tags.get(PARTITION_TAG)
        is_young = record.start_time is None or now - record.start_time < YOUNG_SECONDS
        if batch is None:
            continue
        if not _is_abandoned(data_dir, batch, run.run_id, is_young=is_young):
            continue
        first_seen = suspects.get(run.run_id, now)
        if now - first_seen < APART_SECONDS:
            kept[run.run_id] = first_seen
        else:
            instance.report_run_failed(
                run, f"its process is gone: nobody holds the lock of batch {batch!r}"
            )
    return kept


def _is_abandoned(data_dir: Path, batch: str, run_id: str, *, is_young: bool) -> bool:
    """Say whether nobody on this host holds the batch that the run had, or should have by now."""
    try:
        lock = batch_folder(data_dir, batch) / LOCK_NAME
        if not lock.is_file() or is_held(lock):
            return False
        return not is_young or lock.read_text().startswith(run_id)
    except (OSError, StoreError):
        return False

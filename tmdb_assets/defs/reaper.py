"""Dead runs: runs that Dagster believes to be running although their process is gone.

Dagster notices a run worker that dies while the process that launched it lives. When both are
killed, or a `dagster asset materialize` is, the run stays STARTED for ever and keeps its place
under the tag limit: two of them stop the queue. But every run of ours holds the lock of its batch,
and a lock goes with its process. So a run that is STARTED while nobody holds its batch is dead.
"""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from tmdb_assets.batch_lock import LOCK_NAME, holder_pid
from tmdb_assets.batches import batch_file
from tmdb_assets.errors import BatchError, StoreError
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

UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""Statuses that last for ever when a process is killed: of who made the run and was to queue it,
or of the run. Dagster itself bounds how long one starts."""

SILENT_SECONDS = 45.0
"""A run without its lock is left alone as long as it says something: it comes to its lock soon
after its start, and checks of the batch follow after it gave the lock back."""

APART_SECONDS = 10.0
"""Two looks this far apart have to agree: a run gives its lock back shortly before it ends."""


def reap(
    instance: dg.DagsterInstance, data_dir: Path, suspects: Mapping[str, float]
) -> dict[str, float]:
    """Report dead runs as failed, so that their place is free and Dagster retries them.

    Those that were being terminated are reported as cancelled.

    Args:
        instance: where the runs are.
        data_dir: where their batches are.
        suspects: what the last call returned.

    Returns:
        Runs that look dead since then, with the time of day of the first look at them.
    """
    now = time.time()
    kept: dict[str, float] = {}
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=UNDER_WAY)):
        run = record.dagster_run
        if not _is_abandoned(instance, data_dir, record):
            continue
        first_seen = suspects.get(run.run_id, now)
        if now - first_seen < APART_SECONDS:
            kept[run.run_id] = first_seen
        else:
            words = f"its process is gone: nobody holds batch {run.tags[PARTITION_TAG]!r} for it"
            if run.status is dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, words)
            else:
                instance.report_run_failed(run, words)
    return kept


def _is_abandoned(instance: dg.DagsterInstance, data_dir: Path, record: dg.RunRecord) -> bool:
    """Say whether the batch that the run had, or should have by now, is not held for it."""
    run = record.dagster_run
    batch = run.tags.get(PARTITION_TAG, "")
    try:
        if not batch_file(data_dir, batch).is_file():
            return False  # none of ours
        lock = batch_folder(data_dir, batch) / LOCK_NAME
        line = lock.read_text(errors="replace") if lock.is_file() else ""
        # a lock that another host holds does not show here, and one of before a reboot is nobody's
        if holder_pid(line, run.run_id) is not None:
            return not is_held(lock)
    except (OSError, StoreError, BatchError):
        return False
    last = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
    said_at = last[0].timestamp if last else record.create_timestamp.timestamp()
    return time.time() - said_at > SILENT_SECONDS


def interrupt_holder(data_dir: Path, batch: str, run_id: str) -> None:
    """Interrupt the process that downloads a batch for this run, if one on this host does."""
    try:
        lock = batch_folder(data_dir, batch) / LOCK_NAME
        if is_held(lock) and (pid := holder_pid(lock.read_text(errors="replace"), run_id)):
            os.kill(pid, signal.SIGINT)
    except (OSError, StoreError, BatchError):
        return  # it ended meanwhile

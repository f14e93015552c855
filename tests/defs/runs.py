"""Runs in Dagster's database that never were: only their records."""

import time
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData

from tmdb_assets.defs.jobs import DOWNLOAD_JOB
from tmdb_assets.defs.queue import _origins
from tmdb_assets.defs.reaper import PARTITION_TAG

QUEUED = dg.DagsterRunStatus.QUEUED
STARTED = dg.DagsterRunStatus.STARTED
SUCCESS = dg.DagsterRunStatus.SUCCESS
FAILURE = dg.DagsterRunStatus.FAILURE
CANCELING = dg.DagsterRunStatus.CANCELING
CANCELED = dg.DagsterRunStatus.CANCELED


def add_run(
    instance: dg.DagsterInstance,
    batch: str | None,
    status: dg.DagsterRunStatus = STARTED,
    tags: dict[str, str] | None = None,
) -> dg.DagsterRun:
    """Record a run of a batch, or one without a batch; nothing is executed."""
    own = {} if batch is None else {PARTITION_TAG: batch}
    # those that wait have to say where their code is
    remote_origin, _ = _origins(Path(), "__repository__")
    run = dg.DagsterRun(
        job_name=DOWNLOAD_JOB,
        status=status,
        tags={**own, **(tags or {})},
        remote_job_origin=remote_origin,
    )
    return instance.add_run(run)


def say(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds_ago: float = 0.0) -> None:
    """Record an event of a run that changes nothing."""
    event = dg.DagsterEvent(
        dg.DagsterEventType.ENGINE_EVENT.value,
        run.job_name,
        event_specific_data=EngineEventData(),
        message="still here",
    )
    instance.report_dagster_event(event, run.run_id, timestamp=time.time() - seconds_ago)


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    """Return the status that Dagster believes a run to have."""
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status

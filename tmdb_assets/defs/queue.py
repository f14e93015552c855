"""Dagster's queue from a console: open the instance, register partitions, submit and stop runs.

Runs go straight to the queue, not through a backfill: the backfill daemon looks only every 30 s.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from sqlalchemy.exc import SQLAlchemyError

from tmdb_assets.defs.asked import ASKED_TAG, asked_with
from tmdb_assets.defs.assets import BUSY_TAG, TOO_MANY_FAILED_TAG
from tmdb_assets.defs.checks import lines_evaluation
from tmdb_assets.defs.jobs import DOWNLOAD_JOB
from tmdb_assets.defs.lists import list_event
from tmdb_assets.defs.partitions import batches_partitions
from tmdb_assets.defs.reaper import ACTIVE, PARTITION_TAG, interrupt_holder
from tmdb_assets.errors import ConfigurationError, StoreError
from tmdb_assets.files import exclusive, is_held
from tmdb_assets.model import Settings
from tmdb_assets.plans import Added

Run = dg.DagsterRun
"""What callers need not know more of than its id, its parent and its tags."""

LOCATION = "tmdb_assets.definitions"
"""Name of our code location: what `workspace.yaml` makes of the module."""

WILL_RETRY_TAG = "dagster/will_retry"
RETRIED_BY_TAG = "dagster/auto_retry_run_id"

QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
"""Dagster's name of the daemon that takes runs from the queue."""

OPEN_WAIT_SECONDS = 60.0

RETRY_SECONDS = 60.0
"""A retry that was promised and did not come within this time does not come."""

UNDECIDED_SECONDS = 5.0
"""For so long a failed run may be without Dagster's word on whether it is retried."""

SILENT_SECONDS = 45.0
"""A queue daemon that was not heard of for so long is gone: it reports every 30 s."""


def open_instance(folder: Path) -> dg.DagsterInstance:
    """Open the Dagster instance that `dagster dev` uses when started in `folder`.

    Raises:
        ConfigurationError: there is no `dagster.yaml`, or Dagster refuses it.
        StoreError: its database cannot be opened.
    """
    home = os.environ.get("DAGSTER_HOME")
    place = Path(home) if home else folder
    if not (place / "dagster.yaml").is_file():
        raise ConfigurationError(
            f"no dagster.yaml in {str(place)!r}: start in the folder of the project, "
            "or set DAGSTER_HOME to a folder that has one"
        )
    # the first command in a new folder makes the databases; two at once would clash in it
    digest = hashlib.sha256(str(place.absolute()).encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir()) / f"tmdb_assets-{os.getuid()}-{digest}.lock"
    with exclusive(lock, OPEN_WAIT_SECONDS):
        try:
            return dg.DagsterInstance.from_config(str(place))
        except dg.DagsterError as error:
            first_line = str(error).partition("\n")[0]
            raise ConfigurationError(f"{str(place / 'dagster.yaml')!r}: {first_line}") from error
        except (SQLAlchemyError, OSError) as error:
            reason = str(getattr(error, "orig", error)).partition("\n")[0]
            raise StoreError(
                f"Dagster's database of {str(place)!r} cannot be opened: {reason}: "
                "see that the folder named in dagster.yaml can be written and has room"
            ) from error


def register(instance: dg.DagsterInstance, keys: Iterable[str]) -> None:
    """Make every one of these batches a partition; those that are one stay as they are."""
    name = batches_partitions.name or ""
    known = set(instance.get_dynamic_partitions(name))
    missing = [key for key in keys if key not in known]
    if missing:
        instance.add_dynamic_partitions(name, missing)


def report_added(instance: dg.DagsterInstance, added: Added, settings: Settings) -> None:
    """Show on the page of `url_lists` what was new, and what was left out."""
    if added.new_batches:
        instance.report_runless_asset_event(list_event(added))
    instance.report_runless_asset_event(lines_evaluation(settings))


def active_runs(instance: dg.DagsterInstance, keys: Collection[str]) -> list[dg.DagsterRun]:
    """Return the runs of these batches that are to come, under way, or about to be retried."""
    active = instance.get_runs(filters=dg.RunsFilter(statuses=ACTIVE))
    failed = instance.get_run_records(
        filters=dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE],
            updated_after=datetime.now(UTC) - timedelta(seconds=RETRY_SECONDS),
        )
    )
    runs = [*active, *(one.dagster_run for one in failed if _may_come_back(one))]
    # picked out here: a list can have more batches than a database takes in a question
    return [run for run in runs if run.tags.get(PARTITION_TAG) in keys]


def _may_come_back(failed: dg.RunRecord) -> bool:
    """Say whether a run that just failed is about to be retried, or may be."""
    run = failed.dagster_run
    if not _is_decided(failed):
        return True
    # one without an origin was made by `dagster asset materialize`: nobody can retry it
    is_promised = run.tags.get(WILL_RETRY_TAG) == "true" and run.remote_job_origin is not None
    return is_promised and RETRIED_BY_TAG not in run.tags


def _is_decided(failed: dg.RunRecord) -> bool:
    """Say whether Dagster has decided about a retry, which it does a moment after the failure."""
    age = datetime.now(UTC) - failed.update_timestamp.astimezone(UTC)
    return WILL_RETRY_TAG in failed.dagster_run.tags or age.total_seconds() > UNDECIDED_SECONDS


def submit(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    keys: Iterable[str],
    folder: Path,
    settings: Settings,
) -> Iterator[str]:
    """Queue one run per batch, in this order; yield their ids as they are queued.

    Args:
        instance: that has the queue.
        definitions: those of our code location.
        keys: registered partitions.
        folder: where the code location is loaded.
        settings: that the runs have to have.
    """
    asked = asked_with(settings)
    repository = definitions.get_repository_def().name
    remote_origin, python_origin = _origins(folder, repository)
    job = definitions.resolve_job_def(DOWNLOAD_JOB)
    for key in keys:
        run = instance.create_run_for_job(
            job_def=job,
            tags={PARTITION_TAG: key, ASKED_TAG: asked},
            remote_job_origin=remote_origin,
            job_code_origin=python_origin,
        )
        # the queue only notes the run; the workspace is for coordinators that look into it
        instance.submit_run(run.run_id, workspace=None)  # type: ignore[arg-type]
        yield run.run_id


def is_starting(run: dg.DagsterRun) -> bool:
    """Say whether the process of a run comes up just now."""
    return run.status is dg.DagsterRunStatus.STARTING


def cancel(instance: dg.DagsterInstance, data_dir: Path, runs: Iterable[dg.DagsterRun]) -> None:
    """Take queued runs from the queue and interrupt those under way; does not wait for them.

    A run whose launcher was killed is interrupted through the lock of its batch, which names it.
    """
    for run in runs:
        try:
            instance.run_coordinator.cancel_run(run.run_id)
        except DagsterUserCodeUnreachableError:
            interrupt_holder(data_dir, run.tags.get(PARTITION_TAG, ""), run.run_id)


def failures(
    instance: dg.DagsterInstance,
    run_ids: Collection[str],
    since: datetime | None = None,
    followed: Collection[str] = (),
) -> list[str]:
    """Return why those of these runs failed that will not be retried, each reason once.

    A run that failed only because too many of its URLs did is none of them: it did all it could.

    Args:
        instance: where the runs are.
        run_ids: those that matter.
        since: no run that failed before that is among them.
        followed: those of others; that their batch was busy, as with a run of ours, is no failure.
    """
    failed = instance.get_run_records(
        filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    )
    for_good = [
        run
        for run in (one.dagster_run for one in failed if _is_decided(one))
        if run.run_id in run_ids
        and run.tags.get(WILL_RETRY_TAG) != "true"
        and run.tags.get(TOO_MANY_FAILED_TAG) != "true"
        and not (run.run_id in followed and run.tags.get(BUSY_TAG) == "true")
    ]
    return list(dict.fromkeys(_reason(instance, run) for run in for_good))


def _reason(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return the words of the failure that ended a run."""
    for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        for record in instance.get_records_for_run(run.run_id, of_type=kind).records:
            event = record.event_log_entry.dagster_event
            if event is None:
                continue
            if kind is dg.DagsterEventType.STEP_FAILURE:
                failure = event.step_failure_data
                if failure.user_failure_data and failure.user_failure_data.description:
                    return failure.user_failure_data.description
                if failure.error is not None:
                    return failure.error.message.strip()
            elif event.message:
                return event.message
    return f"run {run.run_id} failed without a word: look at it in the UI (make ui)"


def is_daemon_up(instance: dg.DagsterInstance, beacon: Path) -> bool:
    """Say whether somebody takes runs from the queue.

    Args:
        instance: that has the queue.
        beacon: file that a daemon of ours holds the lock of while it lives, with its id in it,
            once it has reported; so the last heartbeat of a killed one does not pass for life.
    """
    heartbeat = instance.get_daemon_heartbeats().get(QUEUE_DAEMON)
    if heartbeat is None or time.time() - heartbeat.timestamp > SILENT_SECONDS:
        return False
    is_ours = beacon.is_file() and beacon.read_text() in {"", heartbeat.daemon_id}
    return not is_ours or is_held(beacon)


def _origins(folder: Path, repository: str) -> tuple[RemoteJobOrigin, JobPythonOrigin]:
    """Say where the job's code is, as the workspace would."""
    working_directory = str(folder.absolute())
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        loadable_target_origin=LoadableTargetOrigin(
            executable_path=sys.executable,
            module_name=LOCATION,
            working_directory=working_directory,
        ),
        location_name=LOCATION,
    )
    python_origin = RepositoryPythonOrigin(
        executable_path=sys.executable,
        code_pointer=ModuleCodePointer(LOCATION, "defs", working_directory),
    )
    return (
        RemoteJobOrigin(RemoteRepositoryOrigin(location, repository), DOWNLOAD_JOB),
        JobPythonOrigin(DOWNLOAD_JOB, python_origin),
    )

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from tests.defs.project import Project
from tests.defs.runs import STARTED, add_run
from tests.store.stored_batches import fetch
from tmdb_assets.definitions import defs
from tmdb_assets.defs.jobs import DOWNLOAD_JOB
from tmdb_assets.defs.schedules import unfinished_batches
from tmdb_assets.receipt import batch_folder

MOMENT = datetime(2026, 1, 2, 3, 30, tzinfo=UTC)


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """One on disk: a schedule opens it for itself."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("instance"))) as instance:
        yield instance


def evaluate(project: Project, moment: datetime = MOMENT) -> dg.SkipReason | list[dg.RunRequest]:
    with dg.build_schedule_context(project.instance, scheduled_execution_time=moment) as context:
        said = unfinished_batches(context, tmdb=project.tmdb)
    assert isinstance(said, dg.SkipReason | list)
    return said


def requested(project: Project) -> list[str]:
    said = evaluate(project)
    assert isinstance(said, list)
    return [str(one.partition_key) for one in said]


def test_batches_with_failed_and_pending_urls_that_nobody_works_on_are_requested(
    project: Project,
) -> None:
    complete, failed, busy, pending = project.add(350).all_batches
    fetch(project.data_dir, complete)
    fetch(project.data_dir, failed)
    receipt = batch_folder(project.data_dir, failed) / "receipt.json"
    receipt.write_text(receipt.read_text().replace('"failed": 0', '"failed": 3'))
    add_run(project.instance, busy, STARTED)

    assert requested(project) == [failed, pending]


def test_with_nothing_to_do_it_says_so(project: Project) -> None:
    before = evaluate(project)
    (batch,) = project.add(100).all_batches
    fetch(project.data_dir, batch)
    after = evaluate(project)

    for said in (before, after):
        assert isinstance(said, dg.SkipReason)
        assert said.skip_message == "every batch is complete, or has a run already"


def test_each_night_asks_anew_and_one_night_only_once(project: Project) -> None:
    project.add(100)

    def keys(moment: datetime) -> list[str | None]:
        said = evaluate(project, moment)
        assert isinstance(said, list)
        return [one.run_key for one in said]

    assert keys(MOMENT) == keys(MOMENT)
    assert set(keys(MOMENT)).isdisjoint(keys(MOMENT.replace(day=3)))


def test_it_is_off_until_somebody_turns_it_on_and_starts_the_job_of_downloads() -> None:
    schedule = defs.get_repository_def().get_schedule_def("unfinished_batches")

    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == DOWNLOAD_JOB


def test_dagster_evaluates_it_with_the_resources_of_the_location(project: Project) -> None:
    (batch,) = project.add(100).all_batches
    schedule = defs.get_repository_def().get_schedule_def("unfinished_batches")

    with dg.build_schedule_context(
        project.instance,
        scheduled_execution_time=MOMENT,
        resources={"tmdb": project.tmdb},
        repository_def=defs.get_repository_def(),
    ) as context:
        said = schedule.evaluate_tick(context)

    assert [one.partition_key for one in said.run_requests or []] == [batch]

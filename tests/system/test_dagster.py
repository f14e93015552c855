"""Every way to start through Dagster, against a real `dagster dev`: as a user's clicks would."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.dagster_dev import BACKFILL, MATERIALIZE, DagsterDev
from tests.system.project import (
    Project,
    asked_since,
    most_in_any_second,
    wait_until,
)
from tmdb_assets.standin.process import StandInProcess


@pytest.fixture
def dagster_dev(project: Project) -> Iterator[DagsterDev]:
    dagster_dev = DagsterDev(project)
    yield dagster_dev
    dagster_dev.stop()


def most_at_once(runs: list[dict[str, Any]]) -> int:
    edges = sorted(
        edge
        for run in runs
        for edge in ((run["startTime"], 1), (run["endTime"] or float("inf"), -1))
    )
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def test_backfill_materialize_sensor_command_line_and_run_share_one_cap(
    dagster_dev: DagsterDev, project: Project, stand_in: StandInProcess
) -> None:
    project.environment["TMDB_REQUESTS_PER_SECOND"] = "50"
    code, added, _ = project.run("add", project.write_list(500, "movies.txt"), "--json")
    keys = json.loads(added)["all_batches"]
    assert (code, len(keys)) == (0, 5)

    # by a click on three partitions, by a click on one, by a dropped file, and by two commands
    answer = dagster_dev.ask(BACKFILL, keys=keys[:3])["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess"
    answer = dagster_dev.ask(MATERIALIZE, key=keys[3])["launchPipelineExecution"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    tv = "".join(f"/tv/{number}\n" for number in range(1, 81))
    project.folder.joinpath("url_lists").mkdir()
    project.folder.joinpath("url_lists", "tv.txt").write_text(tv)
    by_hand = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize"),
            *("--select", "tmdb_responses", "--partition", keys[4]),
            *("-m", "tmdb_assets.definitions"),
        ],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        timeout=90,
        check=False,
    )
    persons = project.folder / "persons.txt"
    persons.write_text("".join(f"/person/{number}\n" for number in range(1, 81)))
    code, _, err = project.run("run", persons)
    everything = [*keys, "tv-stand-in-0001", "persons-stand-in-0001"]
    wait_until(lambda: dagster_dev.have_succeeded(everything), 90, "all runs succeeded", 1.0)

    arrivals = stand_in.arrivals()
    queued = [
        run
        for runs in dagster_dev.runs().values()
        for run in runs
        if any(tag["key"] == "dagster/code_location" for tag in run["tags"])
    ]
    assert by_hand.returncode == 0, by_hand.stderr[-2000:]
    assert (code, err) == (0, "")
    assert len(arrivals) == len(asked_since(arrivals, 0)) == 660
    assert most_in_any_second(arrivals) <= 50
    assert stand_in.statistics()["refused"] == 0
    assert len(queued) == 6
    assert 2 <= most_at_once(queued) <= 3
    assert not list(project.folder.glob("data/dagster/run-daemon.log"))

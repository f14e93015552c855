"""kill -9 under a real `dagster dev`, of it, and of commands: what becomes of the runs."""

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS, wait_until
from tests.system.dagster_dev import DagsterDev, Place, dagster_dev_in
from tests.system.kills import Witness
from tests.system.project import Project, asked_since
from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.standin.process import StandInProcess

logger = logging.getLogger(__name__)


@pytest.fixture
def place(tmp_path: Path, limiter: Path) -> Iterator[Place]:
    # so slow that a batch lasts twenty seconds and is under way at a kill, on a busy machine too
    with dagster_dev_in(tmp_path, limiter, {"latency_seconds": 5.0, "cap": 50}) as place:
        yield place


@contextmanager
def a_new_dagster_dev(project: Project) -> Iterator[DagsterDev]:
    dev = DagsterDev(project)
    try:
        yield dev
    finally:
        dev.kill()


def test_dead_runs_are_noticed_and_retried_after_kills_of_everything_of_a_worker_and_by_hand(
    place: Place,
) -> None:
    keys = place.add("movies", 1, 400)
    witness = Witness(place.project.folder / "data", "movies-stand-in", place.stand_in)
    orphans, by_hand_at = kill_by_hand_and_everything(place, witness, keys)
    with a_new_dagster_dev(place.project) as dev:
        since = time.monotonic()
        (by_hand,) = [run["runId"] for run in dev.runs()[keys[2]]]
        victims = {**dict.fromkeys(orphans, since), by_hand: by_hand_at}
        victims |= kill_worker(place, dev, witness, keys[3])
        place.stand_in.change({"latency_seconds": 0.3})
        noticed = notice(dev, victims)
        again = dev.materialize(keys[2])
        wait_until(lambda: dev.have_succeeded(keys), "all succeeded", 0.5)
        runs = {key: [dev.run_of(run["runId"]) for run in dev.runs()[key]] for key in keys}
    verdict = witness.verdict()

    for key in keys:
        new, old = runs[key]
        logger.info("%s: noticed after %s s, %s", key, noticed[old["runId"]], old["tags"])
        assert (new["status"], old["status"]) == ("SUCCESS", "FAILURE")
        # Dagster has nowhere to start a retry of a run that came from a command line
        is_retry = new["tags"].get("dagster/parent_run_id") == old["runId"]
        assert is_retry == (key != keys[2])
        assert ("dagster/auto_retry_run_id" in old["tags"]) == is_retry
        assert ("dagster/code_location" in old["tags"]) == is_retry
    assert runs[keys[2]][0]["runId"] == again
    assert verdict.complaints() == []
    assert verdict.fetched + verdict.absent == 400


def kill_by_hand_and_everything(
    place: Place, witness: Witness, keys: list[str]
) -> tuple[list[str], float]:
    """Kill a command beside two runs, then all else; return the runs, and when the command died."""
    with place.by_hand(keys[2]) as command:
        runs = [place.dev.materialize(key) for key in keys[:2]]
        wait_until(lambda: min(map(place.done, keys[:3])) >= 10, "all send")
        with witness.strike("dagster asset materialize"):
            command.kill()
            command.communicate(timeout=HANG_SECONDS)
    by_hand_at = time.monotonic()
    with witness.strike("dagster dev and all its children"):
        place.dev.kill()
        wait_until(lambda: not place.project.processes(), "all are gone", 0.005)
    return runs, by_hand_at


def kill_worker(place: Place, dev: DagsterDev, witness: Witness, key: str) -> dict[str, float]:
    """Kill the process of a run that sends; return the run, and when."""
    run = dev.materialize(key)
    wait_until(lambda: place.done(key) >= 10, "the worker sends")
    lock = place.project.folder / "data/responses/movies-stand-in" / key / LOCK_NAME
    holder, pid, *_ = lock.read_text().split()
    assert holder == run
    with witness.strike("a run worker"):
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not is_alive(int(pid)), "the worker is gone", 0.005)
    return {run: time.monotonic()}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def notice(dev: DagsterDev, runs: dict[str, float]) -> dict[str, float]:
    """Wait until runs are reported failed; return how long after its moment each was."""
    noticed: dict[str, float] = {}

    def all_are() -> bool:
        for run, since in runs.items():
            if run in noticed:
                continue
            status = dev.status(run)
            assert status not in {"SUCCESS", "CANCELED"}, f"run {run} had ended before the kill"
            if status == "FAILURE":
                noticed[run] = round(time.monotonic() - since, 1)
        return len(noticed) == len(runs)

    wait_until(all_are, "all dead runs are reported failed", 0.3)
    return noticed


def test_after_kill_9_of_the_command_alone_the_next_one_goes_on(
    project: Project, stand_in: StandInProcess
) -> None:
    path = project.write_list(150)
    with project.start("run", path) as command:
        wait_until(lambda: len(project.outcomes()) >= 20, "20 outcomes")
        command.kill()
        command.communicate(timeout=HANG_SECONDS)
    settled, before = set(project.outcomes()), len(stand_in.arrivals())

    code, _, err = project.run("run", path)

    assert (code, err) == (0, "")
    assert not settled & set(asked_since(stand_in.arrivals(), before))
    assert len(stand_in.arrivals()) == 150
    assert {len(outcomes) for outcomes in project.outcomes().values()} == {1}
    assert len(project.outcomes()) == 150

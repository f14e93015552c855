"""From the user's act to the first request at the server's door, each three times."""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from tests.patience import wait_until
from tests.system.dagster_dev import DagsterDev
from tests.system.dagster_questions import MATERIALIZE
from tests.system.judge import judging
from tests.system.project import Project
from tmdb_assets.standin.process import StandInProcess

TIMES = 3
BOUND_SECONDS = 90.0


def main() -> Iterator[tuple[str, str, str]]:
    """Yield the seconds of every way to start."""
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=0.3, cap=50) as (server, _),
        Project(Path(folder), server.origin) as project,
    ):
        alone = [_first(server, partial(_run, project, f"alone{n}")) for n in range(TIMES)]
        yield _row("tmdb-assets run, nothing else up", alone)
        dagster_dev = DagsterDev(project)
        beside = [_first(server, partial(_run, project, f"beside{n}")) for n in range(TIMES)]
        yield _row("tmdb-assets run beside dagster dev", beside)
        clicks = []
        for number in range(TIMES):
            path = _list(project, f"click{number}")
            _, added, _ = project.run("add", path, "--json")
            key = json.loads(added)["all_batches"][0]
            clicks.append(_first(server, partial(dagster_dev.ask, MATERIALIZE, key=key)))
        yield _row("Materialize in the UI", clicks)
        drops = [_first(server, partial(_drop, project, f"drop{n}")) for n in range(TIMES)]
        yield _row("a file dropped into url_lists", drops)
        dagster_dev.stop()


def _row(what: str, seconds: list[float]) -> tuple[str, str, str]:
    each = ", ".join(f"{one:.1f}" for one in seconds)
    return "launch", f"{what}: first request after, s", f"{statistics.median(seconds):.1f} ({each})"


def _first(server: StandInProcess, act: Callable[[], object]) -> float:
    """Act, and return how long it took until something arrived; wait until all is quiet again."""
    before = len(server.arrivals())
    began_at = time.time()
    act()
    wait_until(
        lambda: len(server.arrivals()) > before, "a first request", 0.02, seconds=BOUND_SECONDS
    )
    first = sorted(float(one[0]) for one in server.arrivals())[before]
    wait_until(
        lambda: len(server.arrivals()) >= before + 20, "all requests", 0.2, seconds=BOUND_SECONDS
    )
    time.sleep(8)  # until the run and whatever was started for it have ended
    # arrivals count from the start of the stand-in
    started_at = datetime.fromisoformat(str(server.statistics()["started_at"])).timestamp()
    return started_at + first - began_at


def _list(project: Project, name: str) -> Path:
    path = project.folder / f"{name}.txt"
    number = sum(map(ord, name)) * 1000
    path.write_text("".join(f"/movie/{number + one}\n" for one in range(20)))
    return path


def _run(project: Project, name: str) -> object:
    return project.start("run", _list(project, name))


def _drop(project: Project, name: str) -> None:
    folder = project.folder / "url_lists"
    folder.mkdir(exist_ok=True)
    shutil.move(_list(project, name), folder)

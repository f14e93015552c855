"""Four partitions of 500 URLs through a backfill as the UI starts it, at 2.3 s and cap 50."""

import json
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.patience import wait_until
from tests.system.dagster_dev import DagsterDev
from tests.system.dagster_questions import BACKFILL
from tests.system.judge import judging
from tests.system.project import Project
from tmdb_assets.standin.process import StandInProcess

URLS, BATCHES = 2000, 4


def rows(faults: float) -> Iterator[tuple[str, str]]:
    """Yield names and figures of one backfill."""
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=2.3, cap=50, fault_share=faults) as (server, priority),
        Project(
            Path(folder), server.origin, TMDB_BATCH_SIZE=str(URLS // BATCHES), TMDB_THREADS="160"
        ) as project,
    ):
        ends = _backfill(project)
        said = server.statistics()
        yield "arrivals, refused", f"{said['arrivals']}, {said['refused']}"
        yield "most in any second", f"{said['max_in_any_second']} ({priority})"
        yield "requests/s, first to last", f"{said['mean_rate']}"
        yield "share of the cap", f"{float(str(said['mean_rate'])) / 50:.1%}"
        yield "the same up to the last URL's first request", f"{_share_of_first_tries(server):.1%}"
        yield "URLs asked more than once", f"{said['repeated_urls']}"
        yield "ends apart, s", ", ".join(f"{b - a:.1f}" for a, b in pairwise(ends))
        yield from _files(project)


def _backfill(project: Project) -> list[float]:
    """Download the list by a backfill; return when its runs ended."""
    _, added, _ = project.run("add", project.write_list(URLS), "--json")
    keys = json.loads(added)["all_batches"]
    dagster_dev = DagsterDev(project)
    dagster_dev.ask(BACKFILL, keys=keys)
    wait_until(lambda: dagster_dev.have_succeeded(keys), "backfill", 1.0, seconds=300)
    ends = sorted(run["endTime"] for runs in dagster_dev.runs().values() for run in runs)
    dagster_dev.stop()
    return ends


def _share_of_first_tries(server: StandInProcess) -> float:
    """Leave out the retries of the very last URLs, behind which nothing can be sent any more."""
    arrivals = server.arrivals()
    last_new: dict[str, int] = {}
    for number, (_, path, _) in enumerate(arrivals):
        last_new.setdefault(path, number)
    last = max(last_new.values())
    return last / (arrivals[last][0] - arrivals[0][0]) / 50


def _files(project: Project) -> Iterator[tuple[str, str]]:
    outcomes = project.outcomes()
    kinds = [lines[-1]["outcome"] for lines in outcomes.values()]
    bad = 0
    for path in project.folder.glob("data/responses/*/*/*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError:
            bad += 1
    yield "outcomes", ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    yield "URLs with more than one outcome", str(sum(len(one) > 1 for one in outcomes.values()))
    yield "files that are no JSON", str(bad)


def main() -> Iterator[tuple[str, str, str]]:
    """Yield the figures without and with faults."""
    for name, faults in (("backfill 4 x 500", 0.0), ("backfill 4 x 500, 5 % faults", 0.05)):
        for what, figure in rows(faults):
            yield name, what, figure

"""A backfill of 8 x 1,000 at 2.3 s, tables and all, with one, two and three runs at a time.

Also what it costs. Draws requests per second over time, coloured by batch, into
`data/boundaries-N.svg`.
"""

import json
import os
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.processes import Watch
from tests.patience import wait_until
from tests.system.dagster_dev import DagsterDev
from tests.system.dagster_questions import BACKFILL_OF_JOB
from tests.system.judge import Verdict, tapped
from tests.system.project import ROOT, Project

BATCHES = 8
URLS = int(os.environ.get("BENCH_URLS") or 8000)
LATENCY_SECONDS = 2.3
BOUND_SECONDS = 900.0
AROUND_SECONDS = 5
_LIMIT = "limit: 3"


@dataclass(frozen=True)
class Backfill:
    """What one backfill did.

    Attributes:
        arrivals: moment and batch of each, in order, by the stand-in.
        ends: of its runs, by the clock of the arrivals.
        verdict: what the kernel's stamps say.
        first_seconds: from its launch to the first arrival.
    """

    arrivals: Sequence[tuple[float, int]]
    ends: Sequence[float]
    first_seconds: float
    verdict: Verdict
    cpu_by_process: dict[str, float]
    events: int
    database_mib: float

    @property
    def emptiest(self) -> float:
        """The least requests per second of the ten seconds around the end of a run."""
        moments = [moment for moment, _ in self.arrivals]
        last = moments[-1] - AROUND_SECONDS
        return min(
            (
                sum(end - AROUND_SECONDS <= one < end + AROUND_SECONDS for one in moments)
                / (2 * AROUND_SECONDS)
                for end in self.ends
                if end < last
            ),
            default=0.0,
        )


def main() -> Iterator[tuple[str, str, str]]:
    """Yield all figures."""
    for at_a_time in map(int, os.environ.get("BENCH_ONLY") or "123"):
        name = f"backfill {BATCHES} x {URLS // BATCHES:,}, {at_a_time} at a time"
        done = backfill(at_a_time)
        verdict = done.verdict
        yield name, "share of the cap, first to last", f"{verdict.per_second / 50:.2%}"
        yield name, "most in any second", f"{verdict.most} ({verdict.priority})"
        yield name, "requests/s around the emptiest boundary", f"{done.emptiest:.1f}"
        apart = ", ".join(f"{after - before:.1f}" for before, after in pairwise(done.ends))
        yield name, "ends apart, s", apart
        yield name, "first request after the launch, s", f"{done.first_seconds:.1f}"
        yield name, "picture", str(_draw(done, at_a_time))
        if at_a_time == 3:
            for kind, seconds in done.cpu_by_process.items():
                yield name, f"CPU s per 1,000 URLs, {kind}", f"{seconds / URLS * 1000:.2f}"
            yield name, "events per run", f"{done.events / BATCHES:.0f}"
            per_run = done.events / BATCHES
            yield name, "events per 100k URLs in batches of 2,000", f"{per_run * 50:.0f}"
            yield name, "database per run, MiB", f"{done.database_mib / BATCHES:.2f}"


def backfill(at_a_time: int) -> Backfill:
    """Download the list by a backfill as the UI starts it, with so many runs at a time."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tapped(latency_seconds=LATENCY_SECONDS, cap=None) as (server, priority),
        Project(
            Path(folder), server.origin, TMDB_BATCH_SIZE=str(URLS // BATCHES), TMDB_THREADS="160"
        ) as project,
    ):
        settings = project.folder / "dagster.yaml"
        text = settings.read_text()
        if _LIMIT not in text:
            raise SystemExit(f"no {_LIMIT!r} in dagster.yaml")
        settings.write_text(text.replace(_LIMIT, f"limit: {at_a_time}"))
        _, added, _ = project.run("add", project.write_list(URLS), "--json")
        keys = json.loads(added)["all_batches"]
        dagster_dev = DagsterDev(project)
        before_mib = _size_mib(project)
        with Watch(project.processes) as watch:
            launched_at = time.time()
            dagster_dev.ask(BACKFILL_OF_JOB, keys=keys)
            wait_until(
                lambda: dagster_dev.have_succeeded(keys), "backfill", 1.0, seconds=BOUND_SECONDS
            )
        runs = [run for some in dagster_dev.runs().values() for run in some]
        dagster_dev.stop()
        # arrivals count from the start of the stand-in
        started_at = datetime.fromisoformat(str(server.statistics()["started_at"])).timestamp()
        arrivals = sorted((float(one[0]), _batch_of(str(one[1]))) for one in server.arrivals())
        return Backfill(
            arrivals=arrivals,
            ends=sorted(run["endTime"] - started_at for run in runs),
            first_seconds=arrivals[0][0] + started_at - launched_at,
            verdict=Verdict.of(server, priority),
            cpu_by_process=watch.by_kind(),
            events=_events(project),
            database_mib=_size_mib(project) - before_mib,
        )


def _batch_of(url: str) -> int:
    number = int(urlsplit(url).path.rpartition("/")[2])
    return (number - 1) * BATCHES // URLS


def _events(project: Project) -> int:
    """Return how many rows the event logs of all runs have."""
    rows = 0
    for path in project.folder.glob("data/dagster/history/runs/*.db"):
        if path.stem != "index":
            with closing(sqlite3.connect(path)) as database:
                rows += database.execute("SELECT count(*) FROM event_logs").fetchone()[0]
    return rows


def _size_mib(project: Project) -> float:
    files = (path for path in project.folder.glob("data/dagster/**/*") if path.is_file())
    return sum(path.stat().st_size for path in files) / 2**20


_COLOURS = ("#36c", "#e80", "#393", "#c33", "#86a", "#960", "#088", "#666")
_WIDTH, _HEIGHT, _LEFT = 900, 160, 30


def _draw(done: Backfill, at_a_time: int) -> Path:
    """Draw a column per second, with a colour per batch and a line where a run ended."""
    began_at = done.arrivals[0][0]
    seconds = int(done.arrivals[-1][0] - began_at) + 1
    counts = Counter((int(moment - began_at), batch) for moment, batch in done.arrivals)
    step = (_WIDTH - _LEFT) / seconds
    shapes = []
    for second in range(seconds):
        y = float(_HEIGHT - 10)
        for batch, colour in enumerate(_COLOURS[:BATCHES]):
            if height := counts[second, batch] * 2.4:
                y -= height
                shapes.append(
                    f'<path d="M{_LEFT + second * step:.1f} {y:.1f}h{step:.1f}v{height:.1f}'
                    f'h-{step:.1f}" fill="{colour}"/>'
                )
    for end in done.ends:
        x = _LEFT + (end - began_at) * step
        shapes.append(f'<path d="M{x:.1f} 10V{_HEIGHT - 10}" stroke="#000" stroke-dasharray="2"/>')
    cap_y = _HEIGHT - 10 - 50 * 2.4
    shapes.append(f'<path d="M{_LEFT} {cap_y}H{_WIDTH}" stroke="#d22"/>')
    shapes.append(f'<text y="{cap_y + 4}">50/s</text><text y="{_HEIGHT}">0 to {seconds} s</text>')
    path = ROOT / "data" / f"boundaries-{at_a_time}.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'font-size="10" font-family="sans-serif">{"".join(shapes)}</svg>\n'
    )
    return path

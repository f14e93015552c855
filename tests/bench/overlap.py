"""Four partitions of 1,000 URLs, two runs at a time: does the second fill what the first leaves?

Each run is a process that takes six seconds to start, as Dagster's do, and then calls the download.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from tests.bench.settings import bench_settings
from tests.system.judge import Verdict, judging
from tests.system.project import ROOT
from tmdb_assets import batches
from tmdb_assets.download import download_batch

PARTITIONS, AT_A_TIME, THREADS = 4, 2, 160
URLS = int(os.environ.get("BENCH_URLS") or 1000)
START_SECONDS = 6.0
LATENCY_SECONDS = 2.3
BOUND_SECONDS = 300.0


def main() -> Iterator[tuple[str, str, str]]:
    """Yield the share of the cap, and how far apart the runs end."""
    name = f"overlap, {PARTITIONS} x {URLS:,}, {AT_A_TIME} at a time"
    with (
        tempfile.TemporaryDirectory() as here,
        judging(latency_seconds=LATENCY_SECONDS, cap=50) as (server, priority),
    ):
        folder, origin = Path(here), server.origin
        path = folder / "movies.txt"
        path.write_text("".join(f"/movie/{n}\n" for n in range(1, PARTITIONS * URLS + 1)))
        keys = batches.add(path, bench_settings(folder, origin, THREADS, URLS)).all_batches
        began_at = time.monotonic()
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            ends = sorted(pool.map(lambda key: _run(folder, origin, key), keys))
        verdict = Verdict.of(server, priority)
    apart = [after - before for before, after in pairwise(ends)]
    yield name, "most in any second", f"{verdict.most}, {verdict.over} above the cap ({priority})"
    yield name, "share of the cap, first to last", f"{verdict.per_second / 50:.2%}"
    yield name, "arrivals, refused", f"{verdict.arrivals}, {verdict.refused}"
    yield name, "ends at, s", ", ".join(f"{end - began_at:.1f}" for end in ends)
    yield name, "ends apart, s, least", f"{min(apart):.1f}"
    yield name, "longest times without a request, s", _words(verdict.gaps_seconds[:3])


def _words(figures: tuple[float, ...]) -> str:
    return ", ".join(f"{figure:.2f}" for figure in figures)


def _run(folder: Path, origin: str, key: str) -> float:
    """Download a batch in a process of its own and return when that ended."""
    subprocess.run(
        [sys.executable, "-m", "tests.bench.overlap", str(folder), origin, key],
        cwd=ROOT,
        check=True,
        timeout=BOUND_SECONDS,
    )
    return time.monotonic()


if __name__ == "__main__":
    time.sleep(START_SECONDS)
    report = download_batch(
        sys.argv[3], bench_settings(Path(sys.argv[1]), sys.argv[2], THREADS, URLS)
    )
    if report.failed:
        raise SystemExit(f"{report.failed} failed: {report.failures}")

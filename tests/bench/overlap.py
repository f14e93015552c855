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
from tests.system.judge import Verdict, tapped
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
    verdict, ends = overlapped(URLS, START_SECONDS)
    apart = [after - before for before, after in pairwise(ends)]
    most = f"{verdict.most}, {verdict.over} above the cap ({verdict.priority})"
    yield name, "most in any second", most
    yield name, "share of the cap, first to last", f"{verdict.per_second / 50:.2%}"
    yield name, "arrivals, refused", f"{verdict.arrivals}, {verdict.refused}"
    yield name, "ends after the start, s", _words(ends)
    yield name, "ends apart, s, least", f"{min(apart):.1f}"
    yield name, "longest times without a request, s", _words(verdict.gaps_seconds[:3])


def overlapped(urls: int, start_seconds: float) -> tuple[Verdict, tuple[float, ...]]:
    """Download the partitions of so many URLs; return what arrived, and when each run ended."""
    with (
        tempfile.TemporaryDirectory() as here,
        tapped(latency_seconds=LATENCY_SECONDS, cap=50) as judge,
    ):
        folder, origin = Path(here), judge[0].origin
        path = folder / "movies.txt"
        path.write_text("".join(f"/movie/{n}\n" for n in range(1, PARTITIONS * urls + 1)))
        keys = batches.add(path, bench_settings(folder, origin, THREADS, urls)).all_batches
        began_at = time.monotonic()

        def run(key: str) -> float:
            arguments = [str(folder), origin, key, str(urls), str(start_seconds)]
            command = [sys.executable, "-m", "tests.bench.overlap", *arguments]
            subprocess.run(command, cwd=ROOT, check=True, timeout=BOUND_SECONDS)
            return time.monotonic() - began_at

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            ends = tuple(sorted(pool.map(run, keys)))
        return Verdict.of(*judge), ends


def _words(figures: tuple[float, ...]) -> str:
    return ", ".join(f"{figure:.2f}" for figure in figures)


def _download(folder: Path, origin: str, key: str, urls: int) -> None:
    report = download_batch(key, bench_settings(folder, origin, THREADS, urls))
    if report.failed:
        raise SystemExit(f"{report.failed} failed: {report.failures}")


if __name__ == "__main__":
    time.sleep(float(sys.argv[5]))
    _download(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))

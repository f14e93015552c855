"""What `tmdb-assets run` costs: CPU by process at the cap, and peak memory by size of batch."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.processes import Watch
from tests.system.judge import judging
from tests.system.project import Project


def at_the_cap() -> Iterator[tuple[str, str, str]]:
    """Yield CPU seconds of a run of 2,000 URLs at 2.3 s under the cap."""
    name = "run of 2,000 at 50/s"
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=2.3, cap=50) as (server, priority),
        Project(Path(folder), server.origin, TMDB_BATCH_SIZE="1000", TMDB_THREADS="160") as project,
    ):
        with Watch(project.processes) as watch:
            project.run("run", project.write_list(2000), timeout=180)
        said = server.statistics()
        yield name, "CPU s per 1,000 URLs, all processes", f"{watch.cpu_seconds() / 2:.2f}"
        for kind, seconds in watch.by_kind().items():
            yield name, f"of it {kind}", f"{seconds / 2:.2f}"
        yield name, "peak memory of a run", f"{watch.peak_mib('run'):.0f} MiB"
        yield name, "requests/s, first to last", str(said["mean_rate"])
        yield name, "most in any second", f"{said['max_in_any_second']} ({priority})"


def memory(urls: int) -> Iterator[tuple[str, str, str]]:
    """Yield the peak memory of the process of one run of a batch of this size."""
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=0, cap=None) as (server, _),
        Project(
            Path(folder),
            server.origin,
            TMDB_BATCH_SIZE=str(urls),
            TMDB_THREADS="160",
            TMDB_REQUESTS_PER_SECOND="999999",
        ) as project,
    ):
        with Watch(project.processes) as watch:
            code, _, err = project.run("run", project.write_list(urls), timeout=300)
        if code:
            raise SystemExit(err)
        yield "memory", f"run of a batch of {urls:,}", f"{watch.peak_mib('run'):.0f} MiB"


def main() -> Iterator[tuple[str, str, str]]:
    """Yield all of it."""
    yield from at_the_cap()
    yield from memory(2_000)
    yield from memory(20_000)

"""kill -9 of everything at half of a batch, then the same command again."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.patience import wait_until
from tests.system.judge import judging
from tests.system.project import Project, asked_since

URLS = 1000


def main() -> Iterator[tuple[str, str, str]]:
    """Yield what was asked again."""
    name = "kill -9 at half of 1,000"
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=2.3, cap=50) as (server, priority),
        Project(Path(folder), server.origin, TMDB_BATCH_SIZE="1000", TMDB_THREADS="160") as project,
    ):
        path = project.write_list(URLS)
        with project.start("run", path) as process:
            wait_until(lambda: len(project.outcomes()) >= URLS // 2, "half of it", 0.3, seconds=120)
            project.kill_all()
            process.communicate()
        settled = set(project.outcomes())
        first = asked_since(server.arrivals(), 0)
        code, _, _ = project.run("run", path, timeout=180)
        arrivals = server.arrivals()
        again = asked_since(arrivals, first.total())
        yield name, "asked / with an outcome at the kill", f"{first.total()} / {len(settled)}"
        yield name, "of those with an outcome, asked again", str(len(settled & set(again)))
        yield name, "asked again, were in flight", str(len(set(first) & set(again)))
        yield name, "in the end", f"{len(project.outcomes())} of {URLS}, exit {code}"
        most = server.statistics()["max_in_any_second"]
        yield name, "most in any second", f"{most} ({priority})"

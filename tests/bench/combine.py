"""URLs per second of `run --combine`: films with three sub-resources each, by Dagster's queue."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from tests.system.judge import Verdict, tapped
from tests.system.project import Project
from tmdb_assets.standin.smallthings import exists

URLS = int(os.environ.get("BENCH_URLS") or 40_000)
PARTS = ("", "/credits", "/images", "/keywords")
LATENCY_SECONDS = 2.3
BOUND_SECONDS = 1800.0


def main() -> Iterator[tuple[str, str, str]]:
    """Yield what arrived and what came of it."""
    name = f"{URLS // len(PARTS):,} films x {len(PARTS)}, combined"
    with (
        tempfile.TemporaryDirectory() as folder,
        tapped(latency_seconds=LATENCY_SECONDS, cap=None) as judge,
        Project(
            Path(folder), judge[0].origin, TMDB_THREADS="160", TMDB_BATCH_SIZE="2000"
        ) as project,
    ):
        path = project.folder / "films.txt"
        # ids that there are, as an export has them: a dead one costs a request for each of its URLs
        films = islice(filter(exists, count(1)), URLS // len(PARTS))
        path.write_text("".join(f"/movie/{n}{part}\n" for n in films for part in PARTS))
        began_at = time.monotonic()
        code, out, err = project.run("run", path, "--combine", "--json", timeout=BOUND_SECONDS)
        seconds = time.monotonic() - began_at
        if code:
            raise SystemExit(err)
        standing = json.loads(out)
        verdict = Verdict.of(*judge)
        done = standing["fetched"] + standing["absent"]
        span_seconds = (verdict.arrivals - 1) / verdict.per_second
        yield name, "URLs/s, first to last arrival", f"{done / span_seconds:.1f}"
        yield name, "URLs/s, the whole command", f"{done / seconds:.1f}"
        yield name, "requests for URLs", f"{verdict.arrivals:,} for {done:,}"
        yield name, "share of the cap, first to last", f"{verdict.per_second / 50:.2%}"
        yield name, "most in any second", f"{verdict.most} ({verdict.priority})"

"""How long it takes to plan and to add a list, and how much memory.

Each figure is from a fresh process, so that no peak of memory hides in that of an earlier one.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tmdb_assets.batches import add, plan
from tmdb_assets.settings import from_environment

COUNTS = (100_000, 1_000_000)
SHAPES = {
    "plain": "https://api.themoviedb.org/3/movie/{}",
    "query": "https://api.themoviedb.org/3/movie/{}?append_to_response=credits,videos&language=en-US",
    "keys": "HTTPS://api.themoviedb.org:443/3/movie/{}/?language=en%2DUS&api_key=0123456789abcdef",
}


def main() -> Iterator[tuple[str, str, str]]:
    """Yield seconds and peak memory by count, shape and action."""
    for count in COUNTS:
        for shape, pattern in SHAPES.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "bench.txt"
                with path.open("w") as file:
                    file.writelines(f"{pattern.format(number)}\n" for number in range(count))
                for action in ("plan", "add", "add again"):
                    found = _in_fresh_process(action, path)
                    figure = f"{found['seconds']:.2f} s, {found['mib']:.0f} MiB"
                    yield f"{action} {count:,} URLs", shape, figure


def _in_fresh_process(action: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.plan", action, str(path)]
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    return found


def _measure(action: str, path: Path) -> None:
    settings = from_environment({"TMDB_DATA_DIR": str(path.parent / "data")})
    began_at = time.perf_counter()
    (plan if action == "plan" else add)(path, settings)
    seconds = time.perf_counter() - began_at
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    mib = peak / 1024**2 if sys.platform == "darwin" else peak / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "mib": mib}))


if __name__ == "__main__":
    _measure(sys.argv[1], Path(sys.argv[2]))

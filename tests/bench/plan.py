"""How long it takes to plan and to add a list, and how much memory; run it as a script.

Each figure is from a fresh process, so that no peak of memory hides in that of an earlier one.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tmdb_assets.batches import add, plan
from tmdb_assets.settings import from_environment

COUNTS = (100_000, 1_000_000)
SHAPES = {
    "plain": "https://api.themoviedb.org/3/movie/{}",
    "query": "https://api.themoviedb.org/3/movie/{}?append_to_response=credits,videos&language=en-US",
    "keys": "HTTPS://api.themoviedb.org:443/3/movie/{}/?language=en%2DUS&api_key=0123456789abcdef",
}


def main() -> None:
    row = "{:<9} {:<6} {:>10} {:>9} {:>9} {:>9}"
    sys.stdout.write(row.format("does", "lines", "URLs", "seconds", "us/URL", "peak MiB") + "\n")
    for count in COUNTS:
        for shape, pattern in SHAPES.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "bench.txt"
                with path.open("w") as file:
                    file.writelines(f"{pattern.format(number)}\n" for number in range(count))
                for action in ("plan", "add", "add again"):
                    found = _in_fresh_process(action, path)
                    each = found["seconds"] / count * 1e6
                    figures = f"{found['seconds']:.2f}", f"{each:.1f}", f"{found['mib']:.0f}"
                    sys.stdout.write(row.format(action, shape, f"{count:,}", *figures) + "\n")
                    sys.stdout.flush()


def _in_fresh_process(action: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, action, str(path)]
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
    if sys.argv[1:]:
        _measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()

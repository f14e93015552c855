"""How long it takes to make lists of exports and of changes, and how much memory.

Each figure is from a fresh process, so that no peak of memory hides in that of an earlier one. The
stand-in has made its exports before, and the limiter's first silence is over.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.settings import bench_settings
from tmdb_assets.batches import add
from tmdb_assets.model import Settings
from tmdb_assets.sources import changes, exports
from tmdb_assets.sources.exports import Wanted
from tmdb_assets.sources.shapes import Wish
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.settings import StandInSettings

COUNTS = (100_000, 1_000_000)
CHANGES_PER_DAY = 6_500
"""Of each of three kinds; TMDB has some 19,000 in all."""


def main() -> Iterator[tuple[str, str, str]]:
    """Yield seconds and peak memory by count and what is made."""
    for count in COUNTS:
        settings = StandInSettings(
            latency_seconds=0.1, export_lines=count, changes_per_day=CHANGES_PER_DAY
        )
        with tempfile.TemporaryDirectory() as folder, StandInProcess(settings) as server:
            _wait_for_export(server.origin)
            for action in ACTIONS:
                found = _in_fresh_process(action, Path(folder), server.origin)
                figure = f"{found['seconds']:.2f} s, {found['mib']:.0f} MiB, {found['urls']:,} URLs"
                yield f"{count:,} ids", action, figure


def _yesterday() -> str:
    return (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


def _wait_for_export(origin: str) -> None:
    """Have the stand-in make its export, which takes longer than ours."""
    year, month, day = _yesterday().split("-")
    url = f"{origin}/p/exports/movie_ids_{month}_{day}_{year}.json.gz"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - http on loopback
        answer.read()


def _in_fresh_process(action: str, folder: Path, origin: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.exports", action, str(folder), origin]
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    return found


def _export(settings: Settings, path: Path, wish: Wish = Wish()) -> int:  # noqa: B008 - frozen
    wanted = Wanted("movie", wish, adult=False, video=True, day=_yesterday())
    return exports.make_list(wanted, settings, path).written


def _nothing(settings: Settings, path: Path) -> int:
    """Take the limiter's first silence out of the figures."""
    return _export(settings, path)


def _separate(settings: Settings, path: Path) -> int:
    return _export(settings, path, Wish(("credits", "images"), separate=True))


def _limited(settings: Settings, path: Path) -> int:
    wanted = Wanted("movie", limit=10_000, day=_yesterday())
    return exports.make_list(wanted, settings, path).written


def _added(settings: Settings, path: Path) -> int:
    _export(settings, path)
    return add(path, settings).plan.new


def _changes(settings: Settings, path: Path) -> int:
    return changes.make_list(changes.Since(_yesterday()), settings, path).written


ACTIONS: dict[str, Callable[[Settings, Path], int]] = {
    "first of all": _nothing,
    "list of all": _export,
    "with two parts, separate": _separate,
    "the 10,000 most popular": _limited,
    "list of all, and add it": _added,
    "again, all is in a list": _export,
    "changes of two days": _changes,
}


def _measure(action: str, folder: Path, origin: str) -> None:
    settings = bench_settings(folder, origin, threads=160, batch_size=2000)
    path = folder / "bench.txt"
    began_at = time.perf_counter()
    urls = ACTIONS[action](settings, path)
    seconds = time.perf_counter() - began_at
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    mib = peak / 1024**2 if sys.platform == "darwin" else peak / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "mib": mib, "urls": urls}))


if __name__ == "__main__":
    _measure(sys.argv[1], Path(sys.argv[2]), sys.argv[3])

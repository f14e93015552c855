"""A project folder with real processes: what users have, on loopback."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.patience import HANG_SECONDS
from tmdb_assets.standin.arrivals import SlidingSecond

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tmdb_assets.cli"]


class Project:
    """A folder with `dagster.yaml` and `workspace.yaml`, and an environment for its commands."""

    def __init__(self, folder: Path, origin: str, **environment: str) -> None:
        self.folder = folder
        for name in ("dagster.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, folder)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TMDB_")},
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_LIMITER": f"file:{folder}/limiter",
            "TMDB_BATCH_SIZE": "100",
            "TMDB_THREADS": "32",
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        """End every process that works in this folder with SIGKILL, at once."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def write_list(self, urls: int, name: str = "movies.txt") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"/movie/{number}\n" for number in range(1, urls + 1)))
        return path

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a `tmdb-assets` command in a session of its own."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )

    def run(self, *arguments: str | Path, timeout: float = HANG_SECONDS) -> tuple[int, str, str]:
        """Run a `tmdb-assets` command to its end."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, out, err

    def outcomes(self) -> dict[str, list[dict[str, Any]]]:
        """Return all outcomes on disk by path of the URL, in their order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for path in sorted(self.folder.glob("data/responses/*/*/outcomes.jsonl")):
            for line in path.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    outcome = json.loads(line)
                    found.setdefault(urlsplit(outcome["url"]).path, []).append(outcome)
        return found

    def processes(self) -> list[int]:
        """Return processes that work in this folder."""
        here = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "cwd").readlink() == self.folder:
                        here.append(int(entry.name))
                except OSError:
                    continue
        return here


def asked_since(arrivals: Sequence[Sequence[Any]], before: int) -> Counter[str]:
    """Return how often each path arrived after the first `before` arrivals."""
    return Counter(urlsplit(str(arrival[1])).path for arrival in arrivals[before:])


def most_in_any_second(arrivals: Sequence[Sequence[Any]]) -> int:
    """Return the largest number of arrivals in any window of one second."""
    second = SlidingSecond()
    return max(
        (second.add(moment) for moment in sorted(float(one[0]) for one in arrivals)), default=0
    )

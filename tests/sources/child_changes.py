"""`tmdb-assets changes` in a process of its own, to be killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tmdb_assets.model import Settings

COMMAND = "from tmdb_assets.cli.sources import changes; changes()"


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


@contextmanager
def started_changes(
    settings: Settings, path: Path, since: str, *options: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Have it run, with two threads; it is gone after the block."""
    variables = {
        "TMDB_ALLOWED_ORIGINS": settings.origins[0],
        "TMDB_DATA_DIR": str(settings.data_dir),
        "TMDB_LIMITER": settings.limiter,
        "TMDB_THREADS": "2",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--since", since, "--new", "--output", str(path), *options],
        env={**os.environ, **variables},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()

"""A process of its own that downloads a batch, to be killed."""

import sys
from pathlib import Path

_SCRIPT = """
import sys
from tmdb_assets.download import download_batch
from tmdb_assets.settings import from_environment
batch, data_dir, origin, limiter, threads = sys.argv[1:]
download_batch(batch, from_environment({
    "TMDB_DATA_DIR": data_dir,
    "TMDB_ALLOWED_ORIGINS": origin,
    "TMDB_LIMITER": f"file:{limiter}",
    "TMDB_REQUESTS_PER_SECOND": "1000",
    "TMDB_THREADS": threads,
}))
"""


def command(batch: str, data_dir: Path, origin: str, limiter: Path, threads: int) -> list[str]:
    """Return the command that downloads a batch."""
    return [sys.executable, "-c", _SCRIPT, batch, str(data_dir), origin, str(limiter), str(threads)]

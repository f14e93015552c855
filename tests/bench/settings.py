"""Settings of a run in a folder, asking a stand-in."""

from pathlib import Path

from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment


def bench_settings(
    folder: Path, origin: str, threads: int, batch_size: int, limiter: str = ""
) -> Settings:
    """Return what `from_environment` makes of them; the limiter is a file there if not named."""
    return from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_BATCH_SIZE": str(batch_size),
            "TMDB_THREADS": str(threads),
            "TMDB_LIMITER": limiter or f"file:{folder}/limiter",
        }
    )

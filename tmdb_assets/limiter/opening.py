"""From what the settings say to a limiter: which store, and its door."""

from pathlib import Path

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.limiter.bucket import SlotStore
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.model import Settings


def open_store(settings: Settings) -> SlotStore:
    """Open the store that these settings name.

    Raises:
        LimiterUnavailableError: a file cannot be opened; Redis is first asked when it is used.
        ConfigurationError: there is no such kind, or its package is not installed.
    """
    kind, _, path = settings.limiter.partition(":")
    if kind == "file":
        return FileStore(Path(path), settings.requests_per_second)
    if kind not in {"redis", "rediss"}:
        raise ConfigurationError(
            f"TMDB_LIMITER {kind!r} is no limiter: set it to file, file:/path or redis://host:port/db"
        )
    try:
        from tmdb_assets.limiter.redis_store import RedisStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ConfigurationError(
            "TMDB_LIMITER names a Redis, but the package for it is not installed: "
            "pip install 'tmdb-assets[redis]'"
        ) from error
    return RedisStore(
        settings.limiter, f"tmdb_assets:{settings.limiter_key}", settings.requests_per_second
    )


def open_door(settings: Settings) -> Door:
    """Open the limiter that these settings name; raises as `open_store` does."""
    return Door(open_store(settings), settings.requests_per_second)

"""Settings that a command had when it asked for a run, which happens in an environment of its own.

Runs are started by whatever Dagster is up, with the variables that it was started with. One that
differs from what was asked for must not pass without a word, the cap least of all.
"""

import json

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Settings

ASKED_TAG = "tmdb_assets/asked_with"
"""On a run that a command queued: its variables, as a JSON object. No credential is among them."""


def asked_with(settings: Settings) -> str:
    """Return the value of the tag."""
    return json.dumps(_variables(settings))


def check_as_asked(tag: str, settings: Settings) -> None:
    """Make sure that a run has the settings that it was asked for with.

    Raises:
        ConfigurationError: one differs.
    """
    asked = json.loads(tag)
    for name, value in _variables(settings).items():
        if name in asked and asked[name] != value:
            raise ConfigurationError(
                f"this run was asked for with {name}={asked[name]}, but the Dagster that runs it "
                f"was started with {value}: stop that one, or give both the same variables"
            )


def _variables(settings: Settings) -> dict[str, str]:
    values = {
        "TMDB_DATA_DIR": settings.data_dir.absolute(),
        "TMDB_ALLOWED_ORIGINS": ",".join(settings.origins),
        "TMDB_REQUESTS_PER_SECOND": settings.requests_per_second,
        "TMDB_THREADS": settings.threads,
        "TMDB_TIMEOUT_SECONDS": settings.timeout_seconds,
        "TMDB_MAX_ATTEMPTS": settings.max_attempts,
        "TMDB_OUTAGE_SECONDS": settings.outage_seconds,
        "TMDB_MAX_BODY_MIB": settings.max_body_bytes >> 20,
        "TMDB_MAX_FAILED_SHARE": settings.max_failed_share,
    }
    return {name: str(value) for name, value in values.items()}

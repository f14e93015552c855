"""Dagster resources: where the environment of a run becomes settings.

Read when a run or a tick asks, never at import: loading the code location needs no variable.
"""

import json
import os

import dagster as dg
from pydantic import Field

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment


class TmdbResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What the `TMDB_*` variables say; the README has the table."""

    overrides: dict[str, str] = Field(
        default={},
        description="Values that go before those of the process's environment. Not for "
        "credentials: Dagster shows and stores what stands here.",
    )

    def settings(self) -> Settings:
        """Return the settings of this moment.

        Raises:
            ConfigurationError: a variable cannot be used.
        """
        return from_environment({**os.environ, **self.overrides})

    def daily_export(self) -> dict[str, object]:
        """Return what TMDB_DAILY_EXPORT wishes of the schedule; nothing if it is not set.

        Raises:
            ConfigurationError: it is no JSON object.
        """
        text = {**os.environ, **self.overrides}.get("TMDB_DAILY_EXPORT") or "{}"
        try:
            wishes = json.loads(text)
        except (ValueError, RecursionError):
            wishes = None
        if not isinstance(wishes, dict):
            raise ConfigurationError(
                "TMDB_DAILY_EXPORT is no JSON object: write it as "
                '{"kinds": ["movie"], "min_popularity": 1}, or unset it'
            )
        return wishes

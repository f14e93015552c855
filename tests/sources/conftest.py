from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tmdb_assets import batches
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

MakeSettings = Callable[..., Settings]
Freeze = Callable[..., None]


@pytest.fixture(scope="session")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all tests: a new one begins with a second and a half of silence."""
    return tmp_path_factory.mktemp("limiter") / "slots"


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn(StandInSettings(latency_seconds=0, cap=None, export_lines=300)) as server:
        yield server


@pytest.fixture
def make_settings(tmp_path: Path, limiter: Path) -> MakeSettings:
    """Make settings for an origin, with variables of the environment."""

    def make(origin: str = "https://api.themoviedb.org", **variables: str) -> Settings:
        return from_environment(
            {
                "TMDB_DATA_DIR": str(tmp_path / "data"),
                "TMDB_ALLOWED_ORIGINS": origin,
                "TMDB_LIMITER": f"file:{limiter}",
                "TMDB_REQUESTS_PER_SECOND": "50" if "themoviedb" in origin else "2000",
                "TMDB_BATCH_SIZE": "100",
                "TMDB_THREADS": "16",
                "TMDB_MAX_ATTEMPTS": "2",
                **variables,
            }
        )

    return make


@pytest.fixture
def settings(make_settings: MakeSettings, server: StandIn) -> Settings:
    return make_settings(server.origin)


@pytest.fixture
def freeze(tmp_path: Path) -> Freeze:
    """Freeze lines as a list of that name."""

    def add(settings: Settings, name: str, *lines: str) -> None:
        path = tmp_path / f"{name}.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        batches.add(path, settings)
        path.unlink()

    return add

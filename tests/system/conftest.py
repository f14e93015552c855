from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.judge import judging
from tests.system.project import Project
from tmdb_assets.standin.process import StandInProcess


@pytest.fixture
def stand_in() -> Iterator[StandInProcess]:
    with judging(latency_seconds=0.3, cap=50) as (server, _):
        yield server


@pytest.fixture(scope="session")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all tests: a new one begins with a second and a half of silence."""
    return tmp_path_factory.mktemp("limiter") / "slots"


@pytest.fixture
def project(tmp_path: Path, limiter: Path, stand_in: StandInProcess) -> Iterator[Project]:
    with Project(tmp_path, stand_in.origin, TMDB_LIMITER=f"file:{limiter}") as project:
        yield project


RATES = {"test_rate", "test_rate_disturbed", "test_overlap", "test_limiter_ends"}
"""Modules that measure rates: `make test` runs them after all else, two at a time."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.stem in RATES:
            item.add_marker(pytest.mark.rates)

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


LONGEST = [
    "test_run",
    "test_secrets",
    "test_kills",
    "test_browser",
    "test_dagster",
    "test_dagster_kills",
]
"""Modules that take one to four minutes: they begin, so that all processes end at the same time."""

RATES = {"test_rate", "test_rate_disturbed", "test_overlap", "test_limiter_ends"}
"""Modules that measure rates: `make test` runs them after all else, two at a time."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        name = item.path.stem
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.path.stem in RATES:
        item.add_marker(pytest.mark.rates)

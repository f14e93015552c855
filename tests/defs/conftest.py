from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.defs.project import Project
from tests.defs.ticker import Ticker
from tests.instances import instances_kept
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(StandInSettings(latency_seconds=0, cap=None)) as server:
        yield server


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="session")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all tests: a new one begins with a second and a half of silence."""
    return tmp_path_factory.mktemp("limiter") / "slots"


@pytest.fixture
def project(
    tmp_path: Path, limiter: Path, stand_in: StandIn, instance: dg.DagsterInstance
) -> Project:
    return Project(tmp_path, limiter, stand_in.origin, instance)


@pytest.fixture
def ticker(project: Project) -> Ticker:
    return Ticker(project)


@pytest.fixture(autouse=True, scope="module")
def no_instance_goes_while_another_is_there() -> Iterator[None]:
    """Keep what could not be opened until the end: Dagster resets global state when it goes."""
    with instances_kept():
        yield

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.project import Project
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(StandInSettings(latency_seconds=0.3, cap=50)) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, stand_in: StandIn) -> Iterator[Project]:
    with Project(tmp_path, stand_in.origin) as project:
        yield project

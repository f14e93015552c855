from pathlib import Path

import pytest

from tests.faults.place import MakePlace, Place


@pytest.fixture(scope="session")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "limiter"


@pytest.fixture
def place(tmp_path: Path, limiter: Path) -> MakePlace:
    """Freeze a list of URLs, the origins of which are allowed."""

    def make(*urls: str) -> Place:
        return Place.of(urls, tmp_path, limiter)

    return make

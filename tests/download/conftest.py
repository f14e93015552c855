from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "limiter"

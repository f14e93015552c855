import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.instances import instances_kept
from tmdb_assets.cli.main import main

ROOT = Path(__file__).parents[2]

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tmdb_assets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs the command in a project folder; returns exit code, standard output and error."""
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["tmdb-assets", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(autouse=True, scope="module")
def no_instance_goes_while_another_is_there() -> Iterator[None]:
    """Keep what could not be opened until the end: Dagster resets global state when it goes."""
    with instances_kept():
        yield

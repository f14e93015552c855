"""`tmdb-assets ui`, up to the point where it becomes `dagster dev`."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS
from tests.store.stored_batches import held
from tmdb_assets.cli.ui import HOST, LOCK_PATH
from tmdb_assets.files import exclusive, is_held

ROOT = Path(__file__).parents[2]

Command = Callable[..., tuple[int, str, str]]

# as `dagster dev` does that the command became: the lock is inherited through the exec
BECOME = """
import os, sys
from pathlib import Path
from tmdb_assets.cli.ui import _be_the_only_one
os.chdir(sys.argv[1])
_be_the_only_one(3007)
wait = "import sys; print('held', flush=True); sys.stdin.read()"
os.execv(sys.executable, [sys.executable, "-c", wait])
"""


# lies in the folder, so that it is what `python -m dagster` runs there
DAGSTER = """
import signal, sys
names = {signal.default_int_handler: "Python's", signal.SIG_DFL: "default", signal.SIG_IGN: "none"}
print(*sys.argv[1:], *(names[signal.getsignal(one)] for one in (signal.SIGINT, signal.SIGTERM)))
"""
IGNORING = 'trap "" INT TERM; exec "$@"'  # as jobs in the background of a script do with SIGINT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "workspace.yaml").write_bytes((ROOT / "workspace.yaml").read_bytes())
    return tmp_path


@contextmanager
def up_at(address: str) -> Iterator[None]:
    LOCK_PATH.parent.mkdir(parents=True)
    with exclusive(LOCK_PATH, wait_seconds=0):
        LOCK_PATH.write_text(address)
        yield


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.usefixtures("project")
def test_a_second_one_in_the_same_folder_is_refused_with_the_address_of_the_first(
    tmdb_assets: Command,
) -> None:
    with up_at(f"http://{HOST}:3005\n"):
        code, out, err = tmdb_assets("ui", "--port", "3006")

    assert (code, out) == (2, "")
    assert f"up already at http://{HOST}:3005: use that one" in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("said", ["", "\xff" * 300])
def test_one_that_did_not_tell_its_address_yet_is_in_the_way_all_the_same(
    tmdb_assets: Command, said: str
) -> None:
    with up_at(said):
        code, _, err = tmdb_assets("ui")

    assert code == 2
    assert "the UI of this folder is up already" in err
    assert err.count("\n") == 1


def test_the_lock_outlives_the_command_as_long_as_what_it_became_lives(
    tmdb_assets: Command, project: Path
) -> None:
    with held(BECOME, project) as process:
        code, _, err = tmdb_assets("ui")
        process.communicate()

    assert code == 2
    assert f"http://{HOST}:3007" in err
    assert not is_held(project / LOCK_PATH)


@pytest.mark.usefixtures("project")
def test_a_port_that_is_taken_is_named_with_what_to_do(project: Path) -> None:
    with taken_port() as port:
        done = subprocess.run(
            [sys.executable, "-m", "tmdb_assets.cli", "ui", "--port", str(port)],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )

    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} of {HOST} cannot be had" in done.stderr
    assert "--port" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not is_held(project / LOCK_PATH)


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_what_is_no_port_is_an_error(tmdb_assets: Command, port: str) -> None:
    code, _, err = tmdb_assets("ui", "--port", port)

    assert code == 2
    assert port in err


def test_outside_a_project_the_error_says_where_to_start_and_nothing_is_written(
    tmdb_assets: Command,
) -> None:
    code, out, err = tmdb_assets("ui")

    assert (code, out) == (2, "")
    assert "no workspace.yaml" in err
    assert "start in the folder of the project" in err
    assert not Path("data").exists()


@pytest.mark.parametrize("home", ["", "/nowhere"])
def test_it_heeds_signals_that_were_ignored_and_says_where_the_state_lies(
    project: Path, home: str
) -> None:
    (project / "dagster.py").write_text(DAGSTER)
    with taken_port() as port:
        pass  # it is free now
    ui = [sys.executable, "-m", "tmdb_assets.cli", "ui", "--port", str(port)]

    done = subprocess.run(
        ["sh", "-c", IGNORING, "sh", *ui],
        cwd=project,
        env={**os.environ, "DAGSTER_HOME": home},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"dev -h {HOST} -p {port} Python's default\n"
    assert ("its state lies in data/dagster" in done.stderr) == (not home)


@pytest.mark.usefixtures("project")
def test_a_data_folder_that_cannot_be_written_is_named(tmdb_assets: Command) -> None:
    Path("data").write_text("a file in the way")

    code, _, err = tmdb_assets("ui")

    assert code == 2
    assert "data/dagster" in err
    assert err.count("\n") == 1

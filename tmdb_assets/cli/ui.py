"""Command `ui`: Dagster's web pages with all its daemons, once per folder."""

import fcntl
import os
import signal
import socket
import sys
from pathlib import Path

import click

from tmdb_assets.cli import show
from tmdb_assets.errors import ConfigurationError
from tmdb_assets.files import make_folder, open_file, storing

HOST = "127.0.0.1"
LOCK_PATH = Path("data", "dagster", "ui.lock")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
def ui(*, port: int) -> None:
    """Start Dagster's web pages, its queue, sensors and schedules, in the folder of the project.

    The same as `dagster dev`, but a second one in the same folder is refused: two would start the
    same runs. Loopback only, since the pages know no password.

    \b
    Examples:
      tmdb-assets ui
      tmdb-assets ui --port 3001
    """
    if not Path("workspace.yaml").is_file():
        raise ConfigurationError(
            f"no workspace.yaml in {str(Path.cwd())!r}: start in the folder of the project"
        )
    _be_the_only_one(port)
    _check_port(port)
    show.err.print(f"the UI is at http://{HOST}:{port} in some ten seconds; Ctrl-C ends it")
    if not os.environ.get("DAGSTER_HOME"):
        show.err.print(
            "its state lies in data/dagster: what Dagster says next, of a temporary directory and "
            "of DAGSTER_HOME, can be ignored"
        )
    sys.stderr.flush()
    _heed_signals()
    program = [sys.executable, "-m", "dagster", "dev", "-h", HOST, "-p", str(port)]
    os.execv(program[0], program)  # noqa: S606 - our own interpreter


def _heed_signals() -> None:
    """Have the end of the UI be what was asked for, also in the background of a script.

    A shell starts jobs there with SIGINT ignored, which an exec keeps. Dagster ends its daemons
    and code servers with that signal: they would stay, and so would it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _be_the_only_one(port: int) -> None:
    """Take a lock that `dagster dev` keeps as long as it lives: it becomes this very process.

    Raises:
        ConfigurationError: somebody has it.
    """
    make_folder(LOCK_PATH.parent)
    with storing(LOCK_PATH):
        descriptor = open_file(LOCK_PATH, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = os.read(descriptor, 100).decode(errors="replace").strip()
            raise ConfigurationError(
                f"the UI of this folder is up already at {said or 'a port that it did not tell'}: "
                "use that one, or end it with Ctrl-C first"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"http://{HOST}:{port}\n".encode())
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} of {HOST} cannot be had ({error.strerror}): is a `dagster dev` up "
                f"already? See http://{HOST}:{port}, or take another one with --port"
            ) from None

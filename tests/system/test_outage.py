"""A server that is away for longer than a run waits: Dagster's own retry takes the run up."""

import socket
from pathlib import Path

from tests.patience import HANG_SECONDS, wait_until
from tests.system.project import Project
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.settings import StandInSettings


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_run_that_an_outage_ended_is_taken_up_by_dagster_and_no_url_has_failed(
    tmp_path: Path,
) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with Project(tmp_path, origin, TMDB_OUTAGE_SECONDS="4") as project:
        path = project.write_list(100)
        with project.start("run", path) as process:
            log = project.folder / "data" / "dagster" / "run-daemon.log"
            ended = "TMDB has not answered for 4 s (connection refused)"
            wait_until(lambda: log.is_file() and ended in log.read_text(), "the run ended")
            with StandInProcess(
                StandInSettings(port=port, latency_seconds=0.2, cap=None)
            ) as server:
                _, err = process.communicate(timeout=HANG_SECONDS)
                arrivals = server.arrivals()

    assert (process.returncode, err) == (0, "")
    assert {len(outcomes) for outcomes in project.outcomes().values()} == {1}
    assert len(project.outcomes()) == 100
    assert len([url for _, url, _ in arrivals if "/movie/" in url]) == 100

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_SECONDS
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

SCRIPT = """
from tmdb_assets.standin.server import serve
from tmdb_assets.standin.settings import StandInSettings
serve(StandInSettings(latency_seconds=60), on_ready=lambda origin: print(origin, flush=True))
print("returned", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_serving_soon_with_requests_in_flight(
    number: signal.Signals, talk: Callable[..., Any]
) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        origin = process.stdout.readline().strip()
        talk(origin, "/3/movie/550", patience=0.05)
        before = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=HANG_SECONDS)

    assert time.monotonic() - before < 2.0
    assert (out, err, process.returncode) == ("returned\n", "", 0)


def test_a_process_of_its_own_answers_and_tells(ask: Callable[..., Any]) -> None:
    with StandInProcess(StandInSettings(latency_seconds=0)) as server:
        status = ask(server.origin, "/3/movie/550").status
        arrivals = server.arrivals()
        server.reset()
        server.change({"cap": 7})
        with pytest.raises(ValueError, match="cap is 0"):
            server.change({"cap": 0})
        statistics = server.statistics()

    assert status == 200
    assert [row[1:] for row in arrivals] == [("/3/movie/550", 200)]
    assert (statistics["arrivals"], statistics["cap"]) == (0, 7)


def test_why_a_process_could_not_start_is_told(tmp_path: Path) -> None:
    with StandIn(StandInSettings(latency_seconds=0)) as other:
        port = int(other.origin.rpartition(":")[2])
        with pytest.raises(OSError, match=f"cannot listen on port {port}"):
            StandInProcess(StandInSettings(port=port)).__enter__()
    (tmp_path / "index.jsonl").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="line 1 of"):
        StandInProcess(StandInSettings(samples=tmp_path)).__enter__()

"""kill -9 at random moments, again and again: nothing lost, torn, doubled or asked for twice.

`python -m tests.bench kills` does it 200 times.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.patience import HANG_SECONDS, wait_until
from tests.system.hunt import Hunt, Prey
from tests.system.judge import judging
from tests.system.kills import FAULTS, Witness
from tests.system.project import ROOT, Project
from tmdb_assets import batches
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.process import StandInProcess

SEED = 4_711
URLS, KILLS = 600, 25
LATENCY_SECONDS = 0.2

DOWNLOAD = """
import os
from tmdb_assets.download import download_batch
from tmdb_assets.settings import from_environment
download_batch("movies-stand-in-0001", from_environment(os.environ))
"""


def test_25_kills_of_a_download_lose_nothing_and_waste_no_more_than_what_was_in_flight(
    tmp_path: Path, limiter: Path
) -> None:
    with judging(latency_seconds=LATENCY_SECONDS, cap=None, **FAULTS) as (server, _):
        environment = {
            "TMDB_DATA_DIR": str(tmp_path / "data"),
            "TMDB_ALLOWED_ORIGINS": server.origin,
            "TMDB_LIMITER": f"file:{limiter}",
            "TMDB_REQUESTS_PER_SECOND": "120",
            "TMDB_THREADS": "48",
        }
        path = tmp_path / "movies.txt"
        path.write_text("".join(f"/movie/{number}\n" for number in range(1, URLS + 1)))
        batches.add(path, from_environment(environment))
        witness = Witness(tmp_path / "data", "movies-stand-in", server)
        dice = random.Random(SEED)  # noqa: S311 - the same kills every time
        for number in range(KILLS):
            written = witness.written()
            # a random part of what is left, so that there is work for the kills to come
            step = dice.randint(1, max(1, (URLS - written) // (KILLS - number)))
            kill_at(written + step, LATENCY_SECONDS * dice.random(), witness, environment)

        subprocess.run(
            [sys.executable, "-c", DOWNLOAD],
            cwd=ROOT,
            env=environment,
            timeout=HANG_SECONDS,
            check=True,
        )
        verdict = witness.verdict()

    assert verdict.complaints() == []
    assert (verdict.urls, verdict.fetched + verdict.absent) == (URLS, URLS)
    assert len(verdict.wasted) == KILLS
    assert verdict.faulty > URLS * 0.02


def kill_at(
    outcomes: int, pause_seconds: float, witness: Witness, environment: dict[str, str]
) -> None:
    """Start the download, and kill it a moment after so many outcomes are on disk."""
    command = [sys.executable, "-c", DOWNLOAD]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        try:
            wait_until(lambda: witness.written() >= outcomes, f"{outcomes} outcomes", 0.005)
            time.sleep(pause_seconds)
            if process.poll() is not None:
                _, said = process.communicate()
                raise AssertionError(f"it ended before it was killed: {said.decode()}")
            with witness.strike("the download"):
                process.kill()
                process.wait(HANG_SECONDS)
        finally:
            process.kill()


def test_kills_of_worker_daemon_both_and_everything_lose_nothing_in_a_run_of_the_command(
    project: Project, stand_in: StandInProcess
) -> None:
    stand_in.change(FAULTS)
    hunt = Hunt(project, project.write_list(400), SEED)
    witness = Witness(project.folder / "data", "movies-stand-in", stand_in)

    for outcomes, prey in ((30, Prey.WORKER), (70, Prey.DAEMON), (110, Prey.BOTH), (150, Prey.ALL)):
        assert hunt.strike(witness, prey, outcomes), f"the list was done before {prey}"
    hunt.finish()
    verdict = witness.verdict()

    assert verdict.complaints() == []
    assert hunt.surprises == []
    assert (verdict.urls, verdict.fetched + verdict.absent) == (400, 400)
    assert {strike.what for strike in witness.strikes} == set(Prey)
    assert stand_in.statistics()["refused"] == 0

"""A key that TMDB refuses from one moment on, in the middle of a download at full speed."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS
from tests.system.judge import judging
from tests.system.project import ROOT
from tmdb_assets import batches
from tmdb_assets.inspection import inspect
from tmdb_assets.receipt import batch_folder, needs_download
from tmdb_assets.settings import from_environment

BATCH = "movies-stand-in-0001"
URLS, GOOD = 2000, 999
THREADS, LATENCY_SECONDS = 160, 0.3
RATE = 2000

Arrival = tuple[float, str, int | None]

DOWNLOAD = f"""
import os, sys
from tmdb_assets.download import download_batch
from tmdb_assets.errors import CredentialError
from tmdb_assets.settings import from_environment

try:
    download_batch("{BATCH}", from_environment(os.environ))
except CredentialError as error:
    sys.exit(str(error))
"""


def download(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", DOWNLOAD],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


@dataclass(frozen=True)
class Refused:
    """What a download did whose key was refused, and the one after it with a good key."""

    origin: str
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]
    arrivals: list[Arrival]
    arrivals_of_second: list[Arrival]
    most_in_flight: int
    settled: set[str]
    is_complete: bool

    def paths(self, *statuses: int) -> set[str]:
        """Return URLs of the first download that were answered so."""
        return {self.origin + url for _, url, status in self.arrivals if status in statuses}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, limiter: Path) -> Refused:
    folder = tmp_path_factory.mktemp("refused")
    path = folder / "movies.txt"
    path.write_text("".join(f"/movie/{number}\n" for number in range(1, URLS + 1)))
    with judging(
        latency_seconds=LATENCY_SECONDS, latency_variation=0, cap=None, refuse_after=GOOD + 1
    ) as (server, _):
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TMDB_")},
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": server.origin,
            "TMDB_LIMITER": f"file:{limiter}",
            "TMDB_REQUESTS_PER_SECOND": str(RATE),
            "TMDB_THREADS": str(THREADS),
        }
        settings = from_environment(environment)
        batches.add(path, settings)
        first = download({**environment, "TMDB_READ_ACCESS_TOKEN": "revoked"})
        arrivals, said = server.arrivals(), server.statistics()
        responses = batch_folder(settings.data_dir, BATCH)
        found = inspect(responses, batches.load(settings.data_dir, BATCH))
        server.change({"refuse_after": None})
        second = download({**environment, "TMDB_READ_ACCESS_TOKEN": "good"})
        return Refused(
            origin=server.origin,
            first=first,
            second=second,
            arrivals=arrivals,
            arrivals_of_second=server.arrivals()[len(arrivals) :],
            most_in_flight=int(str(said["max_in_flight"])),
            settled={url for url, outcome in found.last.items() if found.holds(outcome)},
            is_complete=not needs_download(settings.data_dir, BATCH),
        )


def test_a_refused_key_ends_the_download_in_one_line_that_names_the_variable(
    refused: Refused,
) -> None:
    assert refused.first.returncode == 1
    kept, error = refused.first.stderr.splitlines()
    assert kept.startswith(f"stopped with {GOOD} of {URLS} URLs done"), kept
    assert error.startswith("TMDB refuses the credential")
    assert "check TMDB_READ_ACCESS_TOKEN" in refused.first.stderr
    assert "revoked" not in refused.first.stderr


def test_after_the_first_401_no_more_arrives_than_was_in_flight_when_it_was_answered(
    refused: Refused,
) -> None:
    came_at = min(moment for moment, _, status in refused.arrivals if status == 401)
    answered_at = came_at + LATENCY_SECONDS
    in_flight = [moment for moment, _, _ in refused.arrivals if came_at <= moment <= answered_at]
    too_late = [moment for moment, _, _ in refused.arrivals if moment > answered_at]

    assert refused.most_in_flight > THREADS / 2  # else it was not at full speed
    assert len(too_late) <= len(in_flight) <= THREADS


def test_what_was_answered_before_a_refused_key_is_kept_and_a_good_key_fetches_the_rest(
    refused: Refused,
) -> None:
    assert len(refused.paths(200, 404)) == GOOD
    assert refused.settled == refused.paths(200, 404)
    assert (refused.second.returncode, refused.second.stderr) == (0, "")
    assert len(refused.arrivals_of_second) == URLS - GOOD
    assert not refused.settled & {refused.origin + url for _, url, _ in refused.arrivals_of_second}
    assert refused.is_complete

"""A batch that is downloaded once more is asked only for what is not there."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import child_download
from tests.download.place import BATCH, THREADS, Place, asked, paths, place, quick
from tests.patience import HANG_SECONDS
from tmdb_assets.cap_use import CapUse
from tmdb_assets.download import download_batch
from tmdb_assets.receipt import needs_download
from tmdb_assets.standin.server import StandIn


def test_a_finished_batch_costs_no_request(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        first = download_batch(BATCH, films.settings)
        receipt = (films.responses / "receipt.json").read_bytes()
        server.reset()

        report = download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
    assert (report.urls, report.resumed, report.requests) == (100, 100, 0)
    assert (report.fetched, report.absent) == (first.fetched, first.absent)
    assert (report.bytes, report.requests_per_second, report.latency_p95_seconds) == (0, 0.0, 0.0)
    assert (report.latencies_seconds, report.permit_wait_seconds) == ((), 0.0)
    assert report.cap_use == CapUse(0, 0, 0, 0.0, (), ())
    assert (films.responses / "receipt.json").read_bytes() == receipt


@pytest.mark.parametrize("content", [None, b"", b'{"failed": 1}'])
def test_a_run_that_was_killed_just_before_its_receipt_gets_one_from_the_next(
    tmp_path: Path, limiter: Path, content: bytes | None
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        download_batch(BATCH, films.settings)
        path = films.responses / "receipt.json"
        digest = json.loads(path.read_bytes())["digest"]
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        server.reset()

        report = download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
    assert report.resumed == 100
    assert not needs_download(films.settings.data_dir, BATCH)
    assert json.loads(path.read_bytes())["digest"] == digest


def test_a_body_that_went_away_is_fetched_again_and_nothing_else(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        download_batch(BATCH, films.settings)
        lost = sorted(films.bodies())[:3]
        for name in lost:
            (films.responses / name).unlink()
        server.reset()

        report = download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 3
    assert (report.urls, report.resumed, report.requests, report.failed) == (100, 97, 3, 0)
    assert films.bodies() == films.true_bodies()


@contextmanager
def downloading(films: Place, limiter: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process download the batch."""
    settings = films.settings
    command = child_download.command(
        BATCH, settings.data_dir, settings.origins[0], limiter, THREADS
    )
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_arrivals(server: StandIn, count: int) -> None:
    deadline = time.monotonic() + 20.0
    while len(server.arrivals()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_half_way_is_resumed_without_asking_anything_anew(
    tmp_path: Path, number: signal.Signals
) -> None:
    limiter = tmp_path / "limiter"
    with StandIn(quick(latency_seconds=0.2)) as server:
        films = place(tmp_path, server.origin, limiter, 300)
        with downloading(films, limiter) as process:
            wait_for_arrivals(server, 150)
            process.send_signal(number)
            _, said = process.communicate(timeout=HANG_SECONDS)
        settled = films.settled()
        before = asked(server)
        server.reset()
        server.change({"latency_seconds": 0})

        report = download_batch(BATCH, films.settings)

        after = asked(server)
    assert process.returncode != 0, said
    assert 50 <= len(settled) < 300
    # what a kill costs is in the hands of threads, waits for the disk, or is being written; after a
    # kind end all that has landed but what was being written at that moment
    lost = 3 * THREADS + 1 if number == signal.SIGKILL else 1
    assert len(set(before) - settled) <= lost
    assert after == dict.fromkeys(paths(films.targets, films.settings.origins[0]) - settled, 1)
    assert (report.resumed, report.requests) == (len(settled), 300 - len(settled))
    assert films.bodies() == films.true_bodies()
    assert not needs_download(films.settings.data_dir, BATCH)

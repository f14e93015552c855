"""Bodies without measure cost neither memory nor the time to send them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.servers import Link, RawServer
from tests.faults.place import MakePlace
from tests.faults.stages import FAULTY_PATH, GIBIBYTE
from tests.patience import HANG_SECONDS
from tmdb_assets.model import OutcomeKind
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

MEBIBYTE = 1 << 20
PIECE = 65_536
STATUS = Path("/proc/self/status")

DOWNLOAD = """
import sys
from pathlib import Path
from tmdb_assets.download import download_batch
from tmdb_assets.settings import from_environment
def kibibytes(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))
data_dir, batch, origin, limiter = sys.argv[1:]
settings = from_environment({
    "TMDB_DATA_DIR": data_dir,
    "TMDB_ALLOWED_ORIGINS": origin,
    "TMDB_LIMITER": limiter,
    "TMDB_REQUESTS_PER_SECOND": "1000",
})
before = kibibytes("VmRSS")
download_batch(batch, settings)
print(kibibytes("VmHWM") - before)
"""
"""A process of its own, without the server's memory; it prints by how many KiB it grew at most."""


class Meter:
    """Passes one request and its answer on, and counts the bytes that the client took."""

    def __init__(self, origin: str) -> None:
        self.passed = 0
        self._port = int(origin.rpartition(":")[2])

    def __call__(self, link: Link) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as far:
            far.sendall(link.request().replace(b"keep-alive", b"close") + b"\r\n\r\n")
            while (piece := far.recv(PIECE)) and link.send(piece):
                self.passed += len(piece)


@contextmanager
def metered(kind: str, huge_bytes: int) -> Iterator[tuple[str, Meter]]:
    """Give an origin that answers in this kind, and how much of it was taken."""
    settings = StandInSettings(
        latency_seconds=0, cap=None, script={FAULTY_PATH: (kind,)}, huge_bytes=huge_bytes
    )
    with StandIn(settings) as server:
        meter = Meter(server.origin)
        with RawServer(meter) as front:
            yield front.origin, meter


@pytest.mark.skipif(not STATUS.exists(), reason="there is no /proc here to read memory from")
@pytest.mark.parametrize(("kind", "huge_bytes"), [("huge", GIBIBYTE), ("gzip_bomb", GIBIBYTE // 8)])
def test_a_body_without_measure_is_neither_held_nor_read_to_its_end(
    kind: str, huge_bytes: int, place: MakePlace
) -> None:
    with metered(kind, huge_bytes) as (origin, meter):
        where = place(f"{origin}{FAULTY_PATH}")
        command = (
            *(sys.executable, "-c", DOWNLOAD, str(where.settings.data_dir)),
            *(where.batch, origin, where.settings.limiter),
        )
        done = subprocess.run(command, check=True, capture_output=True, timeout=HANG_SECONDS)

    (outcome,) = where.outcomes().values()
    assert (outcome.outcome, outcome.reason) == (OutcomeKind.FAILED, "body too large")
    assert int(done.stdout) < 100 * 1024
    assert meter.passed < 64 * MEBIBYTE < huge_bytes
    assert where.bodies() == {}

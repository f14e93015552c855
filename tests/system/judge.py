"""The judges of rates, each in its own process, at real-time priority if allowed.

The stand-in counts by the sliding second. nginx and haproxy know nothing of us: they stand in front
of a stand-in and reject what is above their own idea of a rate.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from tests.patience import HANG_SECONDS
from tests.system.wiretap import Wiretap
from tmdb_assets.standin.arrivals import SlidingSecond
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.settings import StandInSettings

KERNEL = "stamps of the kernel"
REAL_TIME = "real-time judge"
ORDINARY = "ordinary judge: counts above 50 may be its own delay"

_ADMIN_PATH = "/usr/local/sbin:/usr/sbin"


@contextmanager
def judging(**settings: Any) -> Iterator[tuple[StandInProcess, str]]:
    """Lend a stand-in, and the words for how it is scheduled.

    At ordinary priority on a busy machine the stamps come late and invent violations.
    """
    with StandInProcess(StandInSettings(**settings)) as server:
        yield server, hurry(server.pid)


class TappedStandIn(StandInProcess):
    """A stand-in whose arrivals the kernel stamps too, if `tap` is there."""

    tap: Wiretap | None = None


@contextmanager
def tapped(**settings: Any) -> Iterator[tuple[TappedStandIn, str]]:
    """Lend a stand-in with a wiretap where that is allowed and of use; as `judging` if not."""
    with ExitStack() as stack:
        server = stack.enter_context(TappedStandIn(StandInSettings(**settings)))
        priority = hurry(server.pid)
        if "certfile" in settings:
            yield server, priority
            return
        try:
            tap = Wiretap(urlsplit(server.origin).port or 0)
        except (PermissionError, AttributeError):
            yield server, priority
            return
        server.tap = stack.enter_context(tap)
        yield server, KERNEL


def hurry(pid: int | None) -> str:
    """Give a process real-time priority if that is allowed; return the words for it."""
    try:
        os.sched_setscheduler(pid or -1, os.SCHED_FIFO, os.sched_param(10))
    except (PermissionError, AttributeError):
        return ORDINARY
    return REAL_TIME


@dataclass(frozen=True)
class Verdict:
    """What arrived at the stand-in.

    Attributes:
        most: arrivals in any second.
        over: arrivals that made a second exceed 50.
        per_second: from the first to the last arrival.
        refused: by an enforced cap.
        gaps_seconds: the longest times without an arrival, longest first.
        priority: how the judge was scheduled, or whose stamps it goes by.
    """

    arrivals: int
    most: int
    over: int
    per_second: float
    refused: int
    gaps_seconds: tuple[float, ...]
    priority: str

    @classmethod
    def of(cls, server: StandInProcess, priority: str) -> Self:
        """Ask the wiretap, or else the stand-in."""
        said: dict[str, Any] = server.statistics()
        tap = getattr(server, "tap", None)
        stamps = tap.moments if tap else [moment for moment, _, _ in server.arrivals()]
        moments = sorted(stamps)
        assert len(moments) == said["arrivals"], "a packet was missed, or came twice"
        second = SlidingSecond()
        in_second = [second.add(moment) for moment in moments]
        gaps = (after - before for before, after in pairwise(moments))
        return cls(
            said["arrivals"],
            max(in_second, default=0),
            sum(count > 50 for count in in_second),
            (len(moments) - 1) / (moments[-1] - moments[0]) if len(moments) > 1 else 0.0,
            said["refused"],
            tuple(sorted(gaps, reverse=True)[:10]),
            priority,
        )

    @property
    def allowed(self) -> int:
        """Arrivals in a second that prove nothing: an ordinary judge stamps late now and then."""
        return 50 if self.priority in {KERNEL, REAL_TIME} else 52

    def uses(self, per_second: float) -> bool:
        """Say whether so many requests came per second; nine tenths do where cores are short.

        A process that has to wait for a core loses its slot, and no limiter can get it back.
        """
        is_busy = os.getloadavg()[0] > (os.cpu_count() or 1)
        return self.per_second >= per_second * (0.9 if is_busy else 1.0)


@dataclass(frozen=True)
class Outsider:
    """A server that is not ours, in front of a stand-in.

    Attributes:
        name: what it goes by.
        origin: where it listens.
        priority: how it is scheduled.
        rejected: returns how many requests it rejected.
    """

    name: str
    origin: str
    priority: str
    rejected: Callable[[], int]


_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  {temporary}
  log_format judged '$status $limit_req_status';
  access_log {folder}/access.log judged;
  limit_req_zone $server_port zone=all:1m rate={rate}r/s;
  upstream stand_in {{ server {behind}; keepalive 512; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    keepalive_timeout 300s; keepalive_requests 1000000;
    location / {{
      limit_req zone=all burst={burst} nodelay;
      limit_req_status 429;
      proxy_pass http://stand_in;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 60s;
    }}
  }}
}}
"""
_NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def nginx(origin: str, *, rate: int = 50, burst: int = 1) -> Iterator[Outsider]:
    """Lend an nginx that rejects with 429 what is above a leaky bucket's rate."""
    program = require("nginx")
    with tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), Path(folder, "access.log")
        config = Path(folder, "nginx.conf")
        temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in _NGINX_FOLDERS)
        behind = origin.removeprefix("http://")
        text = _NGINX.format(
            folder=folder, port=port, behind=behind, rate=rate, burst=burst, temporary=temporary
        )
        config.write_text(text)
        command = [program, "-p", folder, "-e", f"{folder}/error.log", "-c", str(config)]

        def rejected() -> int:
            lines = log.read_text().splitlines()
            return sum(line.endswith(" REJECTED") for line in lines)

        with _running(command, port, Path(folder)) as priority:
            yield Outsider("nginx", f"http://127.0.0.1:{port}", priority, rejected)


_HAPROXY = """
global
  nbthread 1
  maxconn 4000
  stats socket {folder}/stats level user
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 60s
  timeout http-keep-alive 300s
frontend judge
  bind 127.0.0.1:{port} backlog 2048
  stick-table type integer size 10 expire 60s store http_req_rate(1s)
  http-request track-sc0 int(1)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {cap} }}
  default_backend stand_in
backend stand_in
  server stand_in {behind} maxconn 4000
"""


@contextmanager
def haproxy(origin: str, *, cap: int = 50) -> Iterator[Outsider]:
    """Lend a haproxy that rejects with 429 what is above the cap in its own sliding second."""
    program = require("haproxy")
    with tempfile.TemporaryDirectory() as folder:
        port, config = free_port(), Path(folder, "haproxy.cfg")
        behind = origin.removeprefix("http://")
        config.write_text(_HAPROXY.format(folder=folder, port=port, behind=behind, cap=cap))

        def rejected() -> int:
            said = _ask(Path(folder, "stats"), "show stat 2 1 -1")
            names, values, *_ = (line.split(",") for line in said.splitlines())
            return int(dict(zip(names, values, strict=False))["dreq"])

        with _running([program, "-f", str(config), "-db"], port, Path(folder)) as priority:
            yield Outsider("haproxy", f"http://127.0.0.1:{port}", priority, rejected)


def require(program: str) -> str:
    """Return where a program lies; a missing one is a failure in CI and a skip elsewhere."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_ADMIN_PATH}")
    if found is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"there is no {program} to measure with")
    return found


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[str]:
    """Run a server as long as the `with` lasts; return how it is scheduled once it listens."""
    complaints = folder / "complaints"
    with complaints.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=folder)
    try:
        wait_for_port(process, port, complaints)
        yield hurry(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(HANG_SECONDS)


def wait_for_port(process: subprocess.Popen[bytes], port: int, complaints: Path) -> None:
    """Wait until the process listens."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            has_ended = process.poll() is not None
            if has_ended or time.monotonic() > deadline:
                raise AssertionError(f"{process.args!r}: {complaints.read_text()}") from None
            time.sleep(0.05)
        else:
            return


def _ask(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(HANG_SECONDS)
        link.connect(str(path))
        link.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: link.recv(65_536), b"")).decode()

"""How many requests a second the stand-in holds, and what they cost.

Starts the stand-in in a process of its own and sends it requests at a fixed rate over keep-alive
connections, from one event loop and raw sockets, so that the client costs little. Each request is
sent at its own moment of the plan, whether or not earlier ones were answered. Printed are the rate
from the first to the last arrival as the server counted it, how far the latency on the wire is
above what the stand-in was told to take, and the CPU of both processes per request.

    python tests/bench/standin_load.py --rate 500 --seconds 20 --latency 2.3
"""

import argparse
import asyncio
import contextlib
import math
import resource
import statistics
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from tmdb_assets.standin.latency import Latency
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.sample import sample_lines
from tmdb_assets.standin.settings import StandInSettings

GIVE_UP_SECONDS = 30
END_OF_BODY = b"\r\n0\r\n\r\n"


@dataclass
class Tally:
    statuses: Counter[bytes] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    octets: int = 0
    left: int = 0
    all_answered: asyncio.Event = field(default_factory=asyncio.Event)
    lost: int = 0


class Link(asyncio.Protocol):
    """One keep-alive connection; back in the pool after each answer."""

    def __init__(self, pool: deque["Link"], tally: Tally) -> None:
        self.pool = pool
        self.tally = tally
        self.received = bytearray()
        self.sent = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> None:
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.received.endswith(END_OF_BODY):
            return
        self.tally.seconds.append(time.perf_counter() - self.sent)
        self.tally.statuses[bytes(self.received[9:12])] += 1
        self.tally.octets += len(self.received)
        self.received.clear()
        self.pool.append(self)
        self.tally.left -= 1
        if not self.tally.left:
            self.tally.all_answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.tally.lost += exc is not None


@dataclass(frozen=True)
class Plan:
    origin: str
    rate: float
    seconds: float

    def requests(self) -> list[bytes]:
        host = urlsplit(self.origin).netloc
        paths = sample_lines()
        head = f"HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n"
        count = int(self.rate * self.seconds)
        return [f"GET /3{paths[place % len(paths)]} {head}".encode() for place in range(count)]


async def load(plan: Plan) -> Tally:
    requests, pool = plan.requests(), deque[Link]()
    tally = Tally(left=len(requests))
    loop = asyncio.get_running_loop()
    parts = urlsplit(plan.origin)
    opening: set[asyncio.Task[None]] = set()

    async def ask_anew(request: bytes) -> None:
        _, link = await loop.create_connection(
            lambda: Link(pool, tally), parts.hostname or "", parts.port or 0
        )
        link.ask(request)

    start = time.perf_counter()
    for place, request in enumerate(requests):
        wait = start + place / plan.rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if pool:
            pool.popleft().ask(request)
        else:
            task = loop.create_task(ask_anew(request))
            opening.add(task)
            task.add_done_callback(opening.discard)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(tally.all_answered.wait(), GIVE_UP_SECONDS)
    for link in pool:
        link.transport.close()
    return tally


def cpu_of(pid: int | None) -> float:
    """Return the CPU seconds of another process, NaN where there is no /proc."""
    file = Path(f"/proc/{pid}/stat")
    if not file.exists():
        return math.nan
    fields = file.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(rate: float, seconds: float, latency: float) -> dict[str, object]:
    settings = StandInSettings(latency_seconds=latency, cap=None)
    with StandInProcess(settings) as server:
        server_cpu, client_cpu = cpu_of(server.pid), own_cpu()
        loop = import_module("uvloop" if find_spec("uvloop") else "asyncio").new_event_loop
        with asyncio.Runner(loop_factory=loop) as runner:
            tally = runner.run(load(Plan(server.origin, rate, seconds)))
        server_cpu, client_cpu = cpu_of(server.pid) - server_cpu, own_cpu() - client_cpu
        counted = server.statistics()
    count = len(tally.seconds)
    told = Latency(latency, settings.latency_variation, settings.seed)
    meant = statistics.fmean(told.of(1 + number) for number in range(count))
    return {
        "asked": int(rate * seconds),
        "answered": count,
        "statuses": {status.decode(): seen for status, seen in tally.statuses.items()},
        "requests/s at the server": counted["mean_rate"],
        "most in any second": counted["max_in_any_second"],
        "most in flight": counted["max_in_flight"],
        "connections": counted["connections"],
        "mean latency [s]": round(statistics.fmean(tally.seconds), 4),
        "of it above what was told [ms]": round(
            1000 * (statistics.fmean(tally.seconds) - meant), 2
        ),
        "server CPU [s]": round(server_cpu, 2),
        "server CPU per request [us]": round(1e6 * server_cpu / count),
        "client CPU [s]": round(client_cpu, 2),
        "MB received": round(tally.octets / 1e6, 1),
        "connections lost": tally.lost,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=500, help="requests per second")
    parser.add_argument("--seconds", type=float, default=20, help="how long to send")
    parser.add_argument("--latency", type=float, default=2.3, help="mean seconds of an answer")
    asked = parser.parse_args()
    for name, figure in measure(asked.rate, asked.seconds, asked.latency).items():
        sys.stdout.write(f"{name:32} {figure}\n")


if __name__ == "__main__":
    main()

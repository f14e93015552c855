"""The rate at the server's door over minutes, with everything that may happen to the processes.

BENCH_SECONDS is how long each scenario sends (default 300), BENCH_ONLY picks those whose names hold
it. Four processes of 64 threads share one limiter unless it says otherwise; TMDB's latency.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.client.servers import make_certificate
from tests.limiter.redis_server import RedisServer
from tests.system.crowd import Crowd, Line
from tests.system.judge import Outsider, Verdict, haproxy, nginx, tapped
from tests.system.relay import relayed
from tmdb_assets.standin.process import StandInProcess

PROCESSES, THREADS = 4, 64
LONE_THREADS = 256
LATENCY_SECONDS = 2.3
KILL_EVERY = (1.0, 1.0)
STOP_EVERY = (0.05, 0.5)

Disturb = Callable[[Crowd], int]
Lend = Callable[[str], AbstractContextManager[Outsider]]
Rows = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Scenario:
    """What is measured.

    Attributes:
        store: `file` or `redis`.
        round_trip_seconds: added to the way to that Redis.
        outsider: stands in front of the stand-in and rejects by its own rules.
        disturb: what happens to the processes; returns how often.
        is_tls: whether it goes over TLS.
        settings: of the stand-in.
    """

    store: str = "file"
    processes: int = PROCESSES
    threads: int = THREADS
    round_trip_seconds: float = 0.0
    outsider: Lend | None = None
    disturb: Disturb | None = None
    is_tls: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def _kill(crowd: Crowd) -> int:
    return crowd.disturb(crowd.replace_one, KILL_EVERY)


def _stop(crowd: Crowd) -> int:
    return crowd.disturb(crowd.stop_one_for_a_while, STOP_EVERY)


def _lone(round_trip_seconds: float) -> Scenario:
    return Scenario("redis", 1, LONE_THREADS, round_trip_seconds)


SCENARIOS = {
    "file": Scenario(),
    "file, 5 % faults": Scenario(settings={"fault_share": 0.05}),
    "file, kill -9 every second": Scenario(disturb=_kill),
    "file, SIGSTOP and SIGCONT": Scenario(disturb=_stop),
    "file, TLS 1.3": Scenario(is_tls=True),
    "redis": Scenario("redis"),
    "redis, kill -9 every second": Scenario("redis", disturb=_kill),
    "redis 5 ms away": Scenario("redis", round_trip_seconds=0.005),
    "redis 5 ms away, one process": _lone(0.005),
    "redis 20 ms away": Scenario("redis", round_trip_seconds=0.020),
    "redis 20 ms away, one process": _lone(0.020),
    "behind nginx 50r/s burst=1": Scenario(outsider=nginx),
    "behind haproxy gt 50": Scenario(outsider=haproxy),
    "nginx allows 40/s": Scenario(outsider=partial(nginx, rate=40, burst=40)),
    "stand-in allows 40 in any second": Scenario(settings={"cap": 40}),
}


def main() -> Iterator[tuple[str, str, str]]:
    """Yield the figures of the scenarios that were picked."""
    seconds = float(os.environ.get("BENCH_SECONDS") or 300)
    picked = os.environ.get("BENCH_ONLY", "")
    for name, scenario in SCENARIOS.items():
        if picked not in name:
            continue
        try:
            for what, figure in measured(scenario, seconds):
                yield f"{name}, {seconds:.0f} s", what, figure
        except (pytest.skip.Exception, AssertionError, OSError) as error:
            # an hour of figures is not to be lost for one that cannot be had
            yield f"{name}, {seconds:.0f} s", "not measured", str(error)


def measured(scenario: Scenario, seconds: float) -> Rows:
    """Let a crowd send and yield what the judges say."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment, settings = _tls(folder) if scenario.is_tls else ({}, {})
        settings = {"latency_seconds": LATENCY_SECONDS, "cap": None, **settings}
        server, priority = stack.enter_context(tapped(**settings | scenario.settings))
        door = stack.enter_context(scenario.outsider(server.origin)) if scenario.outsider else None
        limiter, away = _limiter(scenario, folder, stack)
        crowd = Crowd(
            door.origin if door else server.origin,
            limiter,
            processes=scenario.processes,
            threads=scenario.threads,
            seconds=seconds,
            **environment,
        )
        with crowd:
            times = scenario.disturb(crowd) if scenario.disturb else 0
            lines = crowd.lines()
        yield from _figures(Verdict.of(server, priority), lines)
        yield from _disturbances(times, lines)
        yield from _refusals(server, door, lines)
        if away:
            yield "round trip to Redis, median", f"{1000 * away:.1f} ms"


def _limiter(scenario: Scenario, folder: Path, stack: ExitStack) -> tuple[str, float]:
    """Return what TMDB_LIMITER is to be, and the seconds of the way there and back."""
    if scenario.store == "file":
        return f"file:{folder}/limiter", 0.0
    server = stack.enter_context(RedisServer(folder))
    if not scenario.round_trip_seconds:
        return server.address(), 0.0
    port = stack.enter_context(relayed(server.port, round_trip_seconds=scenario.round_trip_seconds))
    return f"redis://127.0.0.1:{port}/0", _round_trip_seconds(port)


def _round_trip_seconds(port: int) -> float:
    took = []
    with redis.Redis(port=port, socket_timeout=5.0) as client:
        for _ in range(21):
            began_at = time.perf_counter()
            client.ping()
            took.append(time.perf_counter() - began_at)
    return statistics.median(took)


def _tls(folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    made = make_certificate(folder / "tls", "DNS:localhost,IP:127.0.0.1")
    chain = folder / "tls" / "chain.pem"
    chain.write_bytes(made.certfile.read_bytes() + made.authority.read_bytes())
    trusted = {"REQUESTS_CA_BUNDLE": str(made.authority)}
    return trusted, {"certfile": chain, "keyfile": made.keyfile}


def _figures(verdict: Verdict, lines: list[Line]) -> Rows:
    permits = sum(line.permits for line in lines)
    cpu_seconds = sum(line.cpu_seconds for line in lines)
    yield "most in any second", f"{verdict.most}, {verdict.over} above the cap ({verdict.priority})"
    yield "requests/s, first to last", f"{verdict.per_second:.2f} of {verdict.arrivals:,}"
    yield "longest time without a request", f"{1000 * verdict.gaps_seconds[0]:.0f} ms"
    yield "CPU s per 1,000 requests, all clients", f"{1000 * cpu_seconds / max(1, permits):.2f}"
    errors = {kind: count for line in lines for kind, count in line.errors.items()}
    if errors:
        yield "threads that ended early", str(errors)


def _disturbances(times: int, lines: list[Line]) -> Rows:
    if times:
        yield "disturbed", f"{times} times"
        longest = max(line.longest_wait_seconds for line in lines)
        yield "longest wait of a thread for its permit", f"{longest:.1f} s"


def _refusals(server: StandInProcess, door: Outsider | None, lines: list[Line]) -> Rows:
    said: dict[str, Any] = server.statistics()
    accepted = said["arrivals"] - said["refused"]
    rejected = said["refused"] if door is None else door.rejected()
    if door is not None:
        whole = f"{rejected} of {accepted + rejected:,}"
        yield f"rejected by {door.name}", f"{whole} ({door.priority})"
    elif said["cap"] is not None:
        yield "refused by the stand-in", f"{rejected} of {accepted + rejected:,}"
    if rejected:
        span = said["last_arrival"] - said["first_arrival"]
        yield "accepted/s, first to last", f"{accepted / span:.2f}"
        pauses = [seconds for line in lines for seconds in line.pauses_seconds]
        yield "pauses", f"{len(pauses)}, longest {max(pauses, default=0):.0f} s"

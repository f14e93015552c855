"""Ours beside pyrate-limiter's stock buckets and requests-ratelimiter, on the same work.

BENCH_URLS requests (default 1,500) at TMDB's latency, from a cold start, nothing else going on; the
stand-in counts and refuses nothing. Then what ours costs without HTTP, for BENCH_SECONDS at most a
minute. BENCH_ONLY picks by name.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from tests.limiter.redis_server import RedisServer
from tests.system.judge import Verdict, tapped
from tests.system.project import ROOT

LATENCY_SECONDS = 2.3
BOUND_SECONDS = 150.0
"""Nobody is waited for longer: at 50/s, 1,500 take 32."""


@dataclass(frozen=True)
class Contender:
    """Who does the work.

    Attributes:
        kind: as `contender` knows it.
        store: what its processes share, `file` or `redis`; empty if nothing.
        processes: among which the work is divided.
        threads: of each.
    """

    kind: str
    store: str
    processes: int
    threads: int


CONTENDERS = {
    "ours, file": Contender("ours", "file", 1, 128),
    "ours, file, 3 processes": Contender("ours", "file", 3, 128),
    "ours, redis, 3 processes": Contender("ours", "redis", 3, 128),
    "InMemoryBucket": Contender("memory", "", 1, 128),
    "SQLiteBucket, 3 processes": Contender("sqlite", "sqlite", 3, 128),
    "RedisBucket, 3 processes": Contender("redis", "redis", 3, 128),
    "requests-ratelimiter": Contender("ratelimiter", "", 1, 128),
}
COSTS = {
    "permits only, file, 1 x 256 threads": ("file", 1, 256),
    "permits only, file, 4 x 64 threads": ("file", 4, 64),
    "permits only, redis, 1 x 256 threads": ("redis", 1, 256),
    "permits only, redis, 4 x 64 threads": ("redis", 4, 64),
}


def main() -> Iterator[tuple[str, str, str]]:
    """Yield the figures of those that were picked."""
    picked = os.environ.get("BENCH_ONLY", "")
    urls = int(os.environ.get("BENCH_URLS") or 1500)
    seconds = min(60.0, float(os.environ.get("BENCH_SECONDS") or 60))
    for name, contender in CONTENDERS.items():
        if picked in name:
            yield from _rows(f"{name}, {urls:,} requests", _work(contender, urls))
    for name, (store, processes, threads) in COSTS.items():
        if picked in name:
            yield from _rows(f"{name}, {seconds:.0f} s", _cost(store, processes, threads, seconds))


def _rows(name: str, figures: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    try:
        for what, figure in figures:
            yield name, what, figure
    except (pytest.skip.Exception, AssertionError, OSError) as error:
        yield name, "not measured", str(error)


def _work(contender: Contender, urls: int) -> Iterator[tuple[str, str]]:
    each = urls // contender.processes
    with (
        tempfile.TemporaryDirectory() as folder,
        Shared(contender.store, Path(folder)) as store,
        tapped(latency_seconds=LATENCY_SECONDS, cap=None) as (server, priority),
    ):
        said, late = _together(
            [
                [
                    *("tests.bench.contender", contender.kind, store.address, server.origin),
                    *map(str, (contender.threads, 1 + number * each, each)),
                ]
                for number in range(contender.processes)
            ],
            BOUND_SECONDS,
        )
        verdict = Verdict.of(server, priority)
    yield "most in any second", f"{verdict.most}, {verdict.over} above the cap ({priority})"
    yield "requests/s, first to last", f"{verdict.per_second:.2f} of {verdict.arrivals:,}"
    if late:
        yield "not finished", f"{late} processes within {BOUND_SECONDS:.0f} s"
        return
    cpu_seconds = sum(one["cpu_seconds"] for one in said)
    yield "CPU s per 1,000 requests, all of the client", f"{1000 * cpu_seconds / urls:.2f}"
    others = _others(said)
    if others:
        yield "requests without an answer", str(others)


def _others(said: list[dict[str, Any]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in said:
        total.update(one["statuses"])
    return {status: count for status, count in total.items() if status not in {"200", "404"}}


def _cost(store: str, processes: int, threads: int, seconds: float) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder, Shared(store, Path(folder)) as shared:
        before = shared.cpu_seconds()
        until = str(time.monotonic() + seconds)
        command = ["tests.bench.permits", shared.address, str(threads), until]
        said, late = _together([command] * processes, seconds + 15)
        cpu_of_redis = shared.cpu_seconds() - before
    assert not late, "processes did not end"
    permits = sum(one["permits"] for one in said)
    cpu_seconds = sum(one["cpu_seconds"] for one in said)
    yield "permits", f"{permits:,} ({', '.join(str(one['permits']) for one in said)})"
    yield "CPU s per 1,000 permits, clients", f"{1000 * cpu_seconds / permits:.2f}"
    if store == "redis":
        yield "CPU s per 1,000 permits, Redis", f"{1000 * cpu_of_redis / permits:.2f}"
    asked = [one["asked"] for one in said]
    yield "times asked per permit given, all", f"{sum(asked) / permits:.2f}"
    if processes > 1:
        yield "the same, by process", ", ".join(f"{one / permits:.2f}" for one in sorted(asked))


class Shared:
    """What processes share, as long as the `with` lasts."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._redis = RedisServer(folder) if kind == "redis" else None
        self.address = {"file": f"file:{folder}/limiter", "sqlite": f"{folder}/sqlite"}.get(
            kind, ""
        )

    def __enter__(self) -> Self:
        if self._redis is not None:
            self._redis.__enter__()
            self.address = self._redis.address()
        return self

    def __exit__(self, *_: object) -> None:
        if self._redis is not None:
            self._redis.kill()

    def cpu_seconds(self) -> float:
        """Return what the Redis has used; 0 if there is none."""
        if self._redis is None:
            return 0.0
        said = self._redis.command("INFO", "cpu")
        return float(said["used_cpu_user"]) + float(said["used_cpu_sys"])


def _together(commands: list[list[str]], seconds: float) -> tuple[list[dict[str, Any]], int]:
    """Run modules at once; return what each said, and how many did not end in time."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    deadline, said, late = time.monotonic() + seconds, [], 0
    for process in processes:
        try:
            output, _ = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
            said.append(json.loads(output))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            late += 1
    return said, late

"""Real processes on one file: the cap holds over all of them, the eldest goes first."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS

SECOND = 1_000_000_000
CAP = 50

FullestSecond = Callable[[Iterable[int]], int]
Start = Callable[[int, int], "Run"]

RUN = """
import os, sys, threading, time
from pathlib import Path
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.file_store import FileStore

path, born, until_ns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
door = Door(FileStore(path, 50, born=born), 50)

def send():
    while time.monotonic_ns() < until_ns:
        with door:
            door.permit()
            left_ns = time.monotonic_ns()
        os.write(1, b"%d\\n" % left_ns)

threads = [threading.Thread(target=send, daemon=True) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


class Run:
    """A process with eight threads that always want to send; prints when each request left."""

    def __init__(self, path: Path, born: int, until_ns: int) -> None:
        arguments = [sys.executable, "-c", RUN, str(path), str(born), str(until_ns)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self._output = self.process.stdout
        self._departures: list[int] = []

    def wait_for_departures(self, count: int) -> int:
        """Block until so many requests have left; return when the last of them did."""
        while len(self._departures) < count:
            self._departures.append(int(self._output.readline()))
        return self._departures[-1]

    def departures(self) -> list[int]:
        """Block until the process has ended; return when its requests left."""
        lines = self._output.read().splitlines()
        if self.process.wait(HANG_SECONDS) < 0:
            lines = lines[:-1]  # what a killed process said last may be torn
        return self._departures + [int(line) for line in lines]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start runs that share one file; all are gone in the end."""
    runs: list[Run] = []

    def run(born: int, until_ns: int) -> Run:
        runs.append(Run(tmp_path / "limiter", born, until_ns))
        return runs[-1]

    yield run
    for each in runs:
        each.end()


def test_three_processes_keep_the_cap_together_and_the_eldest_goes_first(
    start: Start, fullest_second: FullestSecond
) -> None:
    until_ns = time.monotonic_ns() + 5 * SECOND
    younger = [start(born, until_ns) for born in (2, 3)]
    younger[0].wait_for_departures(1)
    eldest = start(1, until_ns)

    own = eldest.departures()
    others = [time_ns for run in younger for time_ns in run.departures()]

    meanwhile = [time_ns for time_ns in others if own[0] <= time_ns <= own[-1]]
    assert fullest_second(own + others) <= CAP
    assert len(own) >= 0.9 * (len(own) + len(meanwhile))
    assert len(own) + len(meanwhile) >= 0.8 * CAP * (own[-1] - own[0]) / SECOND


def test_a_killed_process_does_not_hold_up_the_others(
    start: Start, fullest_second: FullestSecond
) -> None:
    until_ns = time.monotonic_ns() + 5 * SECOND
    others = [start(born, until_ns) for born in (2, 3)]
    eldest = start(1, until_ns)
    eldest.wait_for_departures(30)

    eldest.process.kill()
    eldest.process.wait()
    killed_ns = time.monotonic_ns()
    own = eldest.departures()
    left = [time_ns for run in others for time_ns in run.departures()]

    after = sorted(time_ns for time_ns in left if time_ns > killed_ns)
    assert eldest.process.returncode == -9
    assert fullest_second(own + left) <= CAP
    assert after[0] - killed_ns < SECOND
    assert len(after) >= 0.8 * CAP * (after[-1] - after[0]) / SECOND > 0.8 * CAP

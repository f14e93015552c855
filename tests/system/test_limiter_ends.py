"""How waiting ends when no permit comes: by a stop, and by a lock that nobody gives back."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.patience import HANG_SECONDS, wait_until
from tests.system.crowd import Crowd, stop
from tests.system.judge import Verdict, tapped

LOCK = """
import fcntl, sys, time
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


@contextmanager
def locked_by_a_stopped_process(path: Path) -> Iterator[float]:
    """Have a process lock the file and stop; return the moment."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "locked\n"
        process.send_signal(signal.SIGSTOP)
        yield time.monotonic()
    finally:
        process.kill()
        process.wait(HANG_SECONDS)


def test_a_stop_sends_128_threads_away_within_a_second_of_a_pause_of_a_minute(
    tmp_path: Path,
) -> None:
    with (
        tapped(latency_seconds=2.3, cap=1, retry_after=60) as judge,
        Crowd(
            judge[0].origin, f"file:{tmp_path}/limiter", processes=1, threads=128, seconds=60
        ) as crowd,
    ):
        (member,) = crowd.members
        wait_until(lambda: (line := member.line()) and line.pauses_seconds, "a pause")
        time.sleep(1.0)
        stop(member)
        (line,) = crowd.lines()

    assert 59 < line.pauses_seconds[0] <= 60
    assert line.longest_wait_seconds > 1.0
    assert line.stop_seconds is not None
    assert line.stop_seconds <= 1.0
    assert line.threads == 0
    assert line.errors == {}


def test_a_lock_that_is_never_given_back_ends_every_thread_of_every_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "limiter"
    with (
        tapped(latency_seconds=3.5, cap=None) as judge,
        Crowd(judge[0].origin, f"file:{path}", seconds=60) as crowd,
    ):
        crowd.wait_until_sending()
        time.sleep(1.0)
        with locked_by_a_stopped_process(path) as locked_at:
            lines = crowd.lines()
        verdict = Verdict.of(*judge)

    assert [line.errors for line in lines] == [{"LimiterUnavailableError": 64}] * 3
    assert all(line.ended_at and line.ended_at - locked_at <= 11.5 for line in lines)
    for line in lines:
        assert f"'{path}' is locked for 10 s by another process" in line.message
        assert "end that process, or set TMDB_LIMITER to another file" in line.message
    assert verdict.most <= verdict.allowed, verdict
    assert verdict.arrivals <= sum(line.permits for line in lines)

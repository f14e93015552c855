"""Processes of `load` that share one limiter, and what may happen to them while they send."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.patience import HANG_SECONDS
from tests.system.judge import Verdict
from tests.system.project import ROOT

URLS_EACH = 1_000_000

SLOW_SECONDS = 3.5
"""64 threads are 18 requests/s so: three processes want all of the cap, none gets it alone."""


@dataclass(frozen=True)
class Line:
    """The last thing that a process said.

    Attributes:
        permits: taken, each for one request.
        statuses: answers by HTTP status.
        faults: attempts without an answer, by reason.
        pauses_seconds: that 429s to this process began.
        longest_wait_seconds: of a thread for its permit.
        errors: what ended threads before their time, by type.
        message: of the first of them.
        threads: that had not ended.
        ended_at: monotonic seconds at which the last thread that ended did.
        stop_seconds: from the begin of the stop until no thread was left.
    """

    pid: int
    permits: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    pauses_seconds: tuple[float, ...] = ()
    longest_wait_seconds: float = 0.0
    cpu_seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    message: str = ""
    threads: int = 0
    ended_at: float | None = None
    stop_seconds: float | None = None


@dataclass(frozen=True)
class Member:
    """One process and the files that it writes to: nobody has to read along."""

    process: subprocess.Popen[bytes]
    output: Path
    complaints: Path

    def line(self) -> Line | None:
        """Return the last whole line, None if there is none yet."""
        whole = self.output.read_bytes().split(b"\n")[:-1]
        return Line(**json.loads(whole[-1])) if whole else None


class Crowd:
    """So many processes that send until a moment; all are gone at the end of the `with`."""

    def __init__(
        self,
        origin: str,
        limiter: str,
        *,
        processes: int = 3,
        threads: int = 64,
        seconds: float = 10.0,
        **environment: str,
    ) -> None:
        """Get ready; they start with the `with`.

        Args:
            origin: whom they ask.
            limiter: what they share, as TMDB_LIMITER has it.
            processes: at the begin.
            threads: of each.
            seconds: how long they send, silence and start included.
            environment: further variables for them.
        """
        self.members: list[Member] = []
        self.gone: list[Member] = []
        self.until = 0.0
        self._limiter = limiter
        self._arguments = [sys.executable, "-W", "error", "-m", "tests.system.load", origin]
        self._processes, self._threads, self._seconds = processes, threads, seconds
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TMDB_")},
            **environment,
        }
        self._random = random.Random(20_200)  # noqa: S311 - no secret hangs on it
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Self:
        self.until = time.monotonic() + self._seconds
        for _ in range(self._processes):
            self.start_one()
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.process.kill()
            member.process.wait(HANG_SECONDS)
        self._folder.cleanup()

    def start_one(self) -> Member:
        """Start one more."""
        number = len(self.members) + len(self.gone)
        output, complaints = (
            Path(self._folder.name, f"{number}.{kind}") for kind in ("out", "err")
        )
        first = 1 + number * URLS_EACH
        with output.open("wb") as out, complaints.open("wb") as err:
            process = subprocess.Popen(
                [*self._arguments, self._limiter, *map(str, (self._threads, self.until, first))],
                cwd=ROOT,
                env=self._environment,
                stdout=out,
                stderr=err,
            )
        self.members.append(Member(process, output, complaints))
        return self.members[-1]

    def replace_one(self) -> None:
        """kill -9 any of them and start another at once."""
        member = self.members.pop(self._random.randrange(len(self.members)))
        self.gone.append(member)
        member.process.kill()
        self.start_one()
        member.process.wait(HANG_SECONDS)

    def stop_one_for_a_while(self, shortest: float = 0.02, longest: float = 1.5) -> None:
        """SIGSTOP any of them, and SIGCONT after some time."""
        process = self._random.choice(self.members).process
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self._random.uniform(shortest, longest))
        finally:
            process.send_signal(signal.SIGCONT)

    def disturb(self, how: Callable[[], object], every: tuple[float, float]) -> int:
        """Do it again and again with a pause of so many seconds until a second before the end.

        Returns how often it was done.
        """
        self.wait_until_sending()
        times = 0
        while time.monotonic() < self.until - 1.0:
            time.sleep(self._random.uniform(*every))
            how()
            times += 1
        return times

    def wait_until_sending(self) -> None:
        """Wait until somebody has a permit."""
        deadline = time.monotonic() + HANG_SECONDS
        while not any(line.permits for line in self._lines(self.members)):
            assert time.monotonic() < deadline, f"nobody sends: {self._complaints()}"
            time.sleep(0.05)

    def lines(self) -> list[Line]:
        """Wait for the end of all and return what each said last, those too that were killed."""
        deadline = max(self.until, time.monotonic()) + HANG_SECONDS
        for member in self.members:
            try:
                code = member.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                code = None
            assert code == 0, f"a process ended with {code}: {self._complaints()}"
        lines = self._lines(self.members)
        assert len(lines) == len(self.members)
        return lines + self._lines(self.gone)

    @staticmethod
    def _lines(members: list[Member]) -> list[Line]:
        return [line for member in members if (line := member.line()) is not None]

    def _complaints(self) -> str:
        return "\n".join(member.complaints.read_text()[-500:] for member in self.members)


def summed(lines: list[Line], name: str) -> Counter[str]:
    """Return the sums of one of the counts of all processes."""
    total: Counter[str] = Counter()
    for line in lines:
        total.update(getattr(line, name))
    return total


def stop(member: Member) -> None:
    """Ask a process to end as an operator would."""
    with suppress(ProcessLookupError):
        member.process.send_signal(signal.SIGTERM)


def keeps_the_cap(verdict: Verdict, lines: list[Line], at_least: float) -> None:
    """Check that it holds, that it is used, and that permits are what arrived."""
    permits = sum(line.permits for line in lines)
    assert verdict.most <= verdict.allowed, verdict
    assert verdict.uses(at_least), verdict
    assert summed(lines, "errors") == {}
    assert not any(line.pauses_seconds or line.threads for line in lines)
    assert 0 <= permits - verdict.arrivals <= len(lines)

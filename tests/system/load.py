"""A process that sends as fast as the limiter lets it; it judges nothing.

    python -m tests.system.load ORIGIN LIMITER THREADS UNTIL FIRST

Its threads send GETs of distinct URLs, from FIRST on, through the real client and the real door
until UNTIL (seconds of the monotonic clock, which all processes share) or SIGTERM. Every half
second and at its end it prints what it did so far, as a line of JSON: the last line counts, also
that of a process that was killed.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Self

from tmdb_assets.client.session import Client
from tmdb_assets.errors import LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import Attempt, Settings, Target
from tmdb_assets.settings import from_environment
from tmdb_assets.slowdown import Slowdown

LINE_SECONDS = 0.5
END_SECONDS = 15.0
"""Bound on the wait for threads that were sent away."""


class TimedDoor:
    """The real door, with a clock beside it: how long threads wait for their permits."""

    def __init__(self, door: Door) -> None:
        self.permits = 0
        self._door = door
        self._longest_seconds = 0.0
        self._since: dict[int, float] = {}

    def __enter__(self) -> Self:
        self._door.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._door.__exit__(*exc)

    def permit(self) -> None:
        self._door.permit()
        # nobody else is here: the door is ours
        self.permits += 1
        now = time.monotonic()
        waited_seconds = now - self._since.pop(threading.get_ident(), now)
        self._longest_seconds = max(self._longest_seconds, waited_seconds)

    def is_on_time(self) -> bool:
        return self._door.is_on_time()

    def check_open(self) -> None:
        self._door.check_open()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the wait of this thread from here."""
        self._since[threading.get_ident()] = time.monotonic()
        try:
            yield
        finally:
            self._since.pop(threading.get_ident(), None)

    def longest_wait_seconds(self) -> float:
        """Return the longest wait so far, of those too who wait still."""
        now = time.monotonic()
        return max([self._longest_seconds, *(now - since for since in self._since.copy().values())])


class Load:
    """The threads of one process and what they have to tell."""

    def __init__(self, settings: Settings, first: int) -> None:
        self._door = open_door(settings)
        self._timed = TimedDoor(self._door)
        self._client = Client(settings, self._timed)
        self._slowdown = Slowdown(self._door)
        self._origin = settings.origins[0]
        self._numbers = count(first)
        self._lock = threading.Lock()
        self._statuses: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._message = ""
        self._ended_at: float | None = None
        self._stop_seconds: float | None = None
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(settings.threads)
        ]

    def run(self, until: float, stopped: threading.Event) -> None:
        """Send until the moment or the event, or until no thread is left; print all the while."""
        for thread in self._threads:
            thread.start()
        while (left_seconds := until - time.monotonic()) > 0 and not stopped.is_set():
            say(self.line())
            if not any(thread.is_alive() for thread in self._threads):
                break
            stopped.wait(min(LINE_SECONDS, left_seconds))
        self._stop()
        say(self.line())

    def line(self) -> dict[str, Any]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        with self._lock:
            return {
                "pid": os.getpid(),
                "permits": self._timed.permits,
                "statuses": dict(self._statuses),
                "faults": dict(self._faults),
                "pauses_seconds": list(self._slowdown.pauses_seconds),
                "longest_wait_seconds": self._timed.longest_wait_seconds(),
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "errors": dict(self._errors),
                "message": self._message,
                "threads": sum(thread.is_alive() for thread in self._threads),
                "ended_at": self._ended_at,
                "stop_seconds": self._stop_seconds,
            }

    def _stop(self) -> None:
        """Send all threads away; what is in flight is cut off and counts for nothing."""
        self._is_over.set()
        began_at = time.monotonic()
        self._door.close()
        self._client.close()
        for thread in self._threads:
            thread.join(max(0.0, began_at + END_SECONDS - time.monotonic()))
        self._stop_seconds = time.monotonic() - began_at

    def _work(self) -> None:
        try:
            while not self._is_over.is_set():
                number = next(self._numbers)
                target = Target(f"{self._origin}/3/movie/{number}", f"movie-{number}")
                with self._timed.waiting():
                    attempt = self._client.attempt(target)
                if not self._is_over.is_set():
                    self._note(attempt)
                    self._slowdown.heed(attempt)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test has to hear of it
            if not (self._is_over.is_set() and isinstance(error, LimiterClosedError)):
                self._note_error(error)
        finally:
            with self._lock:
                self._ended_at = time.monotonic()

    def _note(self, attempt: Attempt) -> None:
        with self._lock:
            if attempt.fault is None:
                self._statuses[str(attempt.status)] += 1
            else:
                self._faults[attempt.fault.value] += 1

    def _note_error(self, error: BaseException) -> None:
        with self._lock:
            self._errors[type(error).__name__] += 1
            self._message = self._message or str(error)


def say(line: dict[str, Any]) -> None:
    # in one piece: a kill must not leave half a line in front of nothing
    os.write(1, json.dumps(line).encode() + b"\n")


def main() -> None:
    origin, limiter, threads, until, first = sys.argv[1:]
    settings = from_environment(
        {
            **os.environ,
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_LIMITER": limiter,
            "TMDB_THREADS": threads,
        }
    )
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        load = Load(settings, int(first))
    except LimiterUnavailableError as error:
        say({"pid": os.getpid(), "errors": {type(error).__name__: 1}, "message": str(error)})
        return
    load.run(float(until), stopped)


if __name__ == "__main__":
    main()

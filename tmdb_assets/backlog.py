"""What is left to send, and when: targets not tried yet, and targets that wait out a pause.

A pause holds no thread: whoever is free takes what is due. Nothing here knows HTTP or files.
"""

import heapq
import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tmdb_assets.model import Target

LONGEST_WAIT_SECONDS = 1.0
"""Nobody waits longer without looking whether all was stopped."""


@dataclass(slots=True)
class Task:
    """A target on its way; in the hands of one thread at a time.

    Attributes:
        tries: attempts that count against the bound; answers 429 do not.
        sent_at: moments of all its requests, POSIX seconds.
        is_probe: whether it is only to see if anybody answers: no target of the batch.
    """

    target: Target
    tries: int = 0
    sent_at: list[float] = field(default_factory=list)
    is_probe: bool = False


@dataclass(slots=True)
class _Hold:
    until: float
    probe: Target
    is_out: bool = False


class Backlog:
    """Hands tasks to threads; safe to share.

    Attributes:
        pauses: how often a task was put back, by reason.
    """

    def __init__(
        self, targets: Iterable[Target], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.pauses: Counter[str] = Counter()
        self._clock = clock
        self._fresh = deque(targets)
        self._paused: list[tuple[float, int, Task]] = []
        self._numbers = itertools.count()
        self._unfinished = len(self._fresh)
        self._is_stopped = False
        self._hold: _Hold | None = None
        self._changed = threading.Condition()

    def take(self) -> Task | None:
        """Return the next task that is due, waiting for one; None when there is no more to do."""
        with self._changed:
            while self._unfinished and not self._is_stopped:
                wait_seconds, task = self._next() if self._hold is None else self._next_probe()
                if task is not None:
                    return task
                self._changed.wait(min(wait_seconds, LONGEST_WAIT_SECONDS))
            return None

    def hold(self, seconds: float, probe: Target) -> None:
        """Hand out nothing for so long, then this probe, and nothing beside it.

        Until it is called again, for the next probe, or `release` is.
        """
        with self._changed:
            self._hold = _Hold(self._clock() + seconds, probe)
            self._changed.notify_all()

    def release(self) -> None:
        """Hand out tasks as usual again."""
        with self._changed:
            self._hold = None
            self._changed.notify_all()

    def _next_probe(self) -> tuple[float, Task | None]:
        """Return the probe if it is due and not out already, or None and how long to wait."""
        hold = self._hold
        if hold is None or hold.is_out:
            return LONGEST_WAIT_SECONDS, None
        wait_seconds = hold.until - self._clock()
        if wait_seconds > 0:
            return wait_seconds, None
        hold.is_out = True
        return 0.0, Task(hold.probe, is_probe=True)

    def _next(self) -> tuple[float, Task | None]:
        """Return the next task, or None and how long to wait for one at least."""
        wait_seconds = LONGEST_WAIT_SECONDS
        if self._paused:
            wait_seconds = self._paused[0][0] - self._clock()
            if wait_seconds <= 0:
                return 0.0, heapq.heappop(self._paused)[2]
        if self._fresh:
            return 0.0, Task(self._fresh.popleft())
        return wait_seconds, None

    def put_back(self, task: Task, pause_seconds: float, reason: str) -> None:
        """Have a task taken again, `pause_seconds` from now at the earliest."""
        with self._changed:
            self.pauses[reason] += 1
            due = self._clock() + pause_seconds
            heapq.heappush(self._paused, (due, next(self._numbers), task))
            self._changed.notify()

    def add(self, tasks: Iterable[Task]) -> None:
        """Have further tasks taken, before those that were never tried."""
        with self._changed:
            for task in tasks:
                self._unfinished += 1
                heapq.heappush(self._paused, (self._clock(), next(self._numbers), task))
            self._changed.notify_all()

    def finish(self) -> None:
        """Say that one task will not come back."""
        with self._changed:
            self._unfinished -= 1
            if not self._unfinished:
                self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody take anything any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

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
    """

    target: Target
    tries: int = 0
    sent_at: list[float] = field(default_factory=list)


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
        self._changed = threading.Condition()

    def take(self) -> Task | None:
        """Return the next task that is due, waiting for one; None when there is no more to do."""
        with self._changed:
            while self._unfinished and not self._is_stopped:
                wait_seconds = LONGEST_WAIT_SECONDS
                if self._paused:
                    wait_seconds = min(wait_seconds, self._paused[0][0] - self._clock())
                    if wait_seconds <= 0:
                        return heapq.heappop(self._paused)[2]
                if self._fresh:
                    return Task(self._fresh.popleft())
                self._changed.wait(wait_seconds)
            return None

    def put_back(self, task: Task, pause_seconds: float, reason: str) -> None:
        """Have a task taken again, `pause_seconds` from now at the earliest."""
        with self._changed:
            self.pauses[reason] += 1
            due = self._clock() + pause_seconds
            heapq.heappush(self._paused, (due, next(self._numbers), task))
            self._changed.notify()

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

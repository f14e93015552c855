"""Outages: when nothing answers any more, wait and look, rather than use up every URL's tries.

A circuit breaker over all threads of one run. It opens when failures come in a row with no answer
of TMDB among them: three where not even a connection came up, twenty where one did. While it is
open nothing is sent but a probe now and then, after pauses that double, and what fails is no try of
its URL. After ten minutes (TMDB_OUTAGE_SECONDS) the run ends.

A probe asks for what every TMDB has. So it tells an outage from a stretch of bad URLs, which are
not to be waited for: when it is answered, what fails soon after is the fault of its URL again.
"""

import logging
import threading
import time
from collections.abc import Callable

from tmdb_assets.backlog import Backlog, Task
from tmdb_assets.errors import OutageError
from tmdb_assets.model import Attempt, Target
from tmdb_assets.urls import origin_of

UNREACHED = 3
"""Attempts in a row that could not even connect, until it opens."""

UNANSWERED = 20
"""Requests in a row without an answer, until it opens."""

PROBE_PATH = "/3/configuration"
"""TMDB's settings for clients: small, the same for all, and always there."""

TRUST_SECONDS = 5.0
"""How long after an answered probe requests without an answer are no sign of another outage."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

OUTAGE_SECONDS = 600.0
"""How long it may stay open before the run ends, if nobody says otherwise."""

logger = logging.getLogger(__name__)


class Outage:
    """Tells silence from answers; safe to share between threads.

    Attributes:
        seconds: how long each outage of this run lasted, those that ended.
    """

    def __init__(
        self,
        backlog: Backlog,
        clock: Callable[[], float] = time.monotonic,
        longest_seconds: float = OUTAGE_SECONDS,
    ) -> None:
        """Get ready.

        Args:
            backlog: is held back while an outage lasts.
            clock: monotonic seconds.
            longest_seconds: how long it may stay open before the run ends.
        """
        self.seconds: list[float] = []
        self._backlog = backlog
        self._clock = clock
        self._longest_seconds = longest_seconds
        self._lock = threading.Lock()
        self._unreached = 0
        self._unanswered = 0
        self._opened_at: float | None = None
        self._probed_at = float("-inf")
        self._probe = Target("", "probe")
        self._pause_seconds = 0.0
        self._reason = ""
        self._next_probe = 0.0

    def answered(self, task: Task) -> None:
        """Note that TMDB answered something, be it a refusal: an outage is over."""
        with self._lock:
            self._unreached = self._unanswered = 0
            if task.is_probe:
                self._probed_at = self._clock()
            if self._opened_at is None:
                return
            seconds = self._clock() - self._opened_at
            self._opened_at = None
            self.seconds.append(seconds)
            self._backlog.release()
        logger.warning("TMDB answers again after %.0f s: going on", seconds)

    def failed(self, task: Task, attempt: Attempt, reason: str) -> bool:
        """Note an attempt that brought no answer; say whether an outage is to blame, not the URL.

        Raises:
            OutageError: the outage has lasted too long.
        """
        with self._lock:
            if self._opened_at is not None:
                if task.is_probe:
                    self._reason = reason
                    self._go_on(self._opened_at)
                return True
            if not attempt.sent_at:
                self._unreached += 1
            elif self._clock() - self._probed_at >= TRUST_SECONDS:
                self._unanswered += 1
            if self._unreached < UNREACHED and self._unanswered < UNANSWERED:
                return False
            self._opened_at = self._clock()
            self._reason = reason
            self._probe = Target(origin_of(task.target.url) + PROBE_PATH, "probe")
            self._hold(FIRST_PAUSE_SECONDS)
        logger.warning(
            "TMDB does not answer (%s): nothing is sent but a request now and then, "
            "to see whether it is back",
            reason,
        )
        return True

    def words(self) -> str:
        """Return how long the outage has lasted and what comes next; empty if there is none."""
        with self._lock:
            if self._opened_at is None:
                return ""
            now = self._clock()
            wait_seconds = max(0.0, self._next_probe - now)
            return (
                f"no answer from TMDB for {now - self._opened_at:.0f} s ({self._reason}), "
                f"next look in {wait_seconds:.0f} s"
            )

    def _go_on(self, opened_at: float) -> None:
        left_seconds = self._longest_seconds - (self._clock() - opened_at)
        if left_seconds <= 0:
            raise OutageError(
                f"TMDB has not answered for {self._longest_seconds:.0f} s ({self._reason}): all "
                "that was fetched is kept; check the network, and run again when it is back"
            )
        self._hold(min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS, left_seconds))

    def _hold(self, seconds: float) -> None:
        self._pause_seconds = seconds
        self._next_probe = self._clock() + seconds
        self._backlog.hold(seconds, self._probe)

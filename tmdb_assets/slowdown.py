"""What the threads of one run tell the limiter of refusals, and when refusals end the run.

A refusal (429, or 503 with Retry-After) is the whole limiter's matter: everybody pauses. It is no
try of its target, so what ends an endless one is time without any other answer.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from tmdb_assets.errors import DownloadStoppedError, LimiterError
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.model import Attempt
from tmdb_assets.retry import asks_to_slow_down, parse_retry_after

REFUSED_SECONDS = 600.0
"""How long a server may refuse all there is before the run ends: some fifteen pauses."""

logger = logging.getLogger(__name__)


class Pacer(Protocol):
    """The limiter's door, or a fake."""

    def refused(self, left_at: float, asked_seconds: float) -> Pace:
        """Have everybody pause and slow down; called by many threads."""
        ...

    def pace(self) -> Pace:
        """Return how the limiter stands, soon."""
        ...

    def is_behind(self, pace: Pace) -> bool:
        """Say whether an older run goes first."""
        ...


class Slowdown:
    """Hands refusals on to the limiter; safe to share between threads.

    Attributes:
        pauses_seconds: the pauses that refusals of this run began.
    """

    def __init__(self, pacer: Pacer, clock: Callable[[], float] = time.monotonic) -> None:
        self.pauses_seconds: list[float] = []
        self._pacer = pacer
        self._clock = clock
        self._accepted_at = float("-inf")

    def heed(self, attempt: Attempt) -> None:
        """Tell the limiter if the server wants less.

        Raises:
            DownloadStoppedError: it has refused all for too long.
            LimiterError: the limiter failed or was closed.
        """
        if not asks_to_slow_down(attempt):
            if attempt.status is not None:
                self._accepted_at = self._clock()
            return
        asked_seconds = parse_retry_after(attempt.retry_after, datetime.now(UTC)) or 0.0
        pace = self._pacer.refused(attempt.left_at, asked_seconds)
        if not pace.is_news:
            return
        self.pauses_seconds.append(pace.pause_seconds)
        logger.warning(
            "TMDB asks to slow down (HTTP %s): everybody pauses %.0f s, then goes on at %.1f "
            "requests/s and faster again by and by",
            *(attempt.status, pace.pause_seconds, pace.requests_per_second),
        )
        # nothing was accepted here since the series began, which other runs may have seen begin
        silent_seconds = self._clock() - self._accepted_at
        if min(pace.refused_seconds, silent_seconds) >= REFUSED_SECONDS:
            raise DownloadStoppedError(
                f"TMDB answers HTTP {attempt.status} to everything for "
                f"{pace.refused_seconds / 60:.0f} minutes now, however long we pause: all that was "
                "fetched is kept; run again in an hour or so, "
                "with a lower TMDB_REQUESTS_PER_SECOND if it comes back"
            )

    def words(self) -> str:
        """Return what keeps this run from sending at the cap, in a few words; empty if nothing."""
        try:
            pace = self._pacer.pace()
        except LimiterError:
            return "the limiter does not answer"
        if pace.pause_seconds > 0:
            return f"everybody pauses for {pace.pause_seconds:.0f} s more after a 429"
        notes = [
            f"slowed to {pace.requests_per_second:.1f} requests/s after a 429"
        ] * pace.is_slowed
        notes += ["an older run goes first"] * self._pacer.is_behind(pace)
        return "; ".join(notes)

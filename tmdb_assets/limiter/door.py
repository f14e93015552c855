"""The one door of a process: whoever sends stands at it, alone, from the booking to the send.

So a process holds at most one booking, its departures cannot overtake or bunch, a kill wastes at
most one slot, and news (a stop, a slower rate) reaches every waiting thread at once.
"""

import threading
import time
from contextlib import suppress
from typing import Self

from pyrate_limiter import Limiter

from tmdb_assets.errors import LimiterError, LimiterUnavailableError
from tmdb_assets.limiter.bucket import SlotBucket, SlotFactory, SlotStore
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.slots import LATE_NS, SECOND_NS, VOID_NS


class Door:
    """Hands out permits, each the right to send exactly one request, now.

    Shared by all threads of a process::

        with door:
            door.permit()  # blocks until the slot has come
            if door.is_on_time():
                send()

    Threads queue for the door itself. A request that left late pushes the next slot away.

    Attributes:
        waited_seconds: time for which a request was ready and its slot had not come.
    """

    def __init__(self, store: SlotStore, requests_per_second: int) -> None:
        self.waited_seconds = 0.0
        self._store = store
        self._bucket = SlotBucket(store, requests_per_second)
        # `buffer_ms` would be added to every sleep: each slot would be missed
        self._limiter = Limiter(SlotFactory(self._bucket), buffer_ms=0)
        self._lock = threading.Lock()
        self._holds_permit = False
        self._late_ns: int | None = None

    def __enter__(self) -> Self:
        """Wait for the door.

        Raises:
            LimiterError: the limiter failed or was closed meanwhile.
        """
        self._store.check_open()
        self._lock.acquire()
        try:
            self._store.check_open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def permit(self) -> None:
        """Block until the right to send one request; the request has to leave at once.

        Raises:
            LimiterUnavailableError: the store of the limiter cannot be used.
            LimiterClosedError: `close` was called; raised within half a second of it.
        """
        began_at = time.monotonic()
        if not self._limiter.try_acquire("tmdb"):
            raise LimiterUnavailableError("the limiter gave no permit although it was told to wait")
        self.waited_seconds += time.monotonic() - began_at
        self._holds_permit = True
        self._late_ns = None

    def is_on_time(self) -> bool:
        """Look at the clock for the last time: may the request leave in this very instant?

        What was done since the permit may have taken long, on a busy machine or for a thread that
        did not get its turn. If False, the permit is void, and another one is to be taken.
        """
        self._late_ns = self._store.now_ns() - self._bucket.admitted_ns
        self._holds_permit = self._late_ns <= VOID_NS
        return self._holds_permit

    def __exit__(self, *exc: object) -> None:
        """Make room for the next thread."""
        try:
            if self._holds_permit:
                self._holds_permit = False
                late_ns = self._late_ns
                if late_ns is None:
                    late_ns = self._store.now_ns() - self._bucket.admitted_ns
                if late_ns > LATE_NS:
                    # the request has left; a store that failed or closed says so to the next one
                    with suppress(LimiterError):
                        self._store.write_back(late_ns)
        finally:
            self._lock.release()

    def refused(self, left_at: float, asked_seconds: float) -> Pace:
        """Have everybody who shares the limiter pause and slow down after a 429; return the pace.

        Args:
            left_at: monotonic seconds at which the refused request left.
            asked_seconds: what its Retry-After asks for, 0 for none; honoured up to a minute.

        Raises:
            LimiterError: the store failed or was closed.
        """
        asked_ns = int(min(asked_seconds, 3600.0) * SECOND_NS)
        pace = self._store.refused(int(left_at * SECOND_NS), asked_ns)
        if pace.is_news:
            self._bucket.heed_news()
        return pace

    def pace(self) -> Pace:
        """Return how the limiter stands.

        Raises:
            LimiterError: the store failed or was closed.
        """
        return self._store.pace()

    def is_behind(self, pace: Pace) -> bool:
        """Say whether an older run than this one goes first."""
        return pace.eldest is not None and pace.eldest < self._store.born

    def check_open(self) -> None:
        """Raise at once if the limiter failed or was closed; takes nothing and waits for nobody.

        Raises:
            LimiterError: it did or was.
        """
        self._store.check_open()

    def close(self) -> None:
        """Send every waiting thread away with `LimiterClosedError`; may be called repeatedly."""
        self._store.close()

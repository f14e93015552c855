"""Redis's clock as seen from here: what turns a slot into a time of this process.

Every call brackets the moment at which Redis told its time. The difference of the two clocks lies
within all those brackets at once, so it is known to half of the best round trip, however long the
present one took. Brackets without a common point prove that one of the clocks jumped.
"""

from collections import deque
from statistics import median

DRIFT = 500e-6
"""How far two good clocks run apart, as a share; old brackets widen by that."""

ROUND_TRIPS = 9
"""So many of late make the typical one; half of them may be hiccups."""


class RedisClock:
    """The difference between the local monotonic clock and Redis's, in nanoseconds.

    One thread at a time.

    Attributes:
        round_trip_ns: the typical one of late; 0 until the first call.
    """

    def __init__(self) -> None:
        self.round_trip_ns = 0.0
        self._round_trips_ns: deque[int] = deque(maxlen=ROUND_TRIPS)
        self._low_ns = self._high_ns = self._at_ns = 0
        self._is_known = False

    def note(self, before_ns: int, told_ns: int, after_ns: int, *, is_typical: bool = True) -> bool:
        """Learn from a call; return False if one of the clocks jumped, and begin anew then.

        Args:
            before_ns: local time just before the call.
            told_ns: Redis's time, told in between.
            after_ns: local time just after the call.
            is_typical: False if the call also had to connect: such a round trip counts for nothing.
        """
        low_ns, high_ns = before_ns - told_ns, after_ns - told_ns
        if is_typical:
            self._round_trips_ns.append(after_ns - before_ns)
            self.round_trip_ns = median(self._round_trips_ns)
        if self._is_known:
            drift_ns = int((after_ns - self._at_ns) * DRIFT) + 1000
            low_ns = max(low_ns, self._low_ns - drift_ns)
            high_ns = min(high_ns, self._high_ns + drift_ns)
        is_steady = low_ns <= high_ns
        self._is_known = is_steady
        # the time was told somewhere in between: from `before_ns` on the clocks may run apart
        self._low_ns, self._high_ns, self._at_ns = low_ns, high_ns, before_ns
        return is_steady

    def local_ns(self, told_ns: int) -> int:
        """Return the local time of a moment of Redis's."""
        return told_ns + self._difference_ns

    def redis_ns(self, local_ns: int) -> int:
        """Return Redis's time of a local moment."""
        return local_ns - self._difference_ns

    @property
    def _difference_ns(self) -> int:
        return (self._low_ns + self._high_ns) // 2

"""Counting what arrives: the sliding second, and the statistics of everything since the start.

Pure: moments come from outside, in seconds of a monotonic clock. Enforcing the cap, that is
answering 429, is done in `app` with the count from here.
"""

from array import array
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime

ARRIVALS_KEPT = 1_000_000
"""Arrivals that are kept one by one; later ones are only counted."""
_EXAMPLES = 50
_NOT_ANSWERED = 0


class SlidingSecond:
    """Counts the arrivals in the second (t - 1 s, t] that ends with each arrival.

    A moment before the one last given is taken for that one. This happens only to a request whose
    first bytes came long before its last, and moves it by as much at most.
    """

    __slots__ = ("_moments",)

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def add(self, moment: float) -> int:
        """Return how many arrived in the second up to this arrival, itself included."""
        moments = self._moments
        if moments and moment < moments[-1]:
            moment = moments[-1]
        moments.append(moment)
        start = moment - 1.0
        while moments[0] <= start:
            moments.popleft()
        return len(moments)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request at the server's door.

    Attributes:
        number: from 1, in the order of arrival.
        in_second: arrivals in the second that ends with it, itself included.
    """

    number: int
    in_second: int


class Ledger:
    """Everything that arrived since a moment; one event loop owns it.

    Args:
        started: the moment from which `first_arrival` and `last_arrival` are counted.
        started_at: the same moment in UTC.
        kept: arrivals to keep one by one.
    """

    def __init__(self, started: float, started_at: datetime, kept: int = ARRIVALS_KEPT) -> None:
        self._started = started
        self._started_at = started_at
        self._kept = kept
        self._second = SlidingSecond()
        self._moments = array("d")
        self._urls: list[str] = []
        self._statuses = array("h")
        self._asked: Counter[str] = Counter()
        self._statuses_seen: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._first = self._last = 0.0
        self._arrivals = self._most_in_second = self._over_cap = 0
        self._in_flight = self._most_in_flight = 0
        self.refused = 0
        self.connections = 0

    def arrive(self, moment: float, url: str, cap: int) -> Arrival:
        """Count a request.

        Args:
            moment: when its first bytes came.
            url: path and query without credentials.
            cap: what `over_cap` is counted against.
        """
        in_second = self._second.add(moment)
        self._first = self._first if self._arrivals else moment
        self._last = max(self._last, moment)
        self._arrivals += 1
        self._most_in_second = max(self._most_in_second, in_second)
        self._over_cap += in_second > cap
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        self._asked[url] += 1
        if len(self._urls) < self._kept:
            self._moments.append(moment)
            self._urls.append(url)
            self._statuses.append(_NOT_ANSWERED)
        return Arrival(self._arrivals, in_second)

    def leave(self, number: int, status: int | None) -> None:
        """Count the end of a request: its status, or None if it got none."""
        self._in_flight -= 1
        self._statuses_seen[str(status) if status else "none"] += 1
        if number <= len(self._statuses):
            self._statuses[number - 1] = status or _NOT_ANSWERED

    def misbehave(self, kind: str) -> None:
        """Count a fault."""
        self._faults[kind] += 1

    def arrivals(self) -> list[tuple[float, str, int | None]]:
        """Return seconds since the start, path and query, and status of each arrival kept."""
        rows = zip(self._moments, self._urls, self._statuses, strict=True)
        return [
            (round(moment - self._started, 6), url, status or None) for moment, url, status in rows
        ]

    def report(self, cap: int | None, reference_cap: int) -> dict[str, object]:
        """Return all counts, ready for JSON.

        Args:
            cap: what is enforced, None if nothing is.
            reference_cap: what `over_cap` was counted against.
        """
        repeated = {url: count for url, count in self._asked.items() if count > 1}
        return {
            "started_at": self._started_at.astimezone(UTC).isoformat(),
            "cap": cap,
            "reference_cap": reference_cap,
            "arrivals": self._arrivals,
            "refused": self.refused,
            "by_status": dict(sorted(self._statuses_seen.items())),
            "max_in_any_second": self._most_in_second,
            "over_cap": self._over_cap,
            **self._times(),
            "in_flight": self._in_flight,
            "max_in_flight": self._most_in_flight,
            "distinct_urls": len(self._asked),
            "repeated_urls": len(repeated),
            "repeated_examples": dict(list(repeated.items())[:_EXAMPLES]),
            "connections": self.connections,
            "faults": dict(sorted(self._faults.items())),
        }

    def _times(self) -> dict[str, object]:
        span = self._last - self._first
        seen = self._arrivals > 0
        return {
            "first_arrival": round(self._first - self._started, 6) if seen else None,
            "last_arrival": round(self._last - self._started, 6) if seen else None,
            "mean_rate": round((self._arrivals - 1) / span, 3) if span > 0 else None,
        }

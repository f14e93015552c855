"""How a span of time used the cap: requests of all batches together, from their outcomes.

What left is in `sent_at` of the outcomes of whoever sent it, and all runs that write into one data
folder share a limiter. Not in there: requests without an outcome (of a run that was killed, and
probes in an outage), and what other data folders send. It can show that the cap was broken, and
how well it was used; the proof that it holds is taken at a server's door.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tmdb_assets import outcomes
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.files import storing, within

SECOND = 1.0
_GRAIN_SECONDS = 1e-5
"""Outcomes round moments to microseconds: what left first and last must not fall outside."""

SETTLE_SECONDS = 4.0
"""How long what another run sent can be without its outcome: until it is answered."""

_MARGIN_SECONDS = 60.0
"""How far the clock that stamps files may be behind the one that stamps requests."""


@dataclass(frozen=True, slots=True)
class CapUse:
    """What left within a span of time.

    Attributes:
        requests: of all batches together.
        batches: how many sent some of them.
        fullest: most requests in any second.
        fullest_at: when the first such second ended, POSIX seconds; 0 if nothing left.
        per_second: requests of all batches by seconds since the span began.
        own_per_second: the same of those that the span was taken from.
    """

    requests: int
    batches: int
    fullest: int
    fullest_at: float
    per_second: tuple[int, ...]
    own_per_second: tuple[int, ...]

    @property
    def requests_per_second(self) -> float:
        """Requests of all batches per second; without the last seconds, of which some are out."""
        whole = len(self.per_second) - 1
        counted = whole - math.ceil(SETTLE_SECONDS) if whole > 2 * SETTLE_SECONDS else whole
        return sum(self.per_second[:counted]) / counted if counted > 0 else 0.0


def look_back(data_dir: Path, own: Sequence[float]) -> CapUse:
    """Return how the cap was used from the first to the last of these moments, by everybody.

    Args:
        data_dir: root of all data.
        own: moments at which requests of one run left, POSIX seconds.

    Raises:
        StoreError: the outcomes cannot be read.
    """
    if not own:
        return CapUse(0, 0, 0, 0.0, (), ())
    began_at, ended_at = min(own) - _GRAIN_SECONDS, max(own) + _GRAIN_SECONDS
    by_batch = [
        [moment for moment in moments if began_at - SECOND < moment < ended_at + SECOND]
        for moments in _moments(data_dir, began_at)
    ]
    moments = sorted(moment for batch in by_batch for moment in batch)
    fullest, fullest_at = fullest_second(moments)
    within_span = [moment for moment in moments if began_at <= moment <= ended_at]
    return CapUse(
        requests=len(within_span),
        batches=sum(any(began_at <= one <= ended_at for one in batch) for batch in by_batch),
        fullest=fullest,
        fullest_at=fullest_at,
        per_second=_by_seconds(within_span, began_at, ended_at),
        own_per_second=_by_seconds(own, began_at, ended_at),
    )


def fullest_second(moments: Sequence[float]) -> tuple[int, float]:
    """Return the most of these sorted moments within less than a second, and the last of them."""
    first, most, at = 0, 0, 0.0
    for number, moment in enumerate(moments):
        # what left exactly a second before is not in the same second
        while moment - moments[first] >= SECOND:
            first += 1
        if number + 1 - first > most:
            most, at = number + 1 - first, moment
    return most, at


def _by_seconds(moments: Iterable[float], began_at: float, ended_at: float) -> tuple[int, ...]:
    counts = [0] * (int(ended_at - began_at) + 1)
    for moment in moments:
        counts[int(moment - began_at)] += 1
    return tuple(counts)


def _moments(data_dir: Path, since: float) -> Iterator[list[float]]:
    """Yield the moments of every batch whose outcomes were written to since then.

    What cannot be read is no reason to fail: it is another run's, and a figure less.
    """
    folder = within(data_dir, "responses")
    with storing(folder):
        for path in folder.glob(f"*/*/{outcomes.FILE_NAME}"):
            with suppress(OSError, StoreError, BatchError):
                if path.stat().st_mtime > since - _MARGIN_SECONDS:
                    within(folder, *path.relative_to(folder).parts)
                    reader = outcomes.OutcomeReader(path)
                    yield [moment for one in reader.new() for moment in one.sent_at]

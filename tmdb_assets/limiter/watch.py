"""Looking at a limiter from outside for a moment; takes no permit and changes nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tmdb_assets.limiter.bucket import SlotStore
from tmdb_assets.limiter.cooldown import Pace

WATCH_SECONDS = 1.0
LOOK_SECONDS = 0.004
"""Time between two looks: a run that waits asks once in a slot, and slots are 20 ms apart."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of a limiter.

    Attributes:
        store: what to call its store.
        pace: how it stood in the end.
        permits: given while it was watched.
        seconds: how long that was.
        runs: births of the runs that asked meanwhile, eldest first; nanoseconds of time of day.
    """

    store: str
    pace: Pace
    permits: int
    seconds: float
    runs: tuple[int, ...]

    @property
    def waiting(self) -> int:
        """Runs that asked and were behind an older one."""
        return max(0, len(self.runs) - 1)


def watch(
    store: SlotStore,
    seconds: float = WATCH_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Sighting:
    """Watch a limiter for a moment.

    Every question of a run leaves the run's birth behind, so looking often shows who comes by.

    Raises:
        LimiterUnavailableError: its store cannot be read.
    """
    began_at = clock()
    first = last = store.pace()
    seen: set[int] = set()
    while (elapsed := clock() - began_at) < seconds:
        sleep(LOOK_SECONDS)
        last = store.pace()
        if last.eldest is not None:
            seen.update((last.eldest, last.asker))
    # a state begun anew counts from zero
    permits = last.permits - first.permits if last.permits >= first.permits else last.permits
    return Sighting(store.name, last, permits, elapsed, tuple(sorted(seen)))

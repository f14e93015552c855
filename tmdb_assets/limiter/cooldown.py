"""What a 429 does to everybody who shares the limiter, and how the limiter stands; pure.

Everybody pauses. When the very first requests after a pause are refused again, the next one is
twice as long: a pause that stays short never gets out of a ban that each further request prolongs.
When some passed before one was refused, it is the rate that is too high, and a longer pause would
only cost time. After a pause the rate is lower, and climbs back slowly. Only a 429 to a request
that left after the last pause is news; the others say the same thing once more.
"""

from dataclasses import dataclass, replace

from tmdb_assets.limiter.slots import (
    ELDEST_NS,
    LONGEST_PAUSE_NS,
    MS,
    SECOND_NS,
    VOID_NS,
    Slots,
    rate,
)

FIRST_PAUSE_NS = 1 * SECOND_NS
"""The pause after a 429; doubled while they come back at once, up to `LONGEST_PAUSE_NS`."""

AT_ONCE_NS = 250 * MS
"""A request that left no later after a pause and is refused says that the pause was too short."""

CALM_NS = 10 * SECOND_NS
"""A 429 later than this after the last pause begins a new series."""

SLOWER = 0.85
"""What the rate is multiplied with; simulated against servers of 10 to 40/s, 0.7 gives away more
and 0.95 runs into three times as many 429s."""

SLOWEST_PER_SECOND = 2.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a limiter stands at one moment.

    Attributes:
        requests_per_second: the present rate, the cap at most.
        cap: as this process knows it.
        pause_seconds: what is left of a pause; 0 when there is none.
        last_pause_seconds: length of the last pause, 0 if there was none; over since
            `calm_seconds`.
        calm_seconds: since the end of the last pause; 0 while it lasts, or if there was none.
        refused_seconds: how long the present series of 429s has lasted, 0 if there is none.
        permits: slots given since the state was made.
        asker: birth of the run that asked last.
        eldest: birth of the eldest run that asked within the last second, None if nobody did.
        is_news: whether the refusal that this answers has begun a pause.
    """

    requests_per_second: float
    cap: int
    pause_seconds: float
    last_pause_seconds: float
    calm_seconds: float
    refused_seconds: float
    permits: int
    asker: int
    eldest: int | None
    is_news: bool = False

    @property
    def is_slowed(self) -> bool:
        """Whether a 429 still keeps the rate below the cap."""
        return self.requests_per_second < self.cap


def refuse(slots: Slots, now_ns: int, left_ns: int, asked_ns: int, cap: int) -> Slots:
    """Heed a 429.

    Args:
        slots: the state.
        now_ns: the present moment.
        left_ns: when the refused request left.
        asked_ns: what its Retry-After asks for, 0 for none; honoured up to `LONGEST_PAUSE_NS`.
        cap: requests per second at most.
    """
    asked_ns = min(asked_ns, LONGEST_PAUSE_NS)
    if not is_news(slots, left_ns):
        until_ns = now_ns + asked_ns if asked_ns > 0 else 0
        return replace(slots, pause_until_ns=max(slots.pause_until_ns, until_ns))
    is_back = _is_series(slots, now_ns)
    pause_ns = slots.pause_ns if is_back else FIRST_PAUSE_NS
    if is_back and left_ns - slots.pause_until_ns <= AT_ONCE_NS:
        pause_ns = min(2 * pause_ns, LONGEST_PAUSE_NS)
    return replace(
        slots,
        pause_until_ns=now_ns + max(pause_ns, asked_ns),
        pause_ns=pause_ns,
        slowed_to=max(min(SLOWEST_PER_SECOND, cap), SLOWER * rate(slots, now_ns, cap)),
        refused_since_ns=slots.refused_since_ns if is_back else now_ns,
    )


def is_news(slots: Slots, left_ns: int) -> bool:
    """Say whether a refused request left after the last pause, give or take a slot."""
    return left_ns >= slots.pause_until_ns - VOID_NS


def pace(slots: Slots, now_ns: int, cap: int) -> Pace:
    """Return how the limiter stands."""
    left_ns = slots.pause_until_ns - now_ns
    was_paused = slots.pause_ns > 0
    is_asked = now_ns - slots.eldest_seen_ns <= ELDEST_NS
    return Pace(
        requests_per_second=rate(slots, now_ns, cap),
        cap=cap,
        pause_seconds=max(0, left_ns) / SECOND_NS if was_paused else 0.0,
        last_pause_seconds=slots.pause_ns / SECOND_NS,
        calm_seconds=max(0, -left_ns) / SECOND_NS if was_paused else 0.0,
        refused_seconds=(now_ns - slots.refused_since_ns) / SECOND_NS
        if _is_series(slots, now_ns)
        else 0.0,
        permits=slots.permits,
        asker=slots.asker,
        eldest=slots.eldest if is_asked else None,
    )


def _is_series(slots: Slots, now_ns: int) -> bool:
    return slots.pause_ns > 0 and now_ns - slots.pause_until_ns <= CALM_NS

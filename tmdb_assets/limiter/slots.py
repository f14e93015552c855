"""The rules of the limiter, pure: time goes in as a number, nothing waits, nothing is stored.

What paces is one number, the time of the next free slot. Slots lie `WINDOW_NS / rate` apart and are
never made up for, so no log of departures is needed: 51 departures of a 50/s limiter span 1010 ms.
The 10 ms above a second are the margin for what lateness and network delay may differ between two
requests; they cost 1 % of the rate. The bound holds exactly at the door, and at the server for that
much jitter.

Times are nanoseconds of one monotonic clock that all sharers read. `slots.lua` says the same for
Redis, in microseconds.
"""

from dataclasses import dataclass, replace

MS = 1_000_000
"""Nanoseconds in a millisecond."""

SECOND_NS = 1000 * MS

WINDOW_NS = 1010 * MS
"""Time that as many slots as the rate take."""

GRACE_NS = 2 * MS
"""A free slot that passed less than this ago is still used: a thread that comes round for it a
moment late costs no rate."""

LATE_NS = 4 * MS
"""A departure this late costs nothing; leaves 6 ms of the margin to the network. Measured: p99
0.3 ms on an idle machine, 5 ms on a busy one."""

VOID_NS = 20 * MS
"""A slot overslept by more than this is lost: the process was stopped or starved."""

AHEAD_NS = 500 * MS
"""A slot further ahead than this is not booked yet; also the longest that a stop goes unnoticed."""

YOUNGER_LEAD_NS = 1 * MS
"""A younger run books a slot no earlier than this before it is due: it takes what is left over."""

ELDEST_NS = 1000 * MS
"""The eldest run is forgotten when it has asked for nothing for so long."""

SILENCE_NS = 1000 * MS + AHEAD_NS + VOID_NS
"""How long nobody sends after an unknown past: a window, and bookings that may still be out."""

CLIMB_PER_SECOND = 0.05
"""Requests/s that a slowed rate gains every second; faster brings the next 429 sooner."""

PROBE_NS = 300 * MS
PROBE_PER_SECOND = 10.0
"""The first requests after a pause come at this rate for so long: if they are refused too, few
were spent on finding out, and fewer still prolonged a ban."""

LONGEST_PAUSE_NS = 60 * SECOND_NS
"""Nobody is made to pause longer at a time, by a Retry-After either."""

UNSLOWED = 1e9
"""`Slots.slowed_to` when nothing was slowed: above any cap."""


@dataclass(frozen=True, slots=True)
class Slots:
    """The shared state.

    Attributes:
        next_ns: the next free slot.
        eldest: birth of the eldest run that asked lately (any comparable number, lower is older).
        eldest_seen_ns: when that one asked last.
        pause_until_ns: end of the last pause that a 429 caused; 0 if there was none.
        pause_ns: length that the rules gave that pause; 0 if there was none.
        slowed_to: requests/s at the end of that pause, from where the rate climbs.
        refused_since_ns: begin of the series of 429s that the last one belongs to.
        permits: slots booked since this state was made.
        asker: birth of the run that asked last.
    """

    next_ns: int
    eldest: int
    eldest_seen_ns: int
    pause_until_ns: int = 0
    pause_ns: int = 0
    slowed_to: float = UNSLOWED
    refused_since_ns: int = 0
    permits: int = 0
    asker: int = 0


@dataclass(frozen=True, slots=True)
class Booking:
    """What came of asking for a slot.

    Attributes:
        slots: the state to store.
        slot_ns: the slot, or None: ask again.
        wait_ns: time until the slot, or until asking again makes sense.
    """

    slots: Slots
    slot_ns: int | None
    wait_ns: int


def unknown_past(now_ns: int) -> Slots:
    """Return the state to begin with when nobody can say what left in the last second."""
    return Slots(now_ns + SILENCE_NS, 0, now_ns - 2 * ELDEST_NS)


def is_plausible(slots: Slots, now_ns: int) -> bool:
    """Say whether a state read back can have come from these rules on this clock."""
    return (
        slots.next_ns <= now_ns + 2 * SILENCE_NS
        and slots.eldest_seen_ns <= now_ns
        and slots.pause_until_ns <= now_ns + LONGEST_PAUSE_NS
        and slots.pause_ns <= LONGEST_PAUSE_NS
        and slots.refused_since_ns <= now_ns
        and 0 < slots.slowed_to <= UNSLOWED
    )


def rate(slots: Slots, now_ns: int, cap: int) -> float:
    """Return the requests per second that slots are given at: the cap, or less after a 429."""
    climbed_seconds = max(0, now_ns - slots.pause_until_ns) / SECOND_NS
    return min(cap, slots.slowed_to + CLIMB_PER_SECOND * climbed_seconds)


def book(slots: Slots, now_ns: int, born: int, cap: int, lead_ns: int = 0) -> Booking:
    """Book the next free slot for the run `born`, or say when to ask again.

    Args:
        slots: the state.
        now_ns: the present moment.
        born: which run asks.
        cap: requests per second at most.
        lead_ns: how long the answer takes to reach whoever asks: no slot comes before that.
    """
    earliest_ns = now_ns + lead_ns
    slots = replace(slots, asker=born)
    if born <= slots.eldest or now_ns - slots.eldest_seen_ns > ELDEST_NS:
        slots = replace(slots, eldest=born, eldest_seen_ns=now_ns)
        horizon_ns = now_ns + AHEAD_NS
    else:
        horizon_ns = earliest_ns + YOUNGER_LEAD_NS
    due_ns = max(slots.next_ns, slots.pause_until_ns)
    slot_ns = due_ns if earliest_ns - due_ns < GRACE_NS else earliest_ns
    if slot_ns > horizon_ns:
        return Booking(slots, None, min(slot_ns - horizon_ns, AHEAD_NS))
    next_ns = slot_ns + _interval_ns(slots, now_ns, cap)
    booked = replace(slots, next_ns=next_ns, permits=slots.permits + 1)
    return Booking(booked, slot_ns, max(0, slot_ns - now_ns))


def write_back(slots: Slots, late_ns: int) -> Slots:
    """Move the next slot away from a departure that left `late_ns` after its own."""
    if late_ns <= LATE_NS:
        return slots
    return replace(slots, next_ns=slots.next_ns + min(late_ns, VOID_NS) - LATE_NS)


def _interval_ns(slots: Slots, now_ns: int, cap: int) -> int:
    per_second = rate(slots, now_ns, cap)
    if slots.pause_ns and now_ns - slots.pause_until_ns < PROBE_NS:
        per_second = min(per_second, PROBE_PER_SECOND)
    return int(WINDOW_NS / per_second)

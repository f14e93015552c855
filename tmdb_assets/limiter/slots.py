"""The rules of the limiter, pure: time goes in as a number, nothing waits, nothing is stored.

All state is one number, the time of the next free slot, and who goes first. Slots lie
`WINDOW_NS / rate` apart and are never made up for, so no log of departures is needed: 51 departures
of a 50/s limiter span 1010 ms. The 10 ms above a second are the margin for what lateness and
network delay may differ between two requests; they cost 1 % of the rate. The bound holds exactly
at the door, and at the server for that much jitter.

Times are nanoseconds of one monotonic clock that all sharers read.
"""

from dataclasses import dataclass, replace

MS = 1_000_000
"""Nanoseconds in a millisecond."""

WINDOW_NS = 1010 * MS
"""Time that as many slots as the cap take."""

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


@dataclass(frozen=True, slots=True)
class Slots:
    """The shared state.

    Attributes:
        next_ns: the next free slot.
        eldest: birth of the eldest run that asked lately (any comparable number, lower is older).
        eldest_seen_ns: when that one asked last.
    """

    next_ns: int
    eldest: int
    eldest_seen_ns: int


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
    return slots.next_ns <= now_ns + 2 * SILENCE_NS and slots.eldest_seen_ns <= now_ns


def book(slots: Slots, now_ns: int, born: int, interval_ns: int) -> Booking:
    """Book the next free slot for the run `born`, or say when to ask again."""
    if born <= slots.eldest or now_ns - slots.eldest_seen_ns > ELDEST_NS:
        slots = replace(slots, eldest=born, eldest_seen_ns=now_ns)
        horizon_ns = now_ns + AHEAD_NS
    else:
        horizon_ns = now_ns + YOUNGER_LEAD_NS
    slot_ns = slots.next_ns if now_ns - slots.next_ns < GRACE_NS else now_ns
    if slot_ns > horizon_ns:
        return Booking(slots, None, min(slot_ns - horizon_ns, AHEAD_NS))
    return Booking(replace(slots, next_ns=slot_ns + interval_ns), slot_ns, max(0, slot_ns - now_ns))


def write_back(slots: Slots, late_ns: int) -> Slots:
    """Move the next slot away from a departure that left `late_ns` after its own."""
    if late_ns <= LATE_NS:
        return slots
    return replace(slots, next_ns=slots.next_ns + min(late_ns, VOID_NS) - LATE_NS)

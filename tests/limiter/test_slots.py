"""The rules one by one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.limiter.slots import (
    AHEAD_NS,
    CLIMB_PER_SECOND,
    ELDEST_NS,
    GRACE_NS,
    LATE_NS,
    LONGEST_PAUSE_NS,
    MS,
    PROBE_NS,
    PROBE_PER_SECOND,
    SILENCE_NS,
    UNSLOWED,
    VOID_NS,
    WINDOW_NS,
    YOUNGER_LEAD_NS,
    Booking,
    Slots,
    book,
    is_plausible,
    rate,
    unknown_past,
    write_back,
)

SECOND = 1000 * MS
CAP = 50
INTERVAL = WINDOW_NS // CAP
NOW = 4_321_000_000_007
ELDEST, YOUNGER = 5, 6


def state(next_ns: int, seen_ns: int = NOW) -> Slots:
    return Slots(next_ns, ELDEST, seen_ns)


def asked(slots: Slots, born: int = ELDEST) -> Slots:
    """Return what a state is when a run has asked for a slot and got none."""
    return replace(slots, asker=born)


def given_one(slots: Slots, born: int = ELDEST) -> Slots:
    """Return what a state is when a run has asked for a slot and got it."""
    return replace(slots, asker=born, permits=slots.permits + 1)


def test_51_slots_take_more_than_a_second() -> None:
    slots, taken = state(NOW), []

    for _ in range(CAP + 1):
        booking = book(slots, slots.next_ns, ELDEST, CAP)
        assert booking.slot_ns is not None
        slots = booking.slots
        taken.append(booking.slot_ns)

    assert taken[-1] - taken[0] == WINDOW_NS
    assert WINDOW_NS == SECOND + 10 * MS


def test_a_free_slot_ahead_is_booked_and_the_next_is_an_interval_later() -> None:
    assert book(state(NOW + 7 * MS), NOW, ELDEST, CAP) == Booking(
        given_one(state(NOW + 7 * MS + INTERVAL)), NOW + 7 * MS, 7 * MS
    )


def test_a_slot_that_passed_a_moment_ago_is_still_used() -> None:
    just_passed = NOW - GRACE_NS + 1

    assert book(state(just_passed), NOW, ELDEST, CAP) == Booking(
        given_one(state(just_passed + INTERVAL)), just_passed, 0
    )


@pytest.mark.parametrize("ago", [GRACE_NS, 20 * MS, SECOND, 86_400 * SECOND, 10 * NOW])
def test_slots_that_passed_longer_ago_are_not_made_up_for(ago: int) -> None:
    assert book(state(NOW - ago), NOW, ELDEST, CAP) == Booking(
        given_one(state(NOW + INTERVAL)), NOW, 0
    )


def test_the_eldest_books_half_a_second_ahead_and_no_further() -> None:
    furthest = book(state(NOW + AHEAD_NS), NOW, ELDEST, CAP)
    too_far = book(state(NOW + AHEAD_NS + 3 * MS), NOW, ELDEST, CAP)

    assert (furthest.slot_ns, furthest.wait_ns) == (NOW + AHEAD_NS, AHEAD_NS)
    assert too_far == Booking(asked(state(NOW + AHEAD_NS + 3 * MS)), None, 3 * MS)


def test_a_refused_eldest_stays_the_eldest() -> None:
    booking = book(state(NOW + SECOND, NOW - ELDEST_NS), NOW, ELDEST, CAP)

    assert booking.slot_ns is None
    assert booking.slots == asked(state(NOW + SECOND, NOW))


def test_a_younger_run_books_a_slot_only_when_it_is_almost_due() -> None:
    almost_due = book(state(NOW + YOUNGER_LEAD_NS), NOW, YOUNGER, CAP)
    not_yet = book(state(NOW + YOUNGER_LEAD_NS + 1), NOW, YOUNGER, CAP)

    assert almost_due == Booking(
        given_one(state(NOW + YOUNGER_LEAD_NS + INTERVAL), YOUNGER),
        NOW + YOUNGER_LEAD_NS,
        YOUNGER_LEAD_NS,
    )
    assert not_yet == Booking(asked(state(NOW + YOUNGER_LEAD_NS + 1), YOUNGER), None, 1)


def test_what_a_younger_run_does_keeps_no_elder_in_memory() -> None:
    long_seen = NOW - ELDEST_NS + 1

    booked = book(state(NOW, long_seen), NOW, YOUNGER, CAP)
    refused = book(state(NOW + SECOND, long_seen), NOW, YOUNGER, CAP)

    assert booked.slots == given_one(state(NOW + INTERVAL, long_seen), YOUNGER)
    assert refused.slots == asked(state(NOW + SECOND, long_seen), YOUNGER)


def test_an_elder_run_takes_over_at_once() -> None:
    booking = book(state(NOW + 100 * MS), NOW, ELDEST - 1, CAP)

    assert booking.slot_ns == NOW + 100 * MS
    assert booking.slots == given_one(Slots(NOW + 100 * MS + INTERVAL, ELDEST - 1, NOW), ELDEST - 1)


def test_an_eldest_run_that_is_silent_for_a_second_is_forgotten() -> None:
    still_there = book(state(NOW + 100 * MS, NOW - ELDEST_NS), NOW, YOUNGER, CAP)
    forgotten = book(state(NOW + 100 * MS, NOW - ELDEST_NS - 1), NOW, YOUNGER, CAP)

    assert still_there.slot_ns is None
    assert forgotten.slot_ns == NOW + 100 * MS
    assert forgotten.slots == given_one(Slots(NOW + 100 * MS + INTERVAL, YOUNGER, NOW), YOUNGER)


@given(
    ahead=st.integers(-2 * SECOND, 2 * SILENCE_NS),
    paused=st.integers(-SECOND, LONGEST_PAUSE_NS),
    seen_ago=st.integers(0, 3 * SECOND),
    born=st.sampled_from([ELDEST - 1, ELDEST, YOUNGER]),
)
def test_nobody_sleeps_through_a_stop_for_longer_than_promised(
    ahead: int, paused: int, seen_ago: int, born: int
) -> None:
    slots = replace(state(NOW + ahead, NOW - seen_ago), pause_until_ns=NOW + paused)

    booking = book(slots, NOW, born, CAP)

    assert 0 <= booking.wait_ns <= AHEAD_NS
    assert booking.wait_ns > 0 or booking.slot_ns is not None


@pytest.mark.parametrize("now", [0, 3, NOW])
def test_after_an_unknown_past_nobody_sends_for_a_window_and_what_may_be_booked(now: int) -> None:
    first = book(unknown_past(now), now, 10**18, CAP)
    slots, asked_at = first.slots, now
    while (booking := book(slots, asked_at, 10**18, CAP)).slot_ns is None:
        slots, asked_at = booking.slots, asked_at + booking.wait_ns

    assert first.slot_ns is None
    assert booking.slot_ns == now + SILENCE_NS
    assert SILENCE_NS == SECOND + AHEAD_NS + VOID_NS


def test_after_an_unknown_past_whoever_asks_first_is_the_eldest() -> None:
    booking = book(unknown_past(NOW), NOW, YOUNGER, CAP)

    assert (booking.slots.eldest, booking.slots.eldest_seen_ns) == (YOUNGER, NOW)


@pytest.mark.parametrize(
    ("late", "shift"),
    [
        (-SECOND, 0),
        (0, 0),
        (LATE_NS, 0),
        (LATE_NS + 1, 1),
        (10 * MS, 6 * MS),
        (VOID_NS, 16 * MS),
        (VOID_NS + 1, 16 * MS),
        (3600 * SECOND, 16 * MS),
    ],
)
def test_a_late_departure_moves_the_next_slot_by_what_the_margin_does_not_bear(
    late: int, shift: int
) -> None:
    assert write_back(state(NOW), late) == state(NOW + shift)


@pytest.mark.parametrize(
    ("fields", "plausible"),
    [
        ({"next_ns": NOW + 2 * SILENCE_NS}, True),
        ({"next_ns": NOW + 2 * SILENCE_NS + 1}, False),
        ({"eldest_seen_ns": NOW + 1}, False),
        ({"next_ns": -(2**63), "eldest_seen_ns": -(2**63)}, True),
        ({"next_ns": 2**63 - 1, "eldest_seen_ns": 0}, False),
        ({"pause_until_ns": NOW + LONGEST_PAUSE_NS}, True),
        ({"pause_until_ns": NOW + LONGEST_PAUSE_NS + 1}, False),
        ({"pause_ns": LONGEST_PAUSE_NS}, True),
        ({"pause_ns": LONGEST_PAUSE_NS + 1}, False),
        ({"refused_since_ns": NOW}, True),
        ({"refused_since_ns": NOW + 1}, False),
        ({"slowed_to": UNSLOWED}, True),
        ({"slowed_to": 2 * UNSLOWED}, False),
        ({"slowed_to": 0.001}, True),
        ({"slowed_to": 0.0}, False),
        ({"slowed_to": -2.0}, False),
        ({"slowed_to": float("nan")}, False),
        ({"slowed_to": float("inf")}, False),
        ({"permits": 2**63 - 1, "asker": 2**63 - 1, "eldest": 2**63 - 1}, True),
    ],
)
def test_a_state_that_these_rules_cannot_have_made_is_not_plausible(
    fields: dict[str, Any], *, plausible: bool
) -> None:
    assert is_plausible(replace(state(NOW), **fields), NOW) is plausible


@given(
    ahead=st.integers(-SECOND, AHEAD_NS),
    born=st.sampled_from([ELDEST - 1, ELDEST, YOUNGER]),
    late=st.integers(0, 5 * SECOND),
    cap=st.integers(1, 1000),
)
def test_what_these_rules_make_is_plausible(ahead: int, born: int, late: int, cap: int) -> None:
    booked = book(state(NOW + ahead), NOW, born, cap).slots

    assert is_plausible(booked, NOW)
    assert is_plausible(write_back(booked, late), NOW)
    assert is_plausible(write_back(unknown_past(NOW), late), NOW)


@given(
    ahead=st.integers(-SECOND, SECOND),
    lead=st.integers(0, AHEAD_NS),
    seen_ago=st.integers(0, 2 * ELDEST_NS),
    born=st.sampled_from([ELDEST, YOUNGER]),
)
def test_no_slot_comes_before_the_answer_that_tells_of_it(
    ahead: int, lead: int, seen_ago: int, born: int
) -> None:
    booking = book(state(NOW + ahead, NOW - seen_ago), NOW, born, CAP, lead)

    if booking.slot_ns is None:
        assert booking.slots.next_ns == NOW + ahead
    else:
        assert booking.slot_ns > NOW + lead - GRACE_NS
        assert booking.slot_ns >= NOW + ahead
        assert booking.slots.next_ns == booking.slot_ns + INTERVAL
        assert booking.wait_ns == max(0, booking.slot_ns - NOW)


def test_a_lead_moves_the_grace_and_what_a_younger_run_may_take() -> None:
    lead = 30 * MS
    still_good, passed = NOW + lead - GRACE_NS + 1, NOW + lead - GRACE_NS
    almost_due = NOW + lead + YOUNGER_LEAD_NS

    assert book(state(still_good), NOW, ELDEST, CAP, lead).slot_ns == still_good
    assert book(state(passed), NOW, ELDEST, CAP, lead).slot_ns == NOW + lead
    assert book(state(almost_due), NOW, YOUNGER, CAP, lead).slot_ns == almost_due
    assert book(state(almost_due + 1), NOW, YOUNGER, CAP, lead) == Booking(
        asked(state(almost_due + 1), YOUNGER), None, 1
    )


def test_a_lead_does_not_let_the_eldest_book_further_ahead() -> None:
    furthest = book(state(NOW + AHEAD_NS), NOW, ELDEST, CAP, 30 * MS)
    too_far = book(state(NOW + AHEAD_NS + 1), NOW, ELDEST, CAP, 30 * MS)

    assert furthest.slot_ns == NOW + AHEAD_NS
    assert too_far.slot_ns is None


def test_each_slot_counts_and_whoever_asks_leaves_its_birth() -> None:
    first = book(replace(state(NOW), permits=41), NOW, ELDEST, CAP).slots
    refused = book(first, NOW, YOUNGER, CAP).slots

    assert (first.permits, first.asker) == (42, ELDEST)
    assert (refused.permits, refused.asker) == (42, YOUNGER)


@pytest.mark.parametrize("cap", [1, 2, 7, 50, 51, 1000])
def test_the_rate_of_a_fresh_state_is_the_cap_and_slots_lie_so_far_apart(cap: int) -> None:
    slots = unknown_past(NOW - 10 * SECOND)
    booking = book(slots, NOW, ELDEST, cap)

    assert rate(slots, NOW, cap) == cap
    assert booking.slots.next_ns - NOW == WINDOW_NS // cap


def test_a_slowed_rate_climbs_from_the_end_of_the_pause_and_never_above_the_cap() -> None:
    slots = replace(state(NOW), slowed_to=40.0, pause_until_ns=NOW)

    assert rate(slots, NOW - SECOND, CAP) == 40.0
    assert rate(slots, NOW, CAP) == 40.0
    assert rate(slots, NOW + 20 * SECOND, CAP) == 40.0 + 20 * CLIMB_PER_SECOND
    assert rate(slots, NOW + 200 * SECOND, CAP) == CAP
    assert rate(slots, NOW + 10**6 * SECOND, CAP) == CAP
    assert rate(slots, NOW + 20 * SECOND, 10) == 10


def test_a_slowed_rate_sets_the_slots_apart() -> None:
    slots = replace(state(NOW), slowed_to=40.0, pause_until_ns=NOW - SECOND)

    booked = book(slots, NOW, ELDEST, CAP).slots

    assert booked.next_ns - NOW == int(WINDOW_NS / (40.0 + CLIMB_PER_SECOND))


def test_nobody_gets_a_slot_before_the_end_of_a_pause() -> None:
    slots = replace(state(NOW - SECOND), pause_until_ns=NOW + 700 * MS)

    too_early = book(slots, NOW, ELDEST, CAP)
    booked = book(slots, NOW + 200 * MS, ELDEST, CAP)

    assert (too_early.slot_ns, too_early.wait_ns) == (None, 200 * MS)
    assert booked.slot_ns == NOW + 700 * MS


@pytest.mark.parametrize(
    ("cap", "since", "interval"),
    [
        (CAP, -AHEAD_NS, int(WINDOW_NS / PROBE_PER_SECOND)),
        (CAP, 0, int(WINDOW_NS / PROBE_PER_SECOND)),
        (CAP, PROBE_NS - 1, int(WINDOW_NS / PROBE_PER_SECOND)),
        (CAP, PROBE_NS, INTERVAL),
        (4, 0, WINDOW_NS // 4),
    ],
)
def test_the_first_requests_after_a_pause_come_slowly(cap: int, since: int, interval: int) -> None:
    slots = replace(state(NOW), pause_ns=SECOND, pause_until_ns=NOW)

    booking = book(slots, NOW + since, ELDEST, cap)

    assert booking.slot_ns is not None
    assert booking.slots.next_ns - booking.slot_ns == interval


def test_where_nothing_was_refused_nothing_is_probed() -> None:
    assert book(state(NOW), NOW, ELDEST, CAP).slots.next_ns == NOW + INTERVAL
    assert book(Slots(0, ELDEST, 0), MS, ELDEST, CAP).slots.next_ns == INTERVAL

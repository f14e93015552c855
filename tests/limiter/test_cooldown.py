"""What a 429 does, rule by rule."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.limiter.cooldown import (
    AT_ONCE_NS,
    CALM_NS,
    FIRST_PAUSE_NS,
    SLOWER,
    SLOWEST_PER_SECOND,
    Pace,
    is_news,
    pace,
    refuse,
)
from tmdb_assets.limiter.slots import (
    CLIMB_PER_SECOND,
    ELDEST_NS,
    LONGEST_PAUSE_NS,
    MS,
    PROBE_NS,
    PROBE_PER_SECOND,
    SECOND_NS,
    UNSLOWED,
    VOID_NS,
    WINDOW_NS,
    Slots,
    book,
    is_plausible,
    rate,
    unknown_past,
)

CAP = 50
NOW = 4_321_000_000_007
BORN = 5

FRESH = Slots(NOW, BORN, NOW)
PAUSED = replace(
    FRESH,
    pause_until_ns=NOW,
    pause_ns=4 * SECOND_NS,
    slowed_to=30.0,
    refused_since_ns=NOW - 8 * SECOND_NS,
)
"""Four seconds of pause, over just now."""


def refused(slots: Slots, left_ns: int, *, after_ns: int = 60 * MS, asked_ns: int = 0) -> Slots:
    """Heed a 429 that came so long after its request had left."""
    return refuse(slots, left_ns + after_ns, left_ns, asked_ns, CAP)


def pauses_seconds(count: int, slots: Slots, gap_ns: int) -> list[float]:
    """Refuse a request so long after each pause, so many times; return the pauses in seconds."""
    pauses = []
    left_ns = NOW
    for _ in range(count):
        slots = refused(slots, left_ns)
        pauses.append((slots.pause_until_ns - left_ns - 60 * MS) / SECOND_NS)
        left_ns = slots.pause_until_ns + gap_ns
    return pauses


def test_a_first_429_makes_everybody_pause_for_a_second_and_go_on_slower() -> None:
    slots = refused(FRESH, NOW)

    assert slots == replace(
        FRESH,
        pause_until_ns=NOW + 60 * MS + FIRST_PAUSE_NS,
        pause_ns=FIRST_PAUSE_NS,
        slowed_to=SLOWER * CAP,
        refused_since_ns=NOW + 60 * MS,
    )
    assert FIRST_PAUSE_NS == SECOND_NS


@given(
    left=st.integers(-3600 * SECOND_NS, -VOID_NS - 1), answer_ns=st.integers(0, 3600 * SECOND_NS)
)
def test_a_429_to_a_request_that_left_before_the_end_of_the_pause_changes_nothing(
    left: int, answer_ns: int
) -> None:
    assert not is_news(PAUSED, NOW + left)
    assert refused(PAUSED, NOW + left, after_ns=answer_ns) == PAUSED


def test_of_many_429s_at_once_only_the_first_counts() -> None:
    slots = first = refused(FRESH, NOW)
    for late_ns in range(0, SECOND_NS, 20 * MS):
        slots = refused(slots, NOW + late_ns)

    assert slots == first


@pytest.mark.parametrize(("early", "news"), [(0, True), (VOID_NS, True), (VOID_NS + 1, False)])
def test_a_request_that_left_a_slot_before_the_end_of_the_pause_is_news(
    early: int, *, news: bool
) -> None:
    assert is_news(PAUSED, NOW - early) is news
    assert (refused(PAUSED, NOW - early) != PAUSED) is news


@pytest.mark.parametrize("asked_seconds", [1, 7, 60])
def test_a_stale_429_with_retry_after_lengthens_the_pause_and_does_nothing_else(
    asked_seconds: int,
) -> None:
    slots = replace(PAUSED, pause_until_ns=NOW + 500 * MS)

    longer = refuse(slots, NOW, NOW - SECOND_NS, asked_seconds * SECOND_NS, CAP)

    assert longer == replace(slots, pause_until_ns=NOW + asked_seconds * SECOND_NS)


@given(asked=st.integers(0, LONGEST_PAUSE_NS), left_ago=st.integers(VOID_NS, 10 * SECOND_NS))
def test_a_stale_429_shortens_no_pause(asked: int, left_ago: int) -> None:
    slots = replace(PAUSED, pause_until_ns=NOW + 30 * SECOND_NS)

    same_or_longer = refuse(slots, NOW, NOW - left_ago, asked, CAP)

    assert same_or_longer.pause_until_ns == max(slots.pause_until_ns, NOW + asked)
    assert replace(same_or_longer, pause_until_ns=slots.pause_until_ns) == slots


@pytest.mark.parametrize("gap", [0, 10 * MS, AT_ONCE_NS])
def test_the_pause_doubles_up_to_a_minute_while_the_first_request_after_it_is_refused(
    gap: int,
) -> None:
    assert pauses_seconds(9, FRESH, gap) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("gap", [AT_ONCE_NS + 1, SECOND_NS, CALM_NS - 60 * MS])
def test_the_pause_stays_the_same_when_requests_passed_first(gap: int) -> None:
    assert pauses_seconds(4, FRESH, gap) == [1, 1, 1, 1]
    assert pauses_seconds(4, PAUSED, gap)[1:] == [8, 8, 8]


def test_the_pause_is_a_second_again_after_a_calm() -> None:
    still = refused(PAUSED, NOW + CALM_NS - 60 * MS)
    again = refused(PAUSED, NOW + CALM_NS - 60 * MS + 1)

    assert (still.pause_ns, still.refused_since_ns) == (4 * SECOND_NS, PAUSED.refused_since_ns)
    assert (again.pause_ns, again.refused_since_ns) == (SECOND_NS, NOW + CALM_NS + 1)
    assert pauses_seconds(4, FRESH, CALM_NS) == [1, 1, 1, 1]


def test_a_429_that_was_on_its_way_for_longer_than_a_calm_begins_a_new_series() -> None:
    slots = refused(PAUSED, NOW, after_ns=CALM_NS + 1)

    assert (slots.pause_ns, slots.refused_since_ns) == (FIRST_PAUSE_NS, NOW + CALM_NS + 1)


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (0, 1 * SECOND_NS),
        (500 * MS, 1 * SECOND_NS),
        (7 * SECOND_NS, 7 * SECOND_NS),
        (60 * SECOND_NS, 60 * SECOND_NS),
        (61 * SECOND_NS, 60 * SECOND_NS),
        (10**9 * SECOND_NS, 60 * SECOND_NS),
    ],
)
def test_retry_after_is_honoured_up_to_a_minute_and_leaves_the_own_pause_as_it_is(
    asked: int, pause: int
) -> None:
    slots = refused(FRESH, NOW, asked_ns=asked)

    assert slots.pause_until_ns == NOW + 60 * MS + pause
    assert slots.pause_ns == FIRST_PAUSE_NS
    assert refused(slots, slots.pause_until_ns).pause_ns == 2 * FIRST_PAUSE_NS


def test_an_own_pause_is_not_shortened_by_retry_after() -> None:
    slots = refused(PAUSED, NOW, asked_ns=2 * SECOND_NS)

    assert slots.pause_until_ns == NOW + 60 * MS + 8 * SECOND_NS


def test_a_stale_retry_after_beyond_all_bounds_is_a_minute_too() -> None:
    slots = refuse(PAUSED, NOW, NOW - SECOND_NS, 10**9 * SECOND_NS, CAP)

    assert slots.pause_until_ns == NOW + LONGEST_PAUSE_NS


@pytest.mark.parametrize(
    ("cap", "slowed"), [(50, 42.5), (3, 2.55), (2, SLOWEST_PER_SECOND), (1, 1.0)]
)
def test_the_rate_is_multiplied_once_but_not_below_the_floor_or_a_cap_below_it(
    cap: int, slowed: float
) -> None:
    slots = refuse(FRESH, NOW, NOW, 0, cap)

    assert slots.slowed_to == rate(slots, NOW, cap) == pytest.approx(slowed)


@pytest.mark.parametrize(("cap", "floor"), [(50, SLOWEST_PER_SECOND), (2, 2.0), (1, 1.0)])
def test_however_many_429s_come_the_rate_stays_at_the_floor(cap: int, floor: float) -> None:
    slots, now_ns = FRESH, NOW
    rates = []
    for _ in range(40):
        slots = refuse(slots, now_ns, now_ns, 0, cap)
        now_ns = slots.pause_until_ns
        rates.append(rate(slots, now_ns, cap))

    assert all(after <= before for before, after in pairwise(rates))
    assert rates[-1] == min(rates) == floor


def test_the_rate_counts_from_what_it_had_climbed_to() -> None:
    slots = refused(PAUSED, NOW + 20 * SECOND_NS, after_ns=0)

    assert slots.slowed_to == pytest.approx(SLOWER * (30.0 + 20 * CLIMB_PER_SECOND))


@given(since=st.integers(-LONGEST_PAUSE_NS, 10**6 * SECOND_NS), cap=st.integers(1, 1000))
def test_the_climb_never_ends_above_the_cap(since: int, cap: int) -> None:
    assert rate(PAUSED, NOW + since, cap) <= cap
    assert rate(PAUSED, NOW + 3600 * SECOND_NS, cap) == min(cap, 30.0 + 3600 * CLIMB_PER_SECOND)


def test_a_pause_is_followed_by_a_probe_and_then_by_the_slowed_rate() -> None:
    slots = refused(FRESH, NOW)
    taken = []
    now_ns = begins = slots.pause_until_ns
    for _ in range(9):
        booking = book(slots, now_ns, BORN, CAP)
        assert booking.slot_ns is not None
        slots, now_ns = booking.slots, max(now_ns, booking.slot_ns)
        taken.append(booking.slot_ns - begins)

    probe, slowed = int(WINDOW_NS / PROBE_PER_SECOND), int(WINDOW_NS / (SLOWER * CAP))
    gaps = [after - before for before, after in pairwise(taken)]
    assert taken[0] == 0
    assert taken[2] < PROBE_NS <= taken[3]
    assert gaps[:4] == [probe] * 4  # the last of them was booked while the probe lasted
    assert gaps[4:] == pytest.approx([slowed] * 4, rel=0.001)


def test_the_pace_of_a_limiter_that_nothing_slows() -> None:
    assert pace(replace(FRESH, permits=12, asker=9), NOW + ELDEST_NS, CAP) == Pace(
        requests_per_second=50,
        cap=50,
        pause_seconds=0.0,
        last_pause_seconds=0.0,
        calm_seconds=0.0,
        refused_seconds=0.0,
        permits=12,
        asker=9,
        eldest=BORN,
    )
    assert not pace(FRESH, NOW, CAP).is_slowed


def test_the_pace_in_a_pause_and_after_it() -> None:
    during = pace(PAUSED, NOW - 1500 * MS, CAP)
    after = pace(PAUSED, NOW + 10 * SECOND_NS, CAP)
    long_after = pace(PAUSED, NOW + 1000 * SECOND_NS, CAP)

    assert (during.pause_seconds, during.calm_seconds, during.refused_seconds) == (1.5, 0.0, 6.5)
    assert (after.pause_seconds, after.calm_seconds, after.refused_seconds) == (0.0, 10.0, 18.0)
    assert (long_after.calm_seconds, long_after.refused_seconds) == (1000.0, 0.0)
    assert {told.last_pause_seconds for told in (during, after, long_after)} == {4.0}
    assert (during.requests_per_second, after.requests_per_second) == (30.0, 30.5)
    assert (after.is_slowed, long_after.is_slowed) == (True, False)


def test_the_pace_forgets_an_eldest_run_that_is_silent_for_a_second() -> None:
    assert pace(FRESH, NOW + ELDEST_NS, CAP).eldest == BORN
    assert pace(FRESH, NOW + ELDEST_NS + 1, CAP).eldest is None


def test_the_pace_of_an_unknown_past() -> None:
    told = pace(unknown_past(NOW), NOW, CAP)

    assert (told.requests_per_second, told.permits, told.eldest) == (50, 0, None)
    assert (told.pause_seconds, told.last_pause_seconds, told.refused_seconds) == (0.0, 0.0, 0.0)


STATES = st.builds(
    Slots,
    st.integers(NOW - 3600 * SECOND_NS, NOW + SECOND_NS),
    st.just(BORN),
    st.integers(NOW - 3600 * SECOND_NS, NOW),
    pause_until_ns=st.integers(NOW - 3600 * SECOND_NS, NOW + LONGEST_PAUSE_NS),
    pause_ns=st.one_of(st.just(0), st.integers(FIRST_PAUSE_NS, LONGEST_PAUSE_NS)),
    slowed_to=st.one_of(st.just(UNSLOWED), st.floats(SLOWEST_PER_SECOND, 1000.0)),
    refused_since_ns=st.integers(0, NOW),
)


@given(
    slots=STATES,
    left_ago=st.integers(0, 100 * SECOND_NS),
    asked=st.integers(0, 10**9 * SECOND_NS),
    cap=st.integers(1, 1000),
)
def test_every_state_made_of_a_plausible_one_is_plausible_and_slows_at_most_once(
    slots: Slots, left_ago: int, asked: int, cap: int
) -> None:
    after = refuse(slots, NOW, NOW - left_ago, asked, cap)
    told = pace(after, NOW, cap)

    assert is_plausible(slots, NOW)
    assert is_plausible(after, NOW)
    assert after.pause_until_ns >= slots.pause_until_ns - VOID_NS
    assert after.slowed_to >= min(slots.slowed_to, SLOWER * rate(slots, NOW, cap))
    assert refuse(after, NOW, NOW - left_ago, 0, cap) == after
    assert 0 <= told.pause_seconds <= LONGEST_PAUSE_NS / SECOND_NS
    assert told.refused_seconds >= 0
    assert told.requests_per_second <= cap

"""Two clocks and the road between them, simulated: what one call after the other tells of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tmdb_assets.limiter.redis_clock import DRIFT, ROUND_TRIPS, RedisClock
from tmdb_assets.limiter.slots import MS, SECOND_NS

HOUR_NS = 3600 * SECOND_NS
DIFFERENCE_NS = 1_790_000_000 * SECOND_NS
ROUNDING_NS = 1000
"""What each call may widen the brackets by, beside the drift."""

WAYS_NS = st.integers(0, 2 * SECOND_NS)
PAUSES_NS = st.integers(0, 60 * SECOND_NS)


@dataclass
class World:
    """A Redis whose clock is ahead and may go faster or slower than ours.

    Attributes:
        now_ns: the local time.
        ahead_ns: what Redis's clock shows beyond that.
        drift: how much faster it goes, as a share.
    """

    clock: RedisClock
    now_ns: int = 5_000 * SECOND_NS
    ahead_ns: int = DIFFERENCE_NS
    drift: float = 0.0

    def call(self, there_ns: int, back_ns: int, *, is_typical: bool = True) -> bool:
        """Ask Redis for its time; each way takes so long."""
        before_ns = self.now_ns
        self.wait(there_ns)
        told_ns = self.now_ns + self.ahead_ns
        self.wait(back_ns)
        return self.clock.note(before_ns, told_ns, self.now_ns, is_typical=is_typical)

    def wait(self, elapsed_ns: int) -> None:
        self.now_ns += elapsed_ns
        self.ahead_ns += int(elapsed_ns * self.drift)

    def error_ns(self) -> int:
        """Return how far the clock is off, for the present moment."""
        return abs(self.clock.local_ns(self.now_ns + self.ahead_ns) - self.now_ns)


@pytest.fixture
def world() -> World:
    return World(RedisClock())


def test_the_first_call_tells_the_difference_to_half_its_round_trip(world: World) -> None:
    assert world.call(3 * MS, 1 * MS)

    assert world.error_ns() == 1 * MS


def test_there_and_back_is_the_same_moment(world: World) -> None:
    world.call(1 * MS, 4 * MS)

    assert world.clock.redis_ns(world.clock.local_ns(DIFFERENCE_NS + 7)) == DIFFERENCE_NS + 7


def test_the_best_round_trip_decides_whatever_comes_later(world: World) -> None:
    world.call(400 * MS, 2 * MS)
    world.call(MS // 10, MS // 10)

    for _ in range(100):
        world.wait(20 * MS)
        assert world.call(500 * MS, 1 * MS)

    assert world.error_ns() <= MS // 10 + DRIFT * 103 * SECOND_NS + 101 * ROUNDING_NS


def test_slow_calls_of_opposite_kinds_know_more_than_the_best_of_them(world: World) -> None:
    world.call(50 * MS, 0)
    world.call(0, 50 * MS)

    assert world.error_ns() < 1 * MS


@given(ways=st.lists(st.tuples(WAYS_NS, WAYS_NS, PAUSES_NS), min_size=1, max_size=30))
def test_it_is_never_off_by_more_than_half_of_the_best_round_trip(
    ways: Sequence[tuple[int, int, int]],
) -> None:
    world = World(RedisClock())
    bounds_ns: list[float] = []

    for there_ns, back_ns, pause_ns in ways:
        grown_ns = DRIFT * (pause_ns + 2 * (there_ns + back_ns)) + ROUNDING_NS
        world.wait(pause_ns)
        assert world.call(there_ns, back_ns)
        bounds_ns = [bound + grown_ns for bound in bounds_ns] + [(there_ns + back_ns) / 2]

        assert world.error_ns() <= min(bounds_ns) + 1


@given(
    drift=st.floats(-400e-6, 400e-6),
    ways=st.lists(st.tuples(WAYS_NS, WAYS_NS, PAUSES_NS), min_size=1, max_size=30),
)
def test_clocks_that_drift_apart_slowly_have_not_jumped(
    drift: float, ways: Sequence[tuple[int, int, int]]
) -> None:
    world = World(RedisClock(), drift=drift)

    for there_ns, back_ns, pause_ns in ways:
        world.wait(pause_ns)
        assert world.call(there_ns, back_ns)


@pytest.mark.parametrize("drift", [-400e-6, 400e-6])
def test_a_drift_is_followed_for_an_hour_of_permits(world: World, drift: float) -> None:
    world.drift = drift
    ways = cycle([(1 * MS, 3 * MS), (MS // 2, MS // 2), (9 * MS, 0), (0, 40 * MS)])

    while world.now_ns < 5_000 * SECOND_NS + HOUR_NS:
        world.wait(100 * MS)
        assert world.call(*next(ways))
        assert world.error_ns() < 2 * MS


@given(
    jump_ns=st.integers(MS, HOUR_NS) | st.integers(-HOUR_NS, -MS),
    there_ns=st.integers(0, 50 * MS),
    back_ns=st.integers(0, 50 * MS),
    before_ns=st.integers(0, SECOND_NS),
)
def test_a_jump_of_either_clock_is_noticed_and_then_learned(
    jump_ns: int, there_ns: int, back_ns: int, before_ns: int
) -> None:
    world = World(RedisClock())
    world.call(MS // 10, MS // 10)
    world.wait(before_ns)
    slack_ns = int(DRIFT * (before_ns + there_ns + back_ns)) + ROUNDING_NS + MS // 5
    # what the road itself may explain: an answer that took so long on its way
    assume(not -there_ns - slack_ns <= jump_ns <= back_ns + slack_ns)

    world.ahead_ns += jump_ns

    assert not world.call(there_ns, back_ns)
    assert world.call(there_ns, back_ns)
    assert world.error_ns() <= (there_ns + back_ns) / 2 + 1


def test_a_jump_of_the_local_clock_is_noticed_too(world: World) -> None:
    world.call(MS, MS)

    world.now_ns += 10 * SECOND_NS
    world.ahead_ns -= 10 * SECOND_NS

    assert not world.call(MS, MS)
    assert world.call(MS, MS)


def test_the_round_trip_is_the_typical_one_whatever_a_hiccup_takes(world: World) -> None:
    assert world.clock.round_trip_ns == 0

    for _ in range(ROUND_TRIPS):
        world.call(2 * MS, 2 * MS)
        assert world.clock.round_trip_ns == 4 * MS
    for _ in range(ROUND_TRIPS // 2):
        world.call(900 * MS, 900 * MS)

    assert world.clock.round_trip_ns == 4 * MS


def test_a_road_that_becomes_slow_for_good_is_known_after_a_few_calls(world: World) -> None:
    for _ in range(1000):
        world.call(0, MS)

    for _ in range(ROUND_TRIPS // 2 + 1):
        world.call(20 * MS, 30 * MS)

    assert world.clock.round_trip_ns == 50 * MS


def test_a_call_that_had_to_connect_tells_nothing_of_the_round_trip(world: World) -> None:
    world.call(2 * MS, 2 * MS)
    world.call(500 * MS, 500 * MS, is_typical=False)

    assert world.clock.round_trip_ns == 4 * MS
    assert world.error_ns() <= MS + DRIFT * 2 * SECOND_NS

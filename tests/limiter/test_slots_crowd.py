"""The rules in a simulated crowd: processes that come, go, oversleep and forget."""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmdb_assets.limiter.slots import (
    ELDEST_NS,
    LATE_NS,
    MS,
    SILENCE_NS,
    VOID_NS,
    WINDOW_NS,
    Slots,
    book,
    is_plausible,
    unknown_past,
    write_back,
)

SECOND = 1000 * MS
CAP = 50
INTERVAL = WINDOW_NS // CAP

FullestSecond = Callable[[Iterable[int]], int]


@dataclass
class Process:
    """A run with more threads than it needs: whenever one has left, the next one books."""

    born: int
    start_ns: int = 0
    end_ns: int = 10**15
    slot_ns: int | None = None


class World:
    """Processes around one state, on a simulated clock; each does what `SlotBucket` does.

    `voids` and `writes_back` switch rules off, to show that the judge sees it.
    """

    def __init__(
        self,
        lateness: Callable[[], int] = lambda: 0,
        *,
        cap: int = CAP,
        voids: bool = True,
        writes_back: bool = True,
    ) -> None:
        self.departures: list[tuple[int, int]] = []
        self._lateness = lateness
        self._cap = cap
        self._voids = voids
        self._writes_back = writes_back
        self._slots: Slots | None = None

    @property
    def times(self) -> list[int]:
        return [time_ns for time_ns, _ in self.departures]

    def run(
        self, processes: Sequence[Process], until_ns: int, losses: Iterable[int] = ()
    ) -> "World":
        """Let them run; the state is lost at each of the `losses`; who is at its end is killed."""
        events = [(process.start_ns, number) for number, process in enumerate(processes)]
        events += [(lost_ns, -1) for lost_ns in losses]
        heapq.heapify(events)
        while events and events[0][0] <= until_ns:
            now_ns, number = heapq.heappop(events)
            if number < 0:
                self._slots = None
            elif now_ns < processes[number].end_ns:
                heapq.heappush(events, (self._wake(processes[number], now_ns), number))
        return self

    def _wake(self, process: Process, now_ns: int) -> int:
        """Leave if the slot has come in time, then book; return the time of the next wake-up."""
        if process.slot_ns is not None:
            late_ns = now_ns - process.slot_ns
            if late_ns <= VOID_NS or not self._voids:
                self.departures.append((now_ns, process.born))
                if late_ns > LATE_NS and self._writes_back:
                    self._slots = write_back(self._known(now_ns), late_ns)
        booking = book(self._known(now_ns), now_ns, process.born, self._cap)
        self._slots, process.slot_ns = booking.slots, booking.slot_ns
        whole_ms = -(-booking.wait_ns // MS) * MS
        sleep_ns = whole_ms if booking.slot_ns is None else booking.wait_ns
        return now_ns + sleep_ns + self._lateness()

    def _known(self, now_ns: int) -> Slots:
        """Return the state as a store reads it."""
        if self._slots is None or not is_plausible(self._slots, now_ns):
            return unknown_past(now_ns)
        return self._slots


def sleeper(random: Random, share: float, worst: Sequence[int]) -> Callable[[], int]:
    """Make the lateness of a machine on which a share of all wake-ups is late."""

    def lateness() -> int:
        if random.random() >= share:
            return random.randrange(300_000)
        return random.randrange(random.choice(worst))

    return lateness


MILLISECONDS = st.integers(0, 6000).map(lambda milliseconds: milliseconds * MS)
CROWDS = st.lists(
    st.builds(
        lambda born, start_ns, life_ns: Process(born, start_ns, start_ns + life_ns),
        st.integers(0, 20),
        MILLISECONDS,
        st.one_of(MILLISECONDS, st.just(10**15)),
    ),
    min_size=1,
    max_size=12,
)
# seeded by what hypothesis draws, so that a failure can be run again
RANDOMS = st.randoms(use_true_random=True)
ANY_LATENESS = (4 * MS, 20 * MS + 1, 25 * MS, 600 * MS, 3000 * MS)


@settings(max_examples=100)
@given(
    crowd=CROWDS,
    losses=st.lists(MILLISECONDS, max_size=2),
    random=RANDOMS,
    share=st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]),
)
def test_no_crowd_sends_more_than_the_cap_in_any_second(
    crowd: list[Process],
    losses: list[int],
    random: Random,
    share: float,
    fullest_second: FullestSecond,
) -> None:
    world = World(sleeper(random, share, ANY_LATENESS)).run(crowd, 9 * SECOND, losses)

    assert fullest_second(world.times) <= CAP


@settings(max_examples=100)
@given(born=st.lists(st.integers(0, 20), min_size=1, max_size=12), random=RANDOMS)
def test_departures_that_are_all_as_late_as_can_be_stay_under_the_cap(
    born: list[int], random: Random, fullest_second: FullestSecond
) -> None:
    crowd = [Process(number) for number in born]

    world = World(lambda: random.choice((0, VOID_NS - 1, VOID_NS, VOID_NS + 1))).run(
        crowd, 6 * SECOND
    )

    assert 2 <= fullest_second(world.times) <= CAP


@settings(max_examples=40)
@given(crowd=st.lists(st.tuples(st.integers(0, 20), MILLISECONDS), max_size=11))
def test_with_nobody_late_the_whole_rate_is_used(
    crowd: list[tuple[int, int]], fullest_second: FullestSecond
) -> None:
    processes = [Process(10), *(Process(born, start_ns) for born, start_ns in crowd)]

    times = World().run(processes, SILENCE_NS + 6 * SECOND).times

    assert times[0] == SILENCE_NS
    assert len(times) >= 0.99 * 6 * CAP * SECOND / WINDOW_NS
    assert min(after - before for before, after in pairwise(times)) >= INTERVAL
    assert fullest_second(times) == CAP


@settings(max_examples=40)
@given(crowd=st.lists(st.tuples(st.integers(1, 20), MILLISECONDS), max_size=11), start=MILLISECONDS)
def test_with_nobody_late_the_eldest_run_gets_every_slot_it_asks_for(
    crowd: list[tuple[int, int]], start: int
) -> None:
    processes = [Process(0, start), *(Process(born, start_ns) for born, start_ns in crowd)]

    departures = World().run(processes, start + SILENCE_NS + 2 * SECOND).departures

    first = next(place for place, (_, born) in enumerate(departures) if born == 0)
    assert departures[first][0] - start <= SILENCE_NS
    assert all(born == 0 for _, born in departures[first:])
    assert len(departures[first:]) >= 0.99 * 2 * CAP * SECOND / WINDOW_NS


@settings(max_examples=40)
@given(
    lives=st.lists(st.integers(1200, 3000), min_size=1, max_size=5),
    random=RANDOMS,
    share=st.sampled_from([0.0, 0.1]),
)
def test_every_run_gets_its_turn_when_its_elders_stop(
    lives: list[int], random: Random, share: float
) -> None:
    ends = [SILENCE_NS + sum(lives[: place + 1]) * MS for place in range(len(lives))]
    processes = [Process(born, end_ns=end_ns) for born, end_ns in enumerate(ends)]
    random.shuffle(processes)

    departures = World(sleeper(random, share, (10 * MS,))).run(processes, ends[-1]).departures

    for born, stopped_ns in enumerate([SILENCE_NS, *ends[:-1]]):
        own = [time_ns for time_ns, whose in departures if whose == born and time_ns >= stopped_ns]
        assert own
        assert own[0] - stopped_ns <= ELDEST_NS + 150 * MS


@pytest.mark.parametrize(
    ("runs", "lateness", "broken"),
    [
        (1, (0,), {"cap": CAP + 1}),
        (12, (0,) * 29 + (1100 * MS,), {"voids": False}),
        (1, (0,) * 59 + (VOID_NS,), {"writes_back": False}),
    ],
    ids=["a cap of 51", "no void slots", "nothing written back"],
)
def test_the_judge_sees_a_rule_that_is_missing(
    runs: int, lateness: tuple[int, ...], broken: dict[str, Any], fullest_second: FullestSecond
) -> None:
    def fullest(**missing: Any) -> int:
        world = World(partial(next, cycle(lateness)), **missing)
        world.run([Process(born) for born in range(runs)], 60 * SECOND)
        return fullest_second(world.times)

    assert fullest() <= CAP
    assert fullest(**broken) > CAP


def test_the_judge_counts_a_second_half_open(fullest_second: FullestSecond) -> None:
    assert fullest_second([]) == 0
    assert fullest_second([SECOND, 0]) == 1
    assert fullest_second([SECOND - 1, 0]) == 2
    assert fullest_second([0, 10, 10, SECOND + 9, SECOND + 10]) == 3

"""The rules against servers that refuse, five minutes each on a simulated clock."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import pytest

from tmdb_assets.limiter.cooldown import FIRST_PAUSE_NS, is_news, refuse
from tmdb_assets.limiter.slots import MS, SECOND_NS, Slots, book, unknown_past

CAP = 50
BORN = 1
LENGTH_NS = 300 * SECOND_NS
ANSWER_NS = 60 * MS

Server = Callable[[int], bool]
Refuse = Callable[[Slots, int, int, int, int], Slots]


class Bucket:
    """A server that allows so many requests a second, and as many at once."""

    def __init__(self, per_second: float, capacity: float) -> None:
        self._per_second = per_second
        self._tokens = self._capacity = capacity
        self._at_ns = 0

    def __call__(self, now_ns: int) -> bool:
        """Say whether a request is accepted now."""
        gained = (now_ns - self._at_ns) * self._per_second / SECOND_NS
        self._tokens, self._at_ns = min(self._capacity, self._tokens + gained), now_ns
        is_accepted = self._tokens >= 1
        self._tokens -= is_accepted
        return is_accepted


class Banning:
    """A server whose ban is prolonged by each request that comes meanwhile."""

    def __init__(self, server: Server, ban_ns: int) -> None:
        self._server = server
        self._ban_ns = ban_ns
        self._until_ns = 0

    def __call__(self, now_ns: int) -> bool:
        """Say whether a request is accepted now."""
        if now_ns >= self._until_ns and self._server(now_ns):
            return True
        self._until_ns = now_ns + self._ban_ns
        return False


@dataclass
class Tally:
    """What came of five minutes."""

    accepted: int = 0
    refused: int = 0
    last_accepted_ns: int = 0

    @property
    def per_second(self) -> float:
        return self.accepted * SECOND_NS / LENGTH_NS


@dataclass
class Process:
    """A run with threads enough; a booking made before its last news is void."""

    news: int = 0


class World:
    """Processes that share one state and send to one server, which answers after a moment.

    They are all of the same age, so that each of them books ahead.
    """

    def __init__(
        self,
        server: Server,
        heed: Refuse = refuse,
        *,
        processes: int = 1,
        answer_ns: int = ANSWER_NS,
    ) -> None:
        self.tally = Tally()
        self._server = server
        self._heed = heed
        self._answer_ns = answer_ns
        self._slots = unknown_past(0)
        self._order = count()
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        for _ in range(processes):
            self._ask(0, Process())

    def go(self) -> Tally:
        while self._events[0][0] <= LENGTH_NS:
            now_ns, _, act = heapq.heappop(self._events)
            act(now_ns)
        return self.tally

    def _at(self, when_ns: int, act: Callable[[int], None]) -> None:
        heapq.heappush(self._events, (when_ns, next(self._order), act))

    def _ask(self, now_ns: int, process: Process) -> None:
        booking = book(self._slots, now_ns, BORN, CAP)
        self._slots = booking.slots
        then = self._ask if booking.slot_ns is None else self._send
        known = process.news

        def wake(woken_ns: int) -> None:
            if process.news == known:
                then(woken_ns, process)

        self._at(now_ns + booking.wait_ns, wake)

    def _send(self, now_ns: int, process: Process) -> None:
        if self._server(now_ns):
            self.tally.accepted += 1
            self.tally.last_accepted_ns = now_ns
        else:
            self.tally.refused += 1
            self._at(now_ns + self._answer_ns, lambda told_ns: self._hear(told_ns, now_ns, process))
        self._ask(now_ns, process)

    def _hear(self, now_ns: int, left_ns: int, process: Process) -> None:
        begins_a_pause = is_news(self._slots, left_ns)
        self._slots = self._heed(self._slots, now_ns, left_ns, 0, CAP)
        if begins_a_pause:
            process.news += 1
            self._ask(now_ns, process)


def never_longer(slots: Slots, now_ns: int, left_ns: int, asked_ns: int, cap: int) -> Slots:
    """Break the rule on purpose: each pause is as short as the first."""
    heeded = refuse(slots, now_ns, left_ns, asked_ns, cap)
    if heeded == slots:
        return slots
    return replace(heeded, pause_until_ns=now_ns + FIRST_PAUSE_NS, pause_ns=FIRST_PAUSE_NS)


def back_at_the_cap(slots: Slots, now_ns: int, left_ns: int, asked_ns: int, cap: int) -> Slots:
    """Break the rule on purpose: after a pause the rate is the cap again."""
    return replace(refuse(slots, now_ns, left_ns, asked_ns, cap), slowed_to=cap)


def test_a_server_that_allows_more_than_the_cap_is_used_at_the_cap() -> None:
    tally = World(Bucket(60, 60)).go()

    assert tally.refused == 0
    assert tally.per_second >= 0.99 * 49.5


@pytest.mark.parametrize("processes", [1, 4])
def test_a_server_that_allows_40_a_second_hardly_ever_refuses_and_is_nearly_used_up(
    processes: int,
) -> None:
    tally = World(Bucket(40, 40), processes=processes).go()

    assert 1 <= tally.refused <= 8
    assert tally.per_second >= 37


def test_the_same_without_a_slower_rate_is_refused_over_and_over() -> None:
    assert World(Bucket(40, 40), back_at_the_cap).go().refused > 8


def test_a_server_that_allows_10_a_second_is_used_up() -> None:
    tally = World(Bucket(10, 10)).go()

    assert tally.per_second >= 9


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("ban_seconds", [2, 20, 50])
def test_a_ban_that_each_further_request_prolongs_is_left_behind(
    ban_seconds: int, processes: int
) -> None:
    server = Banning(Bucket(40, 40), ban_seconds * SECOND_NS)

    tally = World(server, processes=processes).go()

    # when a pause begins, each of the others may have one booking out
    assert 1 <= tally.refused <= 20 + 8 * (processes - 1)
    assert tally.last_accepted_ns > LENGTH_NS - 2 * SECOND_NS
    assert tally.per_second > 10


@pytest.mark.parametrize("ban_seconds", [2, 20, 50])
def test_with_a_pause_that_never_doubles_nothing_gets_out_of_such_a_ban(ban_seconds: int) -> None:
    server = Banning(Bucket(40, 40), ban_seconds * SECOND_NS)

    tally = World(server, never_longer).go()

    assert tally.refused > 20
    assert tally.last_accepted_ns < 10 * SECOND_NS


def test_answers_that_take_seconds_slow_down_once_for_each_pause() -> None:
    tally = World(Bucket(40, 40), answer_ns=2300 * MS).go()

    assert tally.refused <= 50
    assert tally.per_second >= 37

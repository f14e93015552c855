import logging
from typing import cast

import pytest

from tmdb_assets.backlog import Backlog, Task
from tmdb_assets.errors import OutageError
from tmdb_assets.model import Attempt, Fault, Target
from tmdb_assets.outage import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    OUTAGE_SECONDS,
    TRUST_SECONDS,
    UNANSWERED,
    UNREACHED,
    Outage,
)


class FakeBacklog:
    """Notes for how long it is held: None when it was released."""

    def __init__(self) -> None:
        self.holds: list[float | None] = []
        self.probes: set[Target] = set()

    def hold(self, seconds: float, probe: Target) -> None:
        self.holds.append(seconds)
        self.probes.add(probe)

    def release(self) -> None:
        self.holds.append(None)


PROBE = Task(Target("https://api.themoviedb.org/3/configuration", "probe"), is_probe=True)
TASK = Task(Target("https://api.themoviedb.org/3/movie/550", "movie-550"))


class World:
    """An outage breaker over a fake backlog, with a clock to turn."""

    def __init__(self) -> None:
        self.now = 100.0
        self.backlog = FakeBacklog()
        self.outage = Outage(cast("Backlog", self.backlog), lambda: self.now)

    def fails(self, task: Task = TASK, *, is_sent: bool = False) -> bool:
        """Have an attempt fail; say whether an outage is to blame."""
        sent_at = (1.0,) if is_sent else ()
        attempt = Attempt(None, b"", "", None, Fault.CONNECTION_REFUSED, sent_at, 0.1)
        return self.outage.failed(task, attempt, "connection refused")


@pytest.fixture
def world() -> World:
    return World()


def test_connections_that_do_not_come_up_open_it_whatever_url_they_were_for(world: World) -> None:
    to_blame = [world.fails() for _ in range(UNREACHED + 2)]

    assert to_blame == [False] * (UNREACHED - 1) + [True] * 3
    assert world.backlog.holds == [FIRST_PAUSE_SECONDS]


def test_requests_without_an_answer_open_it_when_there_are_many_in_a_row(world: World) -> None:
    to_blame = [world.fails(is_sent=True) for _ in range(UNANSWERED)]

    assert to_blame == [False] * (UNANSWERED - 1) + [True]
    assert world.backlog.probes == {PROBE.target}


def test_an_answer_in_between_begins_the_count_anew(world: World) -> None:
    for number in range(5 * UNANSWERED):
        assert not world.fails(is_sent=number % 2 == 0)
        assert not world.fails()
        world.outage.answered(TASK)

    assert world.backlog.holds == []


def test_right_after_an_answered_probe_what_fails_is_the_fault_of_its_url(world: World) -> None:
    for _ in range(UNANSWERED):
        world.fails(is_sent=True)
    world.outage.answered(PROBE)
    world.now += TRUST_SECONDS - 0.1

    assert not any(world.fails(is_sent=True) for _ in range(5 * UNANSWERED))

    world.now += 0.1

    assert [world.fails(is_sent=True) for _ in range(UNANSWERED)][-1]


def test_a_connection_that_does_not_come_up_is_never_the_fault_of_a_url(world: World) -> None:
    for _ in range(UNREACHED):
        world.fails()
    world.outage.answered(PROBE)

    assert [world.fails() for _ in range(UNREACHED)][-1]


def test_probes_come_after_pauses_that_double_up_to_a_bound(world: World) -> None:
    for _ in range(UNREACHED):
        world.fails()
    for _ in range(7):
        assert world.fails(PROBE)

    assert world.backlog.holds == [1.0, 2.0, 4.0, 8.0, 16.0] + [LONGEST_PAUSE_SECONDS] * 3


def test_what_was_in_flight_when_it_opened_does_not_prolong_the_pause(world: World) -> None:
    for _ in range(UNREACHED):
        world.fails()
    for _ in range(160):
        assert world.fails(is_sent=True)

    assert world.backlog.holds == [FIRST_PAUSE_SECONDS]


def test_the_first_answer_ends_it_and_its_length_is_kept(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(UNREACHED):
        world.fails()
    world.now += 12.0
    world.outage.answered(TASK)
    world.outage.answered(TASK)

    assert world.backlog.holds == [FIRST_PAUSE_SECONDS, None]
    assert world.outage.seconds == [12.0]
    opened, closed = (record.getMessage() for record in caplog.records)
    assert opened.startswith("TMDB does not answer (connection refused): nothing is sent but ")
    assert closed == "TMDB answers again after 12 s: going on"
    assert not world.fails()


def test_after_ten_minutes_the_run_ends_and_says_why(world: World) -> None:
    for _ in range(UNREACHED):
        world.fails()
    world.now += OUTAGE_SECONDS - 1
    assert world.fails(PROBE)
    world.now += 1

    with pytest.raises(OutageError, match=r"for 600 s \(connection refused\): all that was"):
        world.fails(PROBE)


def test_the_words_tell_how_long_and_what_comes_next(world: World) -> None:
    assert world.outage.words() == ""
    for _ in range(UNREACHED):
        world.fails()
    world.now += 0.4

    assert world.outage.words() == (
        "no answer from TMDB for 0 s (connection refused), next look in 1 s"
    )

    world.now += 30.0
    assert world.outage.words().endswith("for 30 s (connection refused), next look in 0 s")

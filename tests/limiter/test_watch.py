"""What is seen of a limiter from outside."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.fake_pacer import AT_FULL_RATE
from tests.limiter.fake_store import FakeStore
from tests.limiter.file_limiter import SECOND, FakeClock, first_slot
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.watch import LOOK_SECONDS, WATCH_SECONDS, Sighting, watch

QUIET = replace(AT_FULL_RATE, eldest=None)


class Watched(FakeStore):
    """A store that stands like this at one look after the other, and then stays so.

    Its time passes while the watcher sleeps, and by so much with each look.
    """

    def __init__(self, paces: Iterable[Pace], look_seconds: float = 0.0) -> None:
        super().__init__()
        self.looked_at: list[float] = []
        self.seconds = 100.0
        self._paces = list(paces)
        self._look_seconds = look_seconds

    def pace(self) -> Pace:
        self.check_open()
        self.looked_at.append(self.seconds)
        self.seconds += self._look_seconds
        if len(self._paces) > 1:
            return self._paces.pop(0)
        return self._paces[0]

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def seen(store: Watched, seconds: float = WATCH_SECONDS) -> Sighting:
    return watch(store, seconds, clock=lambda: store.seconds, sleep=store.sleep)


def counting(*permits: int) -> list[Pace]:
    return [replace(AT_FULL_RATE, permits=number) for number in permits]


def asking(*runs: tuple[int | None, int]) -> list[Pace]:
    return [replace(AT_FULL_RATE, eldest=eldest, asker=asker) for eldest, asker in runs]


def test_a_limiter_that_nobody_uses_is_seen_to_rest() -> None:
    sighting = seen(Watched([QUIET]))

    assert sighting == Sighting("a fake", QUIET, 0, sighting.seconds, ())
    assert sighting.seconds == pytest.approx(WATCH_SECONDS, abs=2 * LOOK_SECONDS)
    assert sighting.waiting == 0


def test_a_limiter_is_looked_at_more_often_than_slots_come_for_a_second() -> None:
    store = Watched([AT_FULL_RATE])

    seen(store)

    gaps = [after - before for before, after in pairwise(store.looked_at)]
    assert gaps[1:] == pytest.approx([LOOK_SECONDS] * len(gaps[1:]))
    assert store.looked_at[-1] - store.looked_at[0] == pytest.approx(WATCH_SECONDS, abs=0.01)
    assert LOOK_SECONDS < 0.02


def test_watching_takes_no_permit_and_changes_nothing() -> None:
    store = Watched([AT_FULL_RATE])

    seen(store)

    assert store.calls == []


def test_permits_are_counted_from_the_first_look_to_the_last() -> None:
    sighting = seen(Watched(counting(1000, 1000, 1010, 1049)))

    assert (sighting.permits, sighting.pace.permits) == (49, 1049)


def test_a_state_that_is_begun_anew_meanwhile_counts_from_zero() -> None:
    assert seen(Watched(counting(1000, 1010, 0, 7))).permits == 7


def test_whoever_asks_is_seen_once_eldest_first() -> None:
    sighting = seen(Watched(asking((5, 5), (5, 9), (5, 5), (5, 7), (5, 9))))

    assert sighting.runs == (5, 7, 9)
    assert sighting.waiting == 2


def test_one_run_waits_for_nobody() -> None:
    sighting = seen(Watched(asking((5, 5))))

    assert (sighting.runs, sighting.waiting) == ((5,), 0)


def test_whoever_asked_long_ago_is_not_seen() -> None:
    assert seen(Watched(asking((None, 5), (None, 5)))).runs == ()
    assert seen(Watched(asking((None, 5), (None, 5), (7, 7)))).runs == (7,)


def test_the_pace_is_the_last_one() -> None:
    paused = replace(AT_FULL_RATE, pause_seconds=3.0)

    assert seen(Watched([AT_FULL_RATE, AT_FULL_RATE, paused])).pace == paused


def test_a_store_that_is_slow_to_look_at_is_not_watched_for_much_longer() -> None:
    store = Watched([AT_FULL_RATE], look_seconds=0.3)

    sighting = seen(store)

    assert sighting.seconds == pytest.approx(1.212)
    assert len(store.looked_at) == 4


def test_no_time_at_all_is_one_look() -> None:
    store = Watched(counting(12))

    sighting = seen(store, 0.0)

    assert (sighting.permits, sighting.seconds, sighting.runs) == (0, 0.0, ())
    assert len(store.looked_at) == 1


def test_an_error_of_the_first_look_is_raised() -> None:
    store = Watched([AT_FULL_RATE])
    store.failure = LimiterUnavailableError("gone")

    with pytest.raises(LimiterUnavailableError, match="gone"):
        seen(store)


def test_an_error_of_a_later_look_is_raised() -> None:
    store = Watched([AT_FULL_RATE])

    def sleep(seconds: float) -> None:
        store.sleep(seconds)
        store.failure = LimiterUnavailableError("gone")

    with pytest.raises(LimiterUnavailableError, match="gone"):
        watch(store, clock=lambda: store.seconds, sleep=sleep)
    assert len(store.looked_at) == 1


def test_two_runs_on_one_file_are_seen_from_a_third_store(path: Path, clock: FakeClock) -> None:
    runs = [FileStore(path, 50, born=born, clock=clock) for born in (3, 8)]
    watcher = FileStore(path, 50, clock=clock)
    first_slot(runs[0], clock)
    due_ns = dict.fromkeys(runs, clock.monotonic)

    def sleep(seconds: float) -> None:
        clock.move(int(seconds * SECOND))
        for run in runs:
            if due_ns[run] <= clock.monotonic:
                due_ns[run] = clock.monotonic + run.book()[1]

    sighting = watch(watcher, clock=lambda: clock.monotonic / SECOND, sleep=sleep)

    assert sighting.store == f"file '{path}'"
    assert sighting.runs == (3, 8)
    assert 48 <= sighting.permits <= 51
    for store in (*runs, watcher):
        store.close()

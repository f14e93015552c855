"""Runs on one real file under everything that can befall them, on a simulated clock."""

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.limiter.file_limiter import SECOND, FakeClock
from tmdb_assets.limiter.cooldown import FIRST_PAUSE_NS, Pace
from tmdb_assets.limiter.file_record import RECORD_BYTES
from tmdb_assets.limiter.file_store import FOREIGN_RECORDS, FOREIGN_SECONDS, FileStore
from tmdb_assets.limiter.slots import (
    AHEAD_NS,
    ELDEST_NS,
    LATE_NS,
    LONGEST_PAUSE_NS,
    MS,
    SILENCE_NS,
    VOID_NS,
)

CAP = 50
MOST_RUNS = 6
HOUR = 3600 * SECOND

FullestSecond = Callable[[Iterable[int]], int]

WHICH = st.integers(0, MOST_RUNS - 1)
MOMENTS = st.integers(0, 2500)
"""Milliseconds that pass after something happened: at times less than a silence, at times more."""
OVERSLEEPS = st.one_of(
    st.integers(0, VOID_NS + MS),
    st.sampled_from([LATE_NS, LATE_NS + 1, VOID_NS, VOID_NS + 1]),
    st.integers(0, 3 * SECOND),
)


@dataclass
class Run:
    """A process with more threads than it needs: whenever one has left, the next one books."""

    store: FileStore
    wake_ns: int
    slot_ns: int | None = None
    not_before_ns: int = 0


class Machine(RuleBasedStateMachine):
    """What `SlotBucket` and `Door` do for each run, and what the world does to them."""

    def __init__(
        self,
        judge: FullestSecond,
        make_store: Callable[..., FileStore] = FileStore,
        cap: int = CAP,
    ) -> None:
        super().__init__()
        self._judge = judge
        self._make_store = make_store
        self._cap = cap
        self._folder = TemporaryDirectory()
        self._path = Path(self._folder.name) / "limiter"
        self._clock = FakeClock()
        self._runs: list[Run] = []
        self._departures: list[int] = []
        self._oversleeps = cycle([0])
        self._pause_until_ns = 0
        self._steps: list[int] = []

    @initialize(runs=st.integers(1, MOST_RUNS))
    def some_runs_are_at_work(self, runs: int) -> None:
        for _ in range(runs):
            self._begin()
        self.time_passes(3000)

    @precondition(lambda self: len(self._runs) < MOST_RUNS)
    @rule(then_ms=MOMENTS)
    def another_run_begins(self, then_ms: int) -> None:
        self._begin()
        self.time_passes(then_ms)

    def _begin(self) -> None:
        store = self._make_store(self._path, self._cap, clock=self._clock)
        self._runs.append(Run(store, self._clock.monotonic))

    @rule(passes_ms=st.one_of(MOMENTS, st.sampled_from([2000, 5000, 20_000])))
    def time_passes(self, passes_ms: int) -> None:
        until_ns = self._clock.monotonic + passes_ms * MS
        while (first := min(self._runs, key=lambda each: each.wake_ns)).wake_ns <= until_ns:
            self._clock.move(max(0, first.wake_ns - self._clock.monotonic))
            self._wake(first)
        self._clock.move(until_ns - self._clock.monotonic)

    @rule(oversleeps=st.lists(OVERSLEEPS, min_size=1, max_size=5), others=st.integers(0, 20))
    def the_machine_oversleeps_now_and_then(self, oversleeps: Sequence[int], others: int) -> None:
        self._oversleeps = cycle([*oversleeps, *[0] * others])

    @rule(which=WHICH, oversleep_ns=OVERSLEEPS, then_ms=MOMENTS)
    def a_run_oversleeps(self, which: int, oversleep_ns: int, then_ms: int) -> None:
        self._run(which).wake_ns += oversleep_ns
        self.time_passes(then_ms)

    @precondition(lambda self: self._departures)
    @rule(
        which=WHICH,
        back=st.integers(0, 60),
        asked_seconds=st.sampled_from([0, 0, 0, 1, 5, 60, 10**9]),
        then_ms=MOMENTS,
    )
    def a_request_was_refused(
        self, which: int, back: int, asked_seconds: int, then_ms: int
    ) -> None:
        run = self._run(which)
        left_ns = self._departures[-1 - min(back, len(self._departures) - 1)]
        told = run.store.refused(left_ns, asked_seconds * SECOND)

        pause_ns = round(told.pause_seconds * SECOND)
        until_ns = self._clock.monotonic + pause_ns
        assert until_ns >= self._pause_until_ns
        self._pause_until_ns = until_ns if pause_ns else self._pause_until_ns
        if told.is_news:
            assert max(FIRST_PAUSE_NS, min(asked_seconds, 60) * SECOND) <= pause_ns
            assert pause_ns <= LONGEST_PAUSE_NS
            run.slot_ns, run.wake_ns = None, self._clock.monotonic
        self.time_passes(then_ms)

    @rule(which=WHICH, then_ms=MOMENTS)
    def a_run_crashes_and_another_begins(self, which: int, then_ms: int) -> None:
        crashed = self._run(which)
        crashed.store.close()
        self._runs.remove(crashed)
        self._begin()
        self.time_passes(then_ms)

    # so many steps in a minute would be taken for two hosts
    @precondition(
        lambda self: (
            sum(
                self._clock.monotonic - step_ns <= 2 * FOREIGN_SECONDS * SECOND
                for step_ns in self._steps
            )
            < FOREIGN_RECORDS - 1
        )
    )
    @rule(
        by_ns=st.one_of(st.integers(-3 * SECOND, 3 * SECOND), st.integers(-HOUR, HOUR)),
        then_ms=MOMENTS,
    )
    def the_wall_clock_steps(self, by_ns: int, then_ms: int) -> None:
        self._steps.append(self._clock.monotonic)
        self._clock.wall += by_ns
        self._pause_until_ns = 0  # with all the rest of the past
        self.time_passes(then_ms)

    @rule(
        damage=st.one_of(st.sampled_from(["deleted", "replaced"]), st.binary(max_size=200)),
        then_ms=MOMENTS,
    )
    def the_file_is_lost(self, damage: str | bytes, then_ms: int) -> None:
        if isinstance(damage, bytes):
            self._path.write_bytes(damage)
        elif damage == "deleted":
            self._path.unlink(missing_ok=True)
        elif self._path.exists():
            copy = self._path.with_name("copy")
            shutil.copyfile(self._path, copy)
            copy.rename(self._path)
        self._pause_until_ns = 0
        self.time_passes(then_ms)

    @precondition(lambda self: self._path.exists())
    @rule(length=st.integers(0, RECORD_BYTES - 1), then_ms=MOMENTS)
    def the_file_is_truncated(self, length: int, then_ms: int) -> None:
        os.truncate(self._path, min(length, self._path.stat().st_size))
        self._pause_until_ns = 0
        self.time_passes(then_ms)

    @invariant()
    def never_more_than_the_cap(self) -> None:
        assert self._judge(self._departures) <= CAP

    def teardown(self) -> None:
        try:
            self._check_that_every_run_still_gets_a_permit()
            self.never_more_than_the_cap()
        finally:
            for run in self._runs:
                run.store.close()
            self._folder.cleanup()

    def _run(self, which: int) -> Run:
        return self._runs[which % len(self._runs)]

    def _wake(self, run: Run) -> None:
        """Leave if the slot has come in time, then book."""
        now_ns = self._clock.monotonic
        if run.slot_ns is not None and now_ns - run.slot_ns <= VOID_NS:
            assert run.not_before_ns <= now_ns, "left in a pause"
            self._departures.append(now_ns)
            if now_ns - run.slot_ns > LATE_NS:
                run.store.write_back(now_ns - run.slot_ns)
        run.slot_ns, wait_ns = run.store.book()
        run.not_before_ns = self._pause_until_ns
        assert 0 <= wait_ns <= AHEAD_NS
        assert wait_ns > 0 or run.slot_ns is not None
        run.wake_ns = now_ns + wait_ns + next(self._oversleeps)

    def _check_that_every_run_still_gets_a_permit(self) -> None:
        """Let one after the other be the only one that asks."""
        for run in self._runs:
            started_ns = self._clock.monotonic
            slot_ns = None
            while slot_ns is None:
                slot_ns, wait_ns = run.store.book()
                self._clock.move(wait_ns)
                waited_ns = self._clock.monotonic - started_ns
                assert waited_ns <= LONGEST_PAUSE_NS + SILENCE_NS + ELDEST_NS
            self._departures.append(self._clock.monotonic)


class DeafStore(FileStore):
    """Says that everybody pauses for a minute, and tells nobody."""

    def refused(self, left_ns: int, asked_ns: int) -> Pace:
        """Return the pace that it should be."""
        del left_ns, asked_ns
        return replace(self.pace(), is_news=True, pause_seconds=60.0)


QUICK = settings(max_examples=60, stateful_step_count=15)
BROKEN = settings(
    max_examples=200,
    stateful_step_count=20,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    database=None,
)


def run(machine: Callable[[], Machine], how: settings) -> None:
    # it takes any factory, though it says a class
    run_state_machine_as_test(machine, settings=how)  # type: ignore[arg-type]


def test_whatever_happens_the_cap_and_the_pauses_hold_and_nobody_is_stuck(
    fullest_second: FullestSecond,
) -> None:
    run(lambda: Machine(fullest_second), QUICK)


@pytest.mark.parametrize(
    ("make_store", "cap", "complaint"),
    [(FileStore, CAP + 1, "51 <= 50"), (DeafStore, CAP, "left in a pause")],
)
def test_the_judge_sees_a_limiter_that_is_broken(
    fullest_second: FullestSecond,
    make_store: Callable[..., FileStore],
    cap: int,
    complaint: str,
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        run(lambda: Machine(fullest_second, make_store, cap), BROKEN)

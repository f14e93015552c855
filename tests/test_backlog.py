import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tmdb_assets.backlog import LONGEST_WAIT_SECONDS, Backlog, Task
from tmdb_assets.model import Target

SOON_SECONDS = 10.0
"""Bound of what has to come at once, on a busy machine."""


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def targets(count: int) -> list[Target]:
    return [
        Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
        for number in range(count)
    ]


def taken(backlog: Backlog) -> Task:
    task = backlog.take()
    assert task is not None
    return task


def test_targets_come_in_their_order_as_tasks_never_tried() -> None:
    backlog = Backlog(targets(3))

    tasks = [taken(backlog) for _ in range(3)]

    assert [task.target for task in tasks] == targets(3)
    assert tasks[0] == Task(targets(3)[0], tries=0, sent_at=[])


def test_without_targets_there_is_nothing_to_take() -> None:
    assert Backlog([]).take() is None


def test_a_task_whose_pause_is_not_over_lets_the_others_go_first() -> None:
    clock = FakeClock()
    backlog = Backlog(targets(2), clock)
    backlog.put_back(taken(backlog), 5.0, "timed out")
    clock.now += 4.9

    task = taken(backlog)

    assert task.target.name == "movie-1"


def test_a_task_whose_pause_is_over_goes_before_those_never_tried() -> None:
    clock = FakeClock()
    backlog = Backlog(targets(3), clock)
    first = taken(backlog)
    backlog.put_back(first, 5.0, "timed out")
    clock.now += 5.0

    tasks = [taken(backlog), taken(backlog)]

    assert tasks[0] is first
    assert tasks[1].target.name == "movie-1"


def test_of_several_pauses_the_one_that_ended_first_goes_first() -> None:
    clock = FakeClock()
    backlog = Backlog(targets(4), clock)
    for pause_seconds in (30.0, 10.0, 20.0, 10.0):
        backlog.put_back(taken(backlog), pause_seconds, "timed out")
    clock.now += 60.0

    tasks = [taken(backlog).target.name for _ in range(4)]

    assert tasks == ["movie-1", "movie-3", "movie-2", "movie-0"]


def test_a_task_keeps_what_was_noted_on_it() -> None:
    backlog = Backlog(targets(1))
    task = taken(backlog)
    task.tries, task.sent_at = 2, [1.5]
    backlog.put_back(task, 0.0, "timed out")

    again = taken(backlog)

    assert again == Task(targets(1)[0], tries=2, sent_at=[1.5])


def test_pauses_are_counted_by_reason() -> None:
    backlog = Backlog(targets(3))
    for reason in ("HTTP 429", "timed out", "HTTP 429"):
        backlog.put_back(taken(backlog), 60.0, reason)

    assert backlog.pauses == {"HTTP 429": 2, "timed out": 1}


def test_when_all_are_finished_there_is_nothing_to_take() -> None:
    backlog = Backlog(targets(2))
    for _ in range(2):
        taken(backlog)
        backlog.finish()

    assert backlog.take() is None


def test_a_stop_leaves_nothing_to_take_neither_fresh_nor_due() -> None:
    backlog = Backlog(targets(2))
    backlog.put_back(taken(backlog), 0.0, "timed out")
    backlog.stop()

    assert backlog.take() is None


def waiting(pool: ThreadPoolExecutor, backlog: Backlog, count: int) -> list[Future[Task | None]]:
    """Return calls of `take` that have begun."""
    ready = threading.Barrier(count + 1)

    def take() -> Task | None:
        ready.wait(SOON_SECONDS)
        return backlog.take()

    calls = [pool.submit(take) for _ in range(count)]
    ready.wait(SOON_SECONDS)
    return calls


@pytest.mark.parametrize("end", [Backlog.stop, Backlog.finish])
def test_all_threads_that_wait_are_woken_by_the_end(
    end: Callable[[Backlog], None],
) -> None:
    backlog = Backlog(targets(1))
    backlog.put_back(taken(backlog), 3600.0, "timed out")

    with ThreadPoolExecutor() as pool:
        calls = waiting(pool, backlog, 4)
        began_at = time.monotonic()
        end(backlog)
        tasks = [call.result(SOON_SECONDS) for call in calls]
        seconds = time.monotonic() - began_at

    assert tasks == [None] * 4
    # not by the look that everybody takes now and then
    assert seconds < LONGEST_WAIT_SECONDS * 0.9


def test_a_thread_that_waits_is_woken_by_a_task_that_comes_back() -> None:
    backlog = Backlog(targets(1))
    task = taken(backlog)

    with ThreadPoolExecutor() as pool:
        (call,) = waiting(pool, backlog, 1)
        began_at = time.monotonic()
        backlog.put_back(task, 0.0, "timed out")
        again = call.result(SOON_SECONDS)
        seconds = time.monotonic() - began_at

    assert again is task
    assert seconds < LONGEST_WAIT_SECONDS * 0.9


def test_a_thread_waits_out_a_pause_that_nobody_ends() -> None:
    backlog = Backlog(targets(1))
    backlog.put_back(taken(backlog), 0.1, "timed out")
    began_at = time.monotonic()

    task = taken(backlog)

    assert task.target.name == "movie-0"
    assert time.monotonic() - began_at >= 0.09


def test_no_two_threads_ever_have_the_same_task() -> None:
    backlog = Backlog(targets(2000))
    lock = threading.Lock()
    held: set[str] = set()
    clashes: list[str] = []
    finished: list[str] = []

    def work() -> None:
        while (task := backlog.take()) is not None:
            with lock:
                clashes.extend({task.target.name} & held)
                held.add(task.target.name)
            task.tries += 1
            with lock:
                held.remove(task.target.name)
            if task.tries < 3:
                backlog.put_back(task, 0.0, "timed out")
            else:
                finished.append(task.target.name)
                backlog.finish()

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(work) for _ in range(8)]
        for call in calls:
            call.result(SOON_SECONDS)

    assert clashes == []
    assert sorted(finished) == sorted(target.name for target in targets(2000))
    assert backlog.pauses == {"timed out": 4000}


def in_a_thread(backlog: Backlog) -> "queue.SimpleQueue[Task | None]":
    """Take for ever; return where the tasks arrive."""
    tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()

    def work() -> None:
        while (task := backlog.take()) is not None:
            tasks.put(task)

    threading.Thread(target=work, daemon=True).start()
    return tasks


PROBE = Target("https://api.themoviedb.org/3/configuration", "probe")


def test_while_it_is_held_nothing_is_handed_out_and_then_one_probe_alone() -> None:
    clock = FakeClock()
    backlog = Backlog(targets(3), clock)
    backlog.hold(2.0, PROBE)
    tasks = in_a_thread(backlog)
    assert tasks.empty()

    clock.now += 2.0

    assert tasks.get(timeout=SOON_SECONDS) == Task(PROBE, is_probe=True)
    assert tasks.empty()

    backlog.release()

    assert [tasks.get(timeout=SOON_SECONDS) for _ in range(3)] == [*map(Task, targets(3))]


def test_a_probe_that_failed_is_followed_by_another_one_after_the_next_pause() -> None:
    clock = FakeClock()
    backlog = Backlog(targets(2), clock)
    backlog.hold(1.0, PROBE)
    clock.now += 1.0
    first = taken(backlog)
    backlog.hold(2.0, PROBE)
    clock.now += 2.0

    assert first == taken(backlog) == Task(PROBE, is_probe=True)


def test_a_task_that_comes_back_waits_for_the_release() -> None:
    clock = FakeClock()
    backlog = Backlog(targets(1), clock)
    task = taken(backlog)
    backlog.hold(1.0, PROBE)
    backlog.put_back(task, 0.0, "connection refused")
    clock.now += 1.0

    assert taken(backlog).is_probe

    backlog.release()

    assert taken(backlog) is task


def test_a_held_backlog_can_be_stopped() -> None:
    backlog = Backlog(targets(2), FakeClock())
    backlog.hold(600.0, PROBE)
    backlog.stop()

    assert backlog.take() is None

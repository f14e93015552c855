import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.limiter.file_limiter import FakeClock, first_slot
from tmdb_assets.limiter.file_store import FileStore

SECOND_NS = 1_000_000_000

FullestSecond = Callable[[Iterable[int]], int]
InAChild = Callable[[Callable[[], object]], str]


@pytest.fixture(scope="session")
def fullest_second() -> FullestSecond:
    """The judge: the most departures in any window (t - 1 s, t]."""

    def count(departures: Iterable[int]) -> int:
        times = sorted(departures)
        fullest = first = 0
        for last, time_ns in enumerate(times):
            while time_ns - times[first] >= SECOND_NS:
                first += 1
            fullest = max(fullest, last - first + 1)
        return fullest

    return count


@pytest.fixture
def in_a_child() -> InAChild:
    """Call in a forked child; say what it raised there, or `stuck` when it did not come back."""

    def call(action: Callable[[], object]) -> str:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=_report, args=(action, theirs), daemon=True)
        process.start()
        told = str(ours.recv()) if ours.poll(3) else "stuck"
        if told == "stuck":
            process.kill()
        process.join()
        ours.close()
        theirs.close()
        return told

    return call


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limiter"


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[FileStore]:
    store = FileStore(path, 50, clock=clock, lock_timeout_seconds=0.05)
    yield store
    store.close()


@pytest.fixture
def busy(store: FileStore, clock: FakeClock) -> FileStore:
    """A store whose silence is over and that has booked a slot already."""
    first_slot(store, clock)
    return store


def _report(action: Callable[[], object], answer: Connection) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - whatever it was goes to the parent
        answer.send(f"{type(error).__name__}: {error}")
    else:
        answer.send("nothing")

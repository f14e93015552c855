"""What the tests of the file store share: clocks and records made by hand, a lock held."""

import fcntl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.slots import MS, UNSLOWED

SECOND = 1000 * MS


class FakeClock:
    """Both clocks of a host, moved by hand."""

    def __init__(self) -> None:
        self.monotonic = 5_000 * SECOND
        self.wall = 1_700_000_000 * SECOND

    def monotonic_ns(self) -> int:
        """Return what the one shows."""
        return self.monotonic

    def time_ns(self) -> int:
        """Return what the other shows."""
        return self.wall

    def move(self, by_ns: int) -> None:
        """Let time pass."""
        self.monotonic += by_ns
        self.wall += by_ns


class OtherHost:
    """The clocks of a host that was booted so much earlier than another one."""

    def __init__(self, clock: FakeClock, earlier_ns: int) -> None:
        self._clock = clock
        self._earlier_ns = earlier_ns

    def monotonic_ns(self) -> int:
        """Return the time since that earlier boot."""
        return self._clock.monotonic + self._earlier_ns

    def time_ns(self) -> int:
        """Return the time of day, the same on both."""
        return self._clock.wall


class HeldClock(FakeClock):
    """A clock that holds up whoever reads it, in the middle of a transaction."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()
        self.go_on = threading.Event()

    def monotonic_ns(self) -> int:
        """Return what the clock shows once it may go on."""
        self.is_read.set()
        self.go_on.wait(10)
        return super().monotonic_ns()


class EventfulClock(FakeClock):
    """A clock at whose next reading something happens, just after it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], object] | None = None

    def monotonic_ns(self) -> int:
        """Return what the clock showed before it happened."""
        shown, then, self.then = super().monotonic_ns(), self.then, None
        if then is not None:
            then()
        return shown


def first_slot(store: FileStore, clock: FakeClock) -> int:
    """Ask as often as told until there is a slot, move on to it, return how long all that took."""
    started_ns = clock.monotonic
    for _ in range(20):
        slot_ns, wait_ns = store.book()
        clock.move(wait_ns)
        if slot_ns is not None:
            assert slot_ns == clock.monotonic
            return slot_ns - started_ns
    pytest.fail("20 questions and no slot")


def taken(store: FileStore) -> int:
    """Book a slot; there has to be one."""
    slot_ns, _ = store.book()
    assert slot_ns is not None
    return slot_ns


def record(  # noqa: PLR0913 - the fields of a record
    path: Path,
    clock: FakeClock,
    *,
    magic: bytes = b"tmdbslt2",
    offset_ns: int = 0,
    at_ns: int = 0,
    inode: int | None = None,
    next_ns: int = 0,
    seen_ns: int = 0,
    paused_ns: int = 0,
    pause_ns: int = 0,
    slowed_to: float = UNSLOWED,
    since_ns: int = 0,
) -> bytes:
    """Return a whole record for the file `path`; its times are relative to what `clock` shows."""
    now = clock.monotonic
    inode = path.stat().st_ino if inode is None else inode
    written = (magic, offset_ns + clock.wall - now, now + at_ns, inode)
    state = (now + next_ns, 7, now + seen_ns, now + paused_ns, pause_ns, slowed_to, now + since_ns)
    body = struct.pack("<8sqqQqqqqqdqqq", *written, *state, 0, 7)
    return body + zlib.crc32(body).to_bytes(4, "little")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file, like another process."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

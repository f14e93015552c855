"""The limiter's state in one small file under `flock`: for all processes of one host.

The record (`file_record`) says what it was written by, so that a reboot, a clock step, or a file
restored or carried over from elsewhere reads as an unknown past, which costs a second and a half of
silence and never a request too many. The record is overwritten in place: a full disk does not
matter once the file exists.
"""

import errno
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.cooldown import Pace, is_news, pace, refuse
from tmdb_assets.limiter.file_record import RECORD_BYTES, Record, decode, encode
from tmdb_assets.limiter.life import Life
from tmdb_assets.limiter.slots import (
    MS,
    SECOND_NS,
    Booking,
    Slots,
    book,
    is_plausible,
    unknown_past,
    write_back,
)

CLOCK_TOLERANCE_NS = 2000 * MS
"""A record whose clock differs by more is of another life of this machine, or from elsewhere."""

FOREIGN_RECORDS = 4
FOREIGN_SECONDS = 60
"""So many records of another clock within so many seconds: two hosts share the file."""

LOCK_SECONDS = 10.0
"""Bound on the wait for another process that holds the lock."""

LOOKS = 3
"""Reads without the lock until a record counts as damaged and not as half written."""

_POLL_SECONDS = (0.0002, 0.01)


class Clock(Protocol):
    """The two clocks of a host, as functions of no argument that return nanoseconds."""

    def monotonic_ns(self) -> int:
        """Return a time that never goes back and that all processes of the host share."""
        ...

    def time_ns(self) -> int:
        """Return the time of day."""
        ...


class FileStore:
    """The state of one limiter in the file `path`; safe to share between threads.

    A call blocks for the length of a file lock, 30 microseconds when it is free. After a failure,
    or once closed, every further call raises the same error at once.
    """

    def __init__(
        self,
        path: Path,
        requests_per_second: int,
        *,
        born: int | None = None,
        clock: Clock = time,
        lock_timeout_seconds: float = LOCK_SECONDS,
    ) -> None:
        """Open or make the file.

        Args:
            path: the file; its folder is made if missing.
            requests_per_second: the cap as this process knows it.
            born: who is elder; the time of day at which the run began, in nanoseconds.
            clock: both clocks; tests hand in their own.
            lock_timeout_seconds: bound on the wait for another process that holds the lock.

        Raises:
            LimiterUnavailableError: the file cannot be opened for writing.
        """
        self.path = path
        self.name = f"file {str(path)!r}"
        self.born = clock.time_ns() if born is None else born
        self._cap = requests_per_second
        self._clock = clock
        self._lock_timeout_seconds = lock_timeout_seconds
        self._mutex = threading.Lock()
        self._life = Life()
        self._newest_ns = 0
        self._foreign_ns: deque[int] = deque(maxlen=FOREIGN_RECORDS)
        self._fd = self._open()

    def book(self) -> tuple[int | None, int]:
        """Book the next slot; return it and the nanoseconds until it.

        The slot is None when none can be had yet; the second value then says when to ask again.

        Raises:
            LimiterUnavailableError: the file cannot be used.
            LimiterClosedError: `close` was called.
        """
        booking: Booking | None = None

        def change(slots: Slots, now_ns: int) -> Slots:
            nonlocal booking
            booking = book(slots, now_ns, self.born, self._cap)
            return booking.slots

        self._transact(change)
        if booking is None:  # `_transact` either calls `change` or raises
            raise AssertionError
        return booking.slot_ns, booking.wait_ns

    def write_back(self, late_ns: int) -> None:
        """Tell the others that a request left `late_ns` after its slot."""
        self._transact(lambda slots, _: write_back(slots, late_ns))

    def refused(self, left_ns: int, asked_ns: int) -> Pace:
        """Have everybody pause after a 429 to a request that left at `left_ns`; return the pace."""
        heard: list[bool] = []

        def change(slots: Slots, now_ns: int) -> Slots:
            heard.append(is_news(slots, left_ns))
            return refuse(slots, now_ns, left_ns, asked_ns, self._cap)

        slots, now_ns = self._transact(change)
        return replace(pace(slots, now_ns, self._cap), is_news=heard[0])

    def pace(self) -> Pace:
        """Return how the limiter stands; waits for nobody and changes nothing."""
        self._life.check()
        for _ in range(LOOKS):
            now_ns = self._clock.monotonic_ns()  # each time: others write meanwhile
            try:
                slots, _ = self._decode(now_ns)
            except OSError:  # another thread closes the file, or opens what replaced it
                self._life.check()
                continue
            if slots is not None:
                return pace(slots, now_ns, self._cap)
        return pace(unknown_past(now_ns), now_ns, self._cap)

    def reset(self) -> None:
        """Forget pauses and a slower rate; nobody sends for a second and a half."""
        self._transact(lambda _, now_ns: unknown_past(now_ns))

    def now_ns(self) -> int:
        """Return the time on the clock that slots are told in."""
        return self._clock.monotonic_ns()

    def check_open(self) -> None:
        """Raise the error that closed this store, if any.

        Raises:
            LimiterUnavailableError: the store failed.
            LimiterClosedError: `close` was called.
        """
        self._life.check()

    def close(self) -> None:
        """Make every waiting and future call raise; may be called from any thread, repeatedly."""
        self._life.close()
        if not self._life.is_ours:  # after a fork nobody may ever release the mutex
            return
        with self._mutex:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _transact(self, change: Callable[[Slots, int], Slots]) -> tuple[Slots, int]:
        self._life.check()  # before the mutex too: after a fork nobody may ever release it
        with self._mutex:
            self._life.check()
            try:
                self._lock()
                try:
                    now_ns = self._clock.monotonic_ns()
                    slots = change(self._read(now_ns), now_ns)
                    self._write(slots, now_ns)
                finally:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            except OSError as error:
                raise self._life.fail(self._unavailable(error)) from error
            except LimiterUnavailableError as error:
                self._life.fail(error)
                raise
        return slots, now_ns

    def _lock(self) -> None:
        """Hold the lock of the file that lies at `path` now; it may have been replaced."""
        deadline = time.monotonic() + self._lock_timeout_seconds
        pause_seconds, longest_seconds = _POLL_SECONDS
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES}:
                    raise
            else:
                if self._is_in_place():
                    return
                stale, self._fd = self._fd, -1
                os.close(stale)
                self._fd = self._open()
                continue
            if time.monotonic() > deadline:
                raise LimiterUnavailableError(
                    f"limiter {self.name} is locked for {self._lock_timeout_seconds:g} s by "
                    "another process: end that process, or set TMDB_LIMITER to another file"
                )
            self._life.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, longest_seconds)

    def _is_in_place(self) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._fd)
        return (here.st_ino, here.st_dev) == (there.st_ino, there.st_dev)

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> LimiterUnavailableError:
        return LimiterUnavailableError(
            f"limiter {self.name}: {error.strerror or error}: "
            "set TMDB_LIMITER to file:/path in a folder that can be written and has room"
        )

    def _read(self, now_ns: int) -> Slots:
        slots, is_foreign = self._decode(now_ns)
        if is_foreign:
            self._note_foreign(now_ns)
        return unknown_past(now_ns) if slots is None else slots

    def _decode(self, now_ns: int) -> tuple[Slots | None, bool]:
        """Return the state, or None if it cannot be believed; and whether it is another clock's."""
        record = decode(os.pread(self._fd, RECORD_BYTES, 0))
        if record is None or record.inode != os.fstat(self._fd).st_ino:
            return None, False
        step_ns = abs(record.clock_offset_ns - (self._clock.time_ns() - now_ns))
        if step_ns > CLOCK_TOLERANCE_NS or record.at_ns > now_ns:
            return None, True
        # older than what we saw ourselves: somebody put an earlier record back
        is_sound = record.at_ns >= self._newest_ns and is_plausible(record.slots, now_ns)
        return (record.slots if is_sound else None), False

    def _note_foreign(self, now_ns: int) -> None:
        self._foreign_ns.append(now_ns)
        is_often = len(self._foreign_ns) == FOREIGN_RECORDS
        if is_often and now_ns - self._foreign_ns[0] <= FOREIGN_SECONDS * SECOND_NS:
            raise LimiterUnavailableError(
                f"limiter {self.name} is written by a computer with another clock, "
                f"{FOREIGN_RECORDS} times within {FOREIGN_SECONDS} s: a file paces one host; "
                "set TMDB_LIMITER to redis://host:port/db on all hosts"
            )

    def _write(self, slots: Slots, now_ns: int) -> None:
        inode = os.fstat(self._fd).st_ino
        record = encode(Record(self._clock.time_ns() - now_ns, now_ns, inode, slots))
        if os.pwrite(self._fd, record, 0) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._newest_ns = now_ns

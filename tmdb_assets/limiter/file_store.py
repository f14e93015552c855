"""The limiter's state in one small file under `flock`: for all processes of one host.

The record holds the clock it was written by (wall minus monotonic), so that a reboot, a clock step
or a file carried over from elsewhere reads as an unknown past, which costs a second and a half of
silence and never a request too many. The record is overwritten in place: a full disk does not
matter once the file exists.
"""

import errno
import fcntl
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tmdb_assets.errors import LimiterClosedError, LimiterError, LimiterUnavailableError
from tmdb_assets.limiter.slots import (
    MS,
    WINDOW_NS,
    Booking,
    Slots,
    book,
    is_plausible,
    unknown_past,
    write_back,
)

CLOCK_TOLERANCE_NS = 2000 * MS
"""A record whose clock differs by more is of another life of this machine, or from elsewhere."""

_BODY = struct.Struct("<8sqqqqq")
_RECORD_BYTES = _BODY.size + 4
_MAGIC = b"tmdbslt1"
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

    A call blocks for the length of a file lock, 26 microseconds when it is free. After a failure,
    or once closed, every further call raises the same error at once: a hundred waiting threads do
    not wait out the bound one after the other.
    """

    def __init__(
        self,
        path: Path,
        requests_per_second: int,
        *,
        born: int | None = None,
        clock: Clock = time,
        lock_timeout_seconds: float = 10.0,
    ) -> None:
        """Open or make the file.

        Args:
            path: the file; its folder is made if missing.
            requests_per_second: slots of this process lie `WINDOW_NS` divided by this apart.
            born: who is elder; the time of day at which the run began, in nanoseconds.
            clock: both clocks; tests hand in their own.
            lock_timeout_seconds: bound on the wait for another process that holds the lock.

        Raises:
            LimiterUnavailableError: the file cannot be opened for writing.
        """
        self.path = path
        self._interval_ns = WINDOW_NS // requests_per_second
        self._clock = clock
        self._born = clock.time_ns() if born is None else born
        self._lock_timeout_seconds = lock_timeout_seconds
        self._mutex = threading.Lock()
        self._closed = threading.Event()
        self._failure: LimiterError | None = None
        self._pid = os.getpid()
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
            booking = book(slots, now_ns, self._born, self._interval_ns)
            return booking.slots

        self._transact(change)
        if booking is None:  # `_transact` either calls `change` or raises
            raise AssertionError
        return booking.slot_ns, booking.wait_ns

    def write_back(self, late_ns: int) -> None:
        """Tell the others that a request left `late_ns` after its slot."""
        self._transact(lambda slots, _: write_back(slots, late_ns))

    def now_ns(self) -> int:
        """Return the time on the clock that slots are told in."""
        return self._clock.monotonic_ns()

    def check_open(self) -> None:
        """Raise the error that closed this store, if any.

        Raises:
            LimiterUnavailableError: the store failed.
            LimiterClosedError: `close` was called.
        """
        if os.getpid() != self._pid:
            raise LimiterUnavailableError(
                "a limiter does not outlive a fork: open it in the process that uses it"
            )
        if self._failure is not None:
            raise self._failure
        if self._closed.is_set():
            raise LimiterClosedError("the limiter was closed: this run is being stopped")

    def close(self) -> None:
        """Make every waiting and future call raise; may be called from any thread, repeatedly."""
        self._closed.set()
        with self._mutex:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _transact(self, change: Callable[[Slots, int], Slots]) -> None:
        self.check_open()  # before the mutex too: after a fork nobody may ever release it
        with self._mutex:
            self.check_open()
            try:
                self._lock()
                try:
                    now_ns = self._clock.monotonic_ns()
                    self._write(change(self._read(now_ns), now_ns), now_ns)
                finally:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            except OSError as error:
                self._failure = self._unavailable(error)
                raise self._failure from error
            except LimiterUnavailableError as error:
                self._failure = error
                raise

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
                    f"limiter file {str(self.path)!r} is locked for {self._lock_timeout_seconds:g} "
                    "s by another process: end that process, or set TMDB_LIMITER to another file"
                )
            if self._closed.wait(pause_seconds):
                self.check_open()
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
            f"limiter file {str(self.path)!r}: {error.strerror or error}: "
            "set TMDB_LIMITER to file:/path in a folder that can be written and has room"
        )

    def _read(self, now_ns: int) -> Slots:
        raw = os.pread(self._fd, _RECORD_BYTES, 0)
        if len(raw) != _RECORD_BYTES or zlib.crc32(raw[:-4]).to_bytes(4, "little") != raw[-4:]:
            return unknown_past(now_ns)
        magic, offset_ns, at_ns, *fields = _BODY.unpack(raw[:-4])
        slots = Slots(*fields)
        is_of_this_clock = (
            magic == _MAGIC
            and abs(offset_ns - (self._clock.time_ns() - now_ns)) <= CLOCK_TOLERANCE_NS
            and at_ns <= now_ns
        )
        if is_of_this_clock and is_plausible(slots, now_ns):
            return slots
        return unknown_past(now_ns)

    def _write(self, slots: Slots, now_ns: int) -> None:
        body = _BODY.pack(
            _MAGIC,
            self._clock.time_ns() - now_ns,
            now_ns,
            slots.next_ns,
            slots.eldest,
            slots.eldest_seen_ns,
        )
        record = body + zlib.crc32(body).to_bytes(4, "little")
        if os.pwrite(self._fd, record, 0) != len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

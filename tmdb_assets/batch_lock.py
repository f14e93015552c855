"""One writer per batch: a lock that goes with its process, and a beat that other hosts see.

Within a host `flock` decides, and between hosts where the file system hands it on. Not all do: so
the writer also keeps a line of its own changing in the lock file. Who gets the lock and finds the
line of another host waits to see whether it still changes, and a writer that finds another line
than its own stops. The line of a writer that ended well is gone; that of a dead one stays still.
"""

import os
import re
import socket
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.files import exclusive, open_file, read_file, storing

LOCK_NAME = ".lock"

LOCK_WAIT_SECONDS = 0.5
"""Longer than anybody holds the lock who only looks whether it is held."""

STILL_SECONDS = 10.0
"""So long must the line of another host stand still before its writer counts as dead."""

BEATS = 5
"""Changes of the line in that time, as long as the writer calls `beat` often enough."""

_LOOK_SECONDS = 0.5


class BatchLock:
    """The right to write one batch, held while it is entered; one thread.

    Args:
        folder: of the batch; exists.
        batch: its name, for messages.
        holder: who writes; begins the line, so that others can tell whose lock it was.
        host: name of this machine in this life of it.
        still_seconds: how long the line of another host must not have changed.
    """

    def __init__(
        self,
        folder: Path,
        batch: str,
        holder: str,
        host: str = "",
        still_seconds: float = STILL_SECONDS,
    ) -> None:
        self._path = folder / LOCK_NAME
        self._batch = batch
        self._holder = "-".join(holder.split()) or "-"
        self._host = host or this_host()
        self._still_seconds = still_seconds
        self._beats = 0
        self._line = b""
        self._next_beat = 0.0
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Take the lock; blocks for half a second, or ten after the death of another host.

        Raises:
            BatchBusyError: another process writes the batch, on this host or another.
            StoreError: the lock file cannot be used.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self._path, LOCK_WAIT_SECONDS))
            except BatchBusyError:
                raise self._busy("by another run") from None
            self._wait_for_stillness()
            self._write()
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the lock up, and leave no line that another host would wait for."""
        with self._resources:
            try:
                if self._read() == self._line:
                    os.truncate(self._path, 0)
            except (OSError, StoreError):
                return  # then others wait a few seconds more

    def beat(self) -> None:
        """Show other hosts that this writer lives; to be called every second or so.

        Raises:
            StoreError: another host writes this batch, or the file cannot be used.
        """
        if time.monotonic() < self._next_beat:
            return
        if self._read() != self._line:
            raise StoreError(
                f"batch {self._batch!r} is being written by another host too: what was done is "
                "kept; run it on one host at a time"
            )
        self._write()

    def _wait_for_stillness(self) -> None:
        line = self._read()
        fields = line.split()
        if len(fields) < 4 or fields[2] == self._host.encode():  # noqa: PLR2004 - as written
            return
        deadline = time.monotonic() + self._still_seconds
        while time.monotonic() < deadline:
            time.sleep(min(_LOOK_SECONDS, self._still_seconds))
            if self._read() != line:
                raise self._busy(f"by another host ({fields[0].decode(errors='replace')})")

    def _busy(self, by_whom: str) -> BatchBusyError:
        return BatchBusyError(
            f"batch {self._batch!r} is being downloaded {by_whom}: let that one end, "
            "or terminate it, and try again"
        )

    def _read(self) -> bytes:
        with storing(self._path):
            return read_file(self._path)

    def _write(self) -> None:
        self._beats += 1
        self._line = f"{self._holder} {os.getpid()} {self._host} {self._beats}\n".encode()
        with storing(self._path):
            # opened anew: closing is what makes a network file system show it to others
            descriptor = open_file(self._path, os.O_WRONLY)
            try:
                os.write(descriptor, self._line)
                os.ftruncate(descriptor, len(self._line))  # after it: empty means free
            finally:
                os.close(descriptor)
        self._next_beat = time.monotonic() + self._still_seconds / BEATS


def holder_pid(line: str, holder: str) -> int | None:
    """Return the process that wrote a lock's line, if it did so on this host for this holder."""
    fields = line.split()
    if len(fields) < 4 or (fields[0], fields[2]) != (holder, this_host()):  # noqa: PLR2004 - as written
        return None
    return int(fields[1]) if re.fullmatch(r"[1-9][0-9]{0,8}", fields[1]) else None


@cache
def this_host() -> str:
    """Return a name of this machine that is new after every start of it, without blanks."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname().replace(" ", "-") or "host"

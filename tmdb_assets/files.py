"""Whole files or none: writing so that a crash leaves the old state, the new one, or a temporary.

What belongs here: how bytes reach the disk. What does not: what they mean. Every failure comes out
as `StoreError` with the path, the words of the operating system and the remedy.
"""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tmdb_assets.errors import BatchBusyError, StoreError

TEMPORARY_PREFIX = ".tmp-"
"""Start of the name of every unfinished file; one that no writer holds is a leftover of a crash."""

_POLL_SECONDS = 0.05


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StoreError` that names `path` and the remedy."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot use {str(path)!r}: {error.strerror or error}: "
            "set TMDB_DATA_DIR to a folder that can be written and has room"
        ) from error


def temporary_in(folder: Path) -> Path:
    """Return a name for an unfinished file that nobody else uses.

    In the same folder as the final name, because a rename is atomic only within a file system.
    """
    return folder / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"


def make_folder(path: Path) -> None:
    """Create a folder and its parents; one that exists is fine."""
    with storing(path):
        path.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path`, replacing what is there, so that no reader ever sees a part of it.

    The bytes are on disk when this returns; the name is after `sync_folder`. Mode 0644 less the
    umask. May be called from several threads.

    Raises:
        StoreError: the folder is missing, read-only or full; `path` is then as it was.
    """
    temporary = temporary_in(path.parent)
    with storing(path):
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            remove(temporary)
            raise


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder outlast a loss of power."""
    with storing(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a leftover if that is possible: it is no failure if not."""
    with contextlib.suppress(OSError):
        path.unlink()


@contextmanager
def exclusive(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of the file `path`, which is created if need be.

    The lock ends with the process, however that ends, and keeps other threads out too. Blocks for
    up to `wait_seconds`.

    Raises:
        BatchBusyError: somebody else held it all that time.
        StoreError: the file cannot be opened or its file system knows no locks.
    """
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _locked(descriptor, path):
            if time.monotonic() >= deadline:
                raise BatchBusyError(
                    f"another process held {str(path)!r} for {wait_seconds:g} s: "
                    "let it end, or stop it, and try again"
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, path: Path) -> bool:
    with storing(path):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def is_held(path: Path) -> bool:
    """Say whether somebody, another thread included, holds the lock of the file `path` now.

    Raises:
        StoreError: the file cannot be opened.
    """
    try:
        with exclusive(path, wait_seconds=0):
            return False
    except BatchBusyError:
        return True

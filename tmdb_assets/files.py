"""Whole files or none: writing so that a crash leaves the old state, the new one, or a temporary.

What belongs here: how bytes reach the disk. What does not: what they mean. Every failure comes out
as `StoreError` with the path, the words of the operating system and the remedy. A symbolic link is
never followed at the end of a path, and within the data folder never out of it.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tmdb_assets.errors import BatchBusyError, StoreError

TEMPORARY_PREFIX = ".tmp-"
"""Start of the name of every unfinished file; one that no writer holds is a leftover of a crash."""

_POLL_SECONDS = 0.05


_ROOM = "make room there and run again: what was done is kept"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n 4096) or set TMDB_THREADS lower",
    errno.ENFILE: "close other programs: this system has no file left",
    errno.ENAMETOOLONG: "set TMDB_DATA_DIR to a folder with a shorter path",
    errno.ENOLCK: "its file system knows no locks: set TMDB_DATA_DIR to a folder on another one",
    errno.ELOOP: "a symbolic link there is not followed: remove it",
}
_REMEDY = "set TMDB_DATA_DIR to a folder that can be written and has room"


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StoreError` that names `path` and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, _REMEDY)
        raise StoreError(
            f"cannot use {str(path)!r}: {error.strerror or error}: {remedy}"
        ) from error


def within(root: Path, *names: str) -> Path:
    """Return the path of these names below `root`, if no symbolic link leads it elsewhere.

    The root itself may be one: a user's choice.

    Raises:
        StoreError: it leads out of the root.
    """
    path = root.joinpath(*names)
    with storing(path):
        try:
            is_inside = path.resolve().is_relative_to(root.resolve())
        except ValueError:  # a NUL, or half of a character
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None
        except RuntimeError:  # what Python before 3.13 says of links in a circle
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
    if not is_inside:
        raise StoreError(
            f"{str(path)!r} leads out of {str(root)!r}: remove the symbolic link there, "
            "or set TMDB_DATA_DIR to where the data is"
        )
    return path


def open_file(path: Path, flags: int) -> int:
    """Open a file that is no symbolic link; a new one gets mode 0644 less the umask.

    Raises:
        OSError: as `os.open`; ELOOP for a link.
    """
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; never waits, as a pipe would make one.

    Raises:
        OSError: as `os.open`; ELOOP for a link, EINVAL for a pipe, a device or the like.
    """
    descriptor = open_file(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode):
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            raise OSError(errno.EINVAL, "not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_file(path: Path) -> bytes:
    """Return all of a regular file.

    Raises:
        OSError: as `reading`.
    """
    with reading(path) as file:
        return file.read()


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
            descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it has no path
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            remove(temporary)
            raise


def sync_file(path: Path, sync: Callable[[int], None] = os.fsync) -> None:
    """Make what was written to a file outlast a loss of power, by whoever it was written."""
    with storing(path):
        descriptor = open_file(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder outlast a loss of power."""
    with storing(folder):
        # the data folder itself may be a link; below it `within` has looked
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a leftover if that is possible: it is no failure if not."""
    with contextlib.suppress(OSError):
        path.unlink()


def clear_away(path: Path) -> None:
    """Remove a leftover that must not stay.

    Raises:
        StoreError: it cannot be removed, as a folder in its place.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{str(path)!r} is in the way: {error.strerror or error}: move it away"
        ) from error


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
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT)
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
        StoreError: the file is there and cannot be opened.
    """
    with storing(path):
        try:
            descriptor = open_file(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False

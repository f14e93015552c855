"""Writing a list of URLs: all of it comes to its place at once, or nothing does.

The folder is a user's, so what a kill leaves there must not pile up: the unfinished file of
`movies.txt` is always `.movies.txt.tmp-tmdb`, and the next writer of that list takes it over.
Whoever writes holds its lock, which goes with the process.
"""

import fcntl
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tmdb_assets.errors import StoreError
from tmdb_assets.files import open_file, remove

PREVIEW = 10
"""URLs that are remembered to be shown."""

UNFINISHED_SUFFIX = ".tmp-tmdb"
"""End of the name of an unfinished list; a dot before it keeps it out of a watched folder."""

_OPEN_FILES = frozenset({Path("/dev/fd"), Path("/proc/self/fd")})
_TRIES = 10
_PIECE_LINES = 4096
_GZIP_LEVEL = 6
_GZIP_FORMAT = 31  # what zlib calls a window of 32 KiB in gzip, not zlib's own format


class Lines:
    """The lines of a list in the making; owned by one thread.

    Attributes:
        count: URLs so far.
        first: the first few of them.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """Get ready.

        Args:
            file: where the lines go; packed if the path ends in `.gz`.
            path: where the list will be, for what goes wrong.
        """
        self.count = 0
        self.first: list[str] = []
        self._file = file
        self._path = path
        is_packed = path.suffix == ".gz"
        self._packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_FORMAT) if is_packed else None
        self._waiting: list[str] = []

    def add(self, url: str) -> None:
        """Add a canonical URL.

        Raises:
            StoreError: the disk cannot take it.
        """
        if self.count < PREVIEW:
            self.first.append(url)
        self.count += 1
        self._waiting.append(url)
        if len(self._waiting) == _PIECE_LINES:
            self._hand_on()

    def finish(self) -> None:
        """Bring all of it to the disk.

        Raises:
            StoreError: the disk cannot take it.
        """
        self._hand_on()
        with _writing(self._path):
            if self._packer is not None:
                self._file.write(self._packer.flush())
            self._file.flush()
            os.fsync(self._file.fileno())

    def _hand_on(self) -> None:
        text = "".join(f"{url}\n" for url in self._waiting).encode("ascii")
        self._waiting.clear()
        with _writing(self._path):
            self._file.write(text if self._packer is None else self._packer.compress(text))


def check_place(path: Path) -> None:
    """Make sure that a list can come to this path now, by writing an empty one beside it.

    Raises:
        StoreError: there is no folder for it or none that can be written, something is there that
            is no file, or somebody else writes that list.
    """
    _check_target(path)
    if _number_of(path) is None:
        with _unfinished(path):
            pass


@contextmanager
def writing(path: Path) -> Iterator[Lines]:
    """Write a list that comes to `path` at the end of the block, if that is reached.

    A list without a URL is not written; what is at `path` stays. A name that ends in `.gz` makes it
    packed. A path of `/dev/fd`, to a file that the caller has open, is written as the lines come.

    Raises:
        StoreError: it cannot be written, or somebody else writes it now.
    """
    _check_target(path)
    if (number := _number_of(path)) is not None:
        with _closing_later(os.dup(number)) as file:
            lines = Lines(file, path)
            yield lines
            lines.finish()
        return
    with _unfinished(path) as (file, unfinished):
        lines = Lines(file, path)
        yield lines
        lines.finish()
        if lines.count:
            with _writing(path):
                unfinished.replace(path)


def _check_target(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _unusable(path, "something is there that is no file")
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise _unusable(path, "its folder does not exist") from None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    except ValueError as error:  # a NUL, or half of a character
        raise _unusable(path, str(error)) from None


def _number_of(path: Path) -> int | None:
    """Return the descriptor that a path of `/dev/fd` means."""
    return int(path.name) if path.parent in _OPEN_FILES and path.name.isdecimal() else None


@contextmanager
def _unfinished(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Hold the one unfinished file of a list, empty; it goes if nobody gave it its name."""
    unfinished = path.with_name(f".{path.name}{UNFINISHED_SUFFIX}")
    with _writing(path):
        descriptor = _open_locked(path, unfinished)
    with _closing_later(descriptor) as file:
        try:
            yield file, unfinished
        finally:
            # renamed, the name may be another writer's already
            if _is_at(descriptor, unfinished):
                remove(unfinished)


def _open_locked(path: Path, unfinished: Path) -> int:
    for _ in range(_TRIES):
        descriptor = open_file(unfinished, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # whoever held it may have renamed it since it was opened: then it is a user's list
            if _is_at(descriptor, unfinished):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise _unusable(path, "another process does now", "let it end, or name another file")


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


@contextmanager
def _closing_later(descriptor: int) -> Iterator[BinaryIO]:
    """Give a file that is closed after the block; what a full disk says then was said before."""
    file = open(descriptor, "wb")  # noqa: SIM115 - it has no path; closed below
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _unusable(path: Path, why: str, remedy: str = "name another file") -> StoreError:
    return StoreError(f"cannot write a list to {str(path)!r}: {why}: {remedy}")

"""Writing a list of URLs: all of it comes to its place at once, or nothing does."""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tmdb_assets.errors import StoreError
from tmdb_assets.files import open_file, remove, temporary_in

PREVIEW = 10
"""URLs that are remembered to be shown."""

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
    """Make sure that a list can come to this path.

    Raises:
        StoreError: there is no folder for it, or something there that is no file.
    """
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


@contextmanager
def writing(path: Path) -> Iterator[Lines]:
    """Write a list that comes to `path` at the end of the block, if that is reached.

    A list without a URL is not written; what is at `path` stays. A name that ends in `.gz` makes it
    packed.

    Raises:
        StoreError: it cannot be written.
    """
    check_place(path)
    temporary = temporary_in(path.parent)
    try:
        with _writing(path):
            descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it has no path
            lines = Lines(file, path)
            yield lines
            lines.finish()
        if lines.count:
            with _writing(path):
                temporary.replace(path)
    finally:
        remove(temporary)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _unusable(path: Path, why: str) -> StoreError:
    return StoreError(f"cannot write a list to {str(path)!r}: {why}: name another file")

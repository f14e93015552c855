"""Files of URLs as users hand them in: reading one in a single bounded pass.

What belongs here: bytes to distinct canonical URLs, with every line accounted for. What does not:
batches, and anything in the data folder. Memory is one key per distinct URL and a few MiB, whatever
the file holds.
"""

import errno
import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BufferedReader, UnsupportedOperation
from pathlib import Path
from urllib.parse import unquote

from tmdb_assets.errors import UrlListError
from tmdb_assets.rejection import RejectedLineError
from tmdb_assets.urls import Canonical, canonical, key

MAX_REJECTED_EXAMPLES = 100
"""Rejected lines that are kept with their reasons; the others are counted."""

_CHUNK = 256 * 1024
_MAX_LINE_BYTES = 64 * 1024
_BINARY_PROBE = 8 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one file, unpacked: a small gzip can hold more than any disk."""

    text_bytes: int = 4 * 1024**3
    lines: int = 50_000_000


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is left out: its number from 1, why, and what to write instead."""

    line: int
    reason: str
    remedy: str


def check_file(path: Path) -> None:
    """Make sure that there is a file to read.

    Raises:
        UrlListError: there is none, or only a folder, a pipe or a device.
    """
    with _readable(path):
        try:
            mode = path.stat().st_mode
        except ValueError:  # a NUL, or half of a character
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from None
    if stat.S_ISDIR(mode):
        raise UrlListError(f"{str(path)!r} is a folder: name a file of URLs in it")
    if not stat.S_ISREG(mode):
        raise UrlListError(f"{str(path)!r} is not a regular file: save the URLs into one")


@dataclass(slots=True)
class Scan:
    """One pass over a file of URLs; the counts are final once `new_urls` has ended.

    Owned by one thread.

    Attributes:
        secret: the user's own credential, which no URL may hold.
        known: keys of URLs that are frozen already; taken over and used up by the pass.
        sha256: of the bytes of the file, packed ones if it is packed; of this very pass.
        lines: of the file, blank ones and comments too.
        duplicates: lines with a URL that an earlier line of the file has.
        had_credential: good lines that held a key or token; it is gone.
        already: distinct URLs that are frozen.
        new: distinct URLs that are not.
    """

    path: Path
    origins: Sequence[str]
    known: set[bytes] = field(default_factory=set)
    limits: Limits = LIMITS
    secret: str = field(default="", repr=False)
    sha256: str = ""
    lines: int = 0
    duplicates: int = 0
    rejected: int = 0
    had_credential: int = 0
    already: int = 0
    new: int = 0
    first_rejected: list[Rejected] = field(default_factory=list)

    def new_urls(self) -> Iterator[str]:
        """Yield each good URL that is not known, once, in the order of the file.

        Raises:
            UrlListError: the file cannot be read to its end, or holds not a single URL.
        """
        check_file(self.path)
        seen: set[bytes] = set()
        for number, line in self._lines():
            try:
                url, had_credential = self._canonical(_decoded(line))
            except RejectedLineError as error:
                self._reject(number, error)
                continue
            self.had_credential += had_credential
            digest = key(url)
            if digest in seen:
                self.duplicates += 1
                continue
            seen.add(digest)
            if digest in self.known:
                # moved, not copied: a large list that is added again takes no more memory
                self.known.discard(digest)
                self.already += 1
            else:
                self.new += 1
                yield url
        if not seen:
            raise self._nothing()

    def _canonical(self, line: str) -> Canonical:
        try:
            found = canonical(line, self.origins)
        except RejectedLineError as error:
            if self._has_secret(str(error)):
                raise _own_credential() from None
            raise
        if self._has_secret(found.url):
            raise _own_credential()
        return found

    def _has_secret(self, text: str) -> bool:
        if not self.secret:
            return False
        plain = unquote(text) if "%" in text else text
        return self.secret.lower() in plain.lower()

    def _reject(self, number: int, error: RejectedLineError) -> None:
        self.rejected += 1
        if len(self.first_rejected) < MAX_REJECTED_EXAMPLES:
            self.first_rejected.append(Rejected(number, error.reason, error.remedy))

    def _nothing(self) -> UrlListError:
        if not self.first_rejected:
            return UrlListError(f"{str(self.path)!r} holds no URL: write one a line into it")
        first = self.first_rejected[0]
        return UrlListError(
            f"{str(self.path)!r} holds no usable URL among {self.rejected:,}; "
            f"line {first.line}: {first.reason}: {first.remedy}"
        )

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and text of the lines that are neither blank nor comments."""
        tail = b""
        for chunk in self._chunks():
            parts = (tail + chunk).splitlines(keepends=True)
            # What does not end in a line feed may go on, a carriage return too: as CR LF.
            tail = b"" if parts[-1].endswith(b"\n") else _bounded(parts.pop())
            yield from self._numbered(parts)
        if tail:
            yield from self._numbered([tail])

    def _numbered(self, parts: list[bytes]) -> Iterator[tuple[int, bytes]]:
        first = self.lines + 1
        self.lines += len(parts)
        if self.lines > self.limits.lines:
            raise UrlListError(
                f"{str(self.path)!r} has more than {self.limits.lines:,} lines: split it"
            )
        for number, part in enumerate(parts, first):
            line = part.strip()
            # A line that was cut shows only its start: it is passed on to be rejected.
            if len(part) > _MAX_LINE_BYTES:
                line = part
            if line and not line.startswith(b"#"):
                yield number, line

    def _chunks(self) -> Iterator[bytes]:
        size = 0
        with _readable(self.path), self.path.open("rb") as file:
            packed = file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
            source = _Hashed(file)
            with gzip.GzipFile(fileobj=source) if packed else nullcontext(source) as text:
                while chunk := text.read(_CHUNK):
                    if not size:
                        self._check_text(chunk)
                        chunk = chunk.removeprefix(_BOM)
                    size += len(chunk)
                    self._check_size(size)
                    if chunk:
                        yield chunk
        self.sha256 = source.digest.hexdigest()

    def _check_text(self, start: bytes) -> None:
        if b"\0" in start[:_BINARY_PROBE]:
            raise UrlListError(f"{str(self.path)!r} is no text: save it as UTF-8 with a URL a line")

    def _check_size(self, size: int) -> None:
        if size > self.limits.text_bytes:
            raise UrlListError(
                f"{str(self.path)!r} is larger than {self.limits.text_bytes:,} bytes unpacked: "
                "split it"
            )


class _Hashed:
    """A file that shows each byte it gives to a digest: what is used is what is hashed."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data

    def seek(self, offset: int) -> int:
        """Refuse: `GzipFile` wants the method, reading forward never calls it."""
        raise UnsupportedOperation(f"seek to {offset}")


def _own_credential() -> RejectedLineError:
    return RejectedLineError("your own credential inside", "remove it: it is added when it is sent")


def _bounded(line: bytes) -> bytes:
    if len(line) <= _MAX_LINE_BYTES:
        return line
    # Too long already, and it stays so: only the end matters, for a CR LF is one.
    return line[: _MAX_LINE_BYTES + 1] + (b"\r" if line.endswith(b"\r") else b"")


def _decoded(line: bytes) -> str:
    if len(line) > _MAX_LINE_BYTES:
        raise RejectedLineError(f"longer than {_MAX_LINE_BYTES:,} bytes", "write one URL a line")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RejectedLineError("not UTF-8", "save the file as UTF-8") from None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the operating system or gzip says while `path` is read into a `UrlListError`."""
    try:
        yield
    except FileNotFoundError:
        raise UrlListError(f"{str(path)!r} does not exist: check the path") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UrlListError(
            f"{str(path)!r} is a broken gzip file ({error}): copy or pack it anew"
        ) from error
    except OSError as error:
        raise UrlListError(
            f"{str(path)!r} cannot be read: {error.strerror or error}: "
            "check its rights and its disk"
        ) from error

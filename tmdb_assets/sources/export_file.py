"""A daily export as it lies on disk: read once, line by line, and every line accounted for.

What belongs here: whether the file is what TMDB makes, and its ids. What does not: which of them
are wanted.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tmdb_assets.errors import UrlListError
from tmdb_assets.files import reading, storing
from tmdb_assets.sources.ids import IdSet

MOST_LINES = 50_000_000
MOST_BYTES = 8 * 1024**3
"""Unpacked: a small gzip file can hold more than any disk."""

ODD_SHARE = 0.1
"""A file with more odd lines than that is no export."""

_PACKED_PIECE = 16 * 1024  # what follows a member is copied, and there may be many empty ones
_CHUNK = 256 * 1024
_LONGEST_LINE = 64 * 1024
_LARGEST_ID = (1 << 63) - 1
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT = 31  # what zlib calls a window of 32 KiB in gzip, not zlib's own format


class ExportError(UrlListError):
    """An export that is cut short, or no export at all: nothing of it is used."""


class Entry(NamedTuple):
    """A good line: the id, and all that the line says."""

    number: int
    fields: dict[str, Any]


@dataclass(slots=True)
class ExportFile:
    """One pass over an export; the counts are final once `entries` has ended.

    Owned by one thread.

    Attributes:
        path: of the file, in gzip.
        url: where it came from, for what goes wrong.
        seen: ids that came before, in other exports too.
        lines: that are not blank.
        odd: lines without a good id, by what is wrong.
    """

    path: Path
    url: str
    seen: IdSet = field(default_factory=IdSet)
    lines: int = 0
    odd: Counter[str] = field(default_factory=Counter)

    def entries(self) -> Iterator[Entry]:
        """Yield each good line with an id that did not come before, in the order of the file.

        Raises:
            ExportError: it is cut short, or holds something else. What was yielded is void.
            StoreError: it cannot be read.
        """
        last = b""
        for line in self._lines():
            last = line
            self.lines += 1
            document = _parsed(line)
            number = document.get("id") if isinstance(document, dict) else None
            if type(number) is int and 0 < number <= _LARGEST_ID:
                if self.seen.add(number):
                    yield Entry(number, document)
                else:
                    self.odd["an id that came before"] += 1
            else:
                self.odd[_what_is_odd(document)] += 1
        self._check_end(last)

    def _check_end(self, last: bytes) -> None:
        if not self.lines:
            raise self._broken("is empty")
        if not isinstance(_parsed(last), dict):
            raise self._broken("is cut short: its last line is not whole")
        odd = self.odd.total()
        if odd > ODD_SHARE * self.lines:
            words = ", ".join(f"{count:,} with {what}" for what, count in self.odd.most_common(3))
            raise self._broken(f"is no export of ids: {odd:,} of {self.lines:,} lines odd, {words}")

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines that are not blank."""
        tail = b""
        for chunk in self._chunks():
            *lines, tail = (tail + chunk).split(b"\n")
            if len(tail) > _LONGEST_LINE:
                raise self._broken("is no export of ids: it has a line without end")
            if self.lines > MOST_LINES:
                raise self._broken(f"has more than {MOST_LINES:,} lines")
            yield from filter(bytes.strip, lines)
        if tail.strip():
            yield tail

    def _chunks(self) -> Iterator[bytes]:
        """Yield what is in the gzip file, whose end, length and CRC are checked."""
        size = 0
        with storing(self.path), reading(self.path) as file:
            try:
                for piece in _unpacked(file):
                    size += len(piece)
                    if size > MOST_BYTES:
                        raise self._broken(f"has more than {MOST_BYTES:,} bytes unpacked")
                    yield piece
            except _ForeignError as error:
                raise self._broken(f"is no export of ids: {error}") from None
            except EOFError:
                raise self._broken("is cut short: its gzip has no end") from None
            except zlib.error:
                raise self._broken("is damaged: its gzip cannot be unpacked") from None

    def _broken(self, what: str) -> ExportError:
        return ExportError(
            f"{self.url} {what}: nothing of it is used; try again later, or take another date"
        )


class _ForeignError(Exception):
    """No gzip; the text says what it looks like."""


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Yield what the members of a gzip file hold, in pieces of bounded size.

    Raises:
        _ForeignError: it is none.
        EOFError: it ends early.
        zlib.error: it is damaged, or something follows it.
    """
    member: Any = None
    is_first = True
    while packed := file.read(_PACKED_PIECE):
        if is_first and not packed.startswith(_GZIP_MAGIC):
            raise _ForeignError(_look_of(packed))
        is_first = False
        while packed:
            member = member or zlib.decompressobj(_GZIP_FORMAT)
            if piece := member.decompress(packed, _CHUNK):
                yield piece
            packed = member.unconsumed_tail or member.unused_data
            if member.eof:
                member = None
    if is_first or member is not None:
        raise EOFError


def _look_of(start: bytes) -> str:
    text = start.lstrip()[:1]
    looks = {b"<": "a page in HTML or XML, of a proxy or a login", b"{": "JSON that is not packed"}
    return looks.get(text, "something that is not gzip")


def _parsed(line: bytes) -> Any:  # noqa: ANN401 - whatever the line holds
    try:
        return json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _what_is_odd(document: object) -> str:
    if not isinstance(document, dict):
        return "no JSON object"
    number = document.get("id", ...)
    if number is ...:
        return "no id"
    if number is None:
        return "an id that is null"
    if type(number) is int:
        return "an id that is not within 64 bits" if number > 0 else "an id below 1"
    return "an id that is no whole number"

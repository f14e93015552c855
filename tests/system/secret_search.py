"""A search of everything in a folder for known secrets, in whatever encoding.

Half a secret is a leak too: `FRAGMENT` of its characters in a row are a finding, in every encoding.
So take secrets so random that this does not come by chance. Letters of both cases count as the
same, and so do the two alphabets of base64.
"""

import base64
import binascii
import os
import re
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

FRAGMENT = 12
"""Characters of a secret in a row that are a finding."""

_DEPTH = 5
"""Packings within packings that are opened."""

_UNPACKED_MOST = 64 * 1024 * 1024
_PIECE = 256  # small: a torn stream shows all but its last piece
_DATABASE = b"SQLite format 3\0"
_WHITE = b" \t\r\n\0"

_FOLD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_",
    b"abcdefghijklmnopqrstuvwxyz+/",
)
_ESCAPE = re.compile(
    rb"%([0-9a-f]{2})|\\+u00([0-9a-f]{2})|\\+x([0-9a-f]{2})|&#x0*([0-9a-f]{2});|&#0*([0-9]{2,3});",
    re.IGNORECASE,
)
_DECIMAL = 5  # the group of it that is no hexadecimal number
_PACKED = re.compile(rb"\x1f\x8b\x08|x[\x01\x5e\x9c\xda]")
_PACKED_IN_BASE64 = re.compile(rb"H4sI|e[AFNJ]")
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]+")


class Finding(NamedTuple):
    """Where a secret, or a part of it, is.

    Attributes:
        place: "name", or the byte, the value of a database, or what had to be unpacked before.
        secret: its label.
    """

    path: Path
    place: str
    secret: str
    encoding: str


class _Spelling(NamedTuple):
    """One way to write a secret down.

    Attributes:
        least: bytes of it in a row that are a finding.
        blocks: a stretch of so many bytes has at least one of these in it, wherever it begins.
    """

    secret: str
    encoding: str
    text: bytes
    least: int
    blocks: tuple[tuple[int, bytes], ...]


def find_secrets(root: Path, secrets: Mapping[str, str]) -> list[Finding]:
    """Return where in the folder secrets (label -> text) are: in names, files and databases.

    Raises:
        OSError: something cannot be read.
        sqlite3.Error: something that says it is a database cannot be.
        ValueError: a secret is too short to be told from chance.
    """
    spellings = [one for label, text in secrets.items() for one in _spellings(label, text)]
    return [
        Finding(path, place, *found)
        for path in _everything(root)
        for place, *found in _in_path(path, spellings)
    ]


def _everything(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, onerror=_cannot_be_read):
        for name in (*folders, *files):
            yield Path(folder, name)


def _cannot_be_read(error: OSError) -> None:
    raise error


_Found = tuple[str, str, str]
"""Place, label of the secret, encoding."""


def _in_path(path: Path, spellings: Iterable[_Spelling]) -> Iterator[_Found]:
    for _, label, encoding in _in_bytes(os.fsencode(path.name), spellings):
        yield "name", label, encoding
    if path.is_symlink():
        yield from _in_bytes(os.fsencode(path.readlink()), spellings, "link: ")
    elif path.is_file():
        data = path.read_bytes()
        yield from _in_bytes(data, spellings)
        if data.startswith(_DATABASE):
            yield from _in_database(path, spellings)


def _in_database(path: Path, spellings: Iterable[_Spelling]) -> Iterator[_Found]:
    """Search every value, as SQLite reads it from a copy: whole, from all pages and its log."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal", "-shm", "-journal"):
            if (part := path.with_name(path.name + suffix)).exists():
                shutil.copy(part, folder)
        with closing(sqlite3.connect(Path(folder, path.name))) as database:
            database.text_factory = bytes
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = ["sqlite_master", *(name.decode() for (name,) in names)]
            for table in tables:
                yield from _in_table(database, table, spellings)


def _in_table(
    database: sqlite3.Connection, table: str, spellings: Iterable[_Spelling]
) -> Iterator[_Found]:
    quoted = table.replace('"', '""')
    rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - a name of its own
    columns = [column[0] for column in rows.description]
    seen: set[bytes] = set()
    for number, row in enumerate(rows, 1):
        for column, value in zip(columns, row, strict=True):
            if isinstance(value, bytes) and value not in seen:
                seen.add(value)
                where = f"{table}.{column} row {number}: "
                yield from _in_bytes(value, spellings, where)


def _in_bytes(
    data: bytes, spellings: Iterable[_Spelling], where: str = "", depth: int = _DEPTH
) -> Iterator[_Found]:
    """Search bytes as they are, with escapes resolved, with white space gone, and unpacked."""
    if len(data) < FRAGMENT:
        return
    for manner, view in _views(data):
        folded = view.translate(_FOLD)
        for spelling in spellings:
            if (at := _find(folded, spelling)) >= 0:
                yield f"{where}byte {at}", spelling.secret, spelling.encoding + manner
    if depth:
        for place, unpacked in _unpacked(data):
            yield from _in_bytes(unpacked, spellings, f"{where}{place}: ", depth - 1)


def _views(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "", data
    unescaped, before = data, b""
    for _ in range(3):  # an escape of escapes, and one more
        if unescaped != before:
            before, unescaped = unescaped, _ESCAPE.sub(_character, unescaped)
    if unescaped != data:
        yield ", escaped", unescaped
    joined = data.translate(None, _WHITE)
    if len(joined) != len(data):
        yield ", with white space in it", joined


def _character(escape: re.Match[bytes]) -> bytes:
    group = escape.lastindex or 0
    return bytes([int(escape[group], 10 if group == _DECIMAL else 16) % 256])


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what begins somewhere in here as gzip or zlib, or as base64 of one."""
    for match in _PACKED.finditer(data):
        if len(text := _inflated(data, match.start())) >= FRAGMENT:
            yield f"packed at byte {match.start()}", text
    joined = data.translate(None, _WHITE)
    for match in _PACKED_IN_BASE64.finditer(joined):
        run = _BASE64_RUN.match(joined, match.start())
        packed = _from_base64(run[0] if run else b"")
        if len(text := _inflated(packed, 0)) >= FRAGMENT:
            yield f"packed in base64 at byte {match.start()}", text


def _from_base64(text: bytes) -> bytes:
    whole = text[: len(text) // 4 * 4] + (text[-(len(text) % 4) :] + b"==")[:4] * (
        len(text) % 4 > 1
    )
    try:
        return base64.b64decode(whole.translate(bytes.maketrans(b"-_", b"+/")))
    except binascii.Error:
        return b""


def _inflated(data: bytes, start: int) -> bytes:
    """Return what can be unpacked from here on: all, or what comes before damage."""
    unpacker = zlib.decompressobj(wbits=47)  # zlib or gzip, as the header says
    pieces: list[bytes] = []
    size = 0
    try:
        for at in range(start, len(data), _PIECE):
            pieces.append(unpacker.decompress(data[at : at + _PIECE]))
            size += len(pieces[-1])
            if unpacker.eof or size > _UNPACKED_MOST:
                break
    except zlib.error:
        pass
    return b"".join(pieces)


def _find(folded: bytes, spelling: _Spelling) -> int:
    """Return where a long enough stretch of the spelling begins, -1 if nowhere."""
    for start, block in spelling.blocks:
        at = folded.find(block)
        while at >= 0:
            before = _common(spelling.text[:start][::-1], folded[max(at - start, 0) : at][::-1])
            rest = spelling.text[start:]
            if before + _common(rest, folded[at : at + len(rest)]) >= spelling.least:
                return at - before
            at = folded.find(block, at + 1)
    return -1


def _common(one: bytes, other: bytes) -> int:
    """Return how many bytes are the same from the start."""
    pairs = zip(one, other, strict=False)
    same = (number for number, (left, right) in enumerate(pairs) if left != right)
    return next(same, min(len(one), len(other)))


def _spellings(label: str, secret: str) -> Iterator[_Spelling]:
    if len(secret) < FRAGMENT:
        raise ValueError(f"the secret {label!r} is shorter than {FRAGMENT} characters")
    plain = secret.encode()
    texts = {
        "plain": (plain, FRAGMENT),
        "UTF-16 LE": (secret.encode("utf-16-le"), 2 * FRAGMENT - 1),
        "UTF-16 BE": (secret.encode("utf-16-be"), 2 * FRAGMENT - 1),
        "hex": (plain.hex().encode(), 2 * FRAGMENT),
        "reversed": (plain[::-1], FRAGMENT),
        **{
            f"base64, {shift} bytes off": (_base64_core(plain, shift), FRAGMENT * 4 // 3 - 2)
            for shift in range(3)
        },
    }
    for encoding, (text, least) in texts.items():
        folded = text.translate(_FOLD)
        size = (least + 1) // 2
        starts = range(0, len(folded) - size + 1, size)
        blocks = tuple((start, folded[start : start + size]) for start in starts)
        yield _Spelling(label, encoding, folded, least, blocks)


def _base64_core(plain: bytes, shift: int) -> bytes:
    """Return the characters that do not depend on what stands before or behind the secret."""
    text = base64.b64encode(b"\0" * shift + plain).rstrip(b"=")
    last = len(text) - ((shift + len(plain)) % 3 > 0)
    return text[(0, 2, 3)[shift] : last]

"""The folder of one frozen list: its batch files and `list.json`, read and written.

What belongs here: the format. What does not: where the folder comes from, the lock that writers
hold, and what becomes of a user's file (`batches`).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tmdb_assets.errors import BatchError
from tmdb_assets.files import (
    TEMPORARY_PREFIX,
    read_file,
    remove,
    storing,
    sync_folder,
    write_whole,
)
from tmdb_assets.lists import Rejected

LIST_FORMAT = 2
"""Version of `list.json` and of the batch files beside it; version 1 knew no `combine`."""

RECORD_NAME = "list.json"

_REPAIR = "restore it from a backup, or move its folder away and add the list again"


@dataclass(frozen=True, slots=True)
class FrozenBatch:
    """A batch: its name, which is its partition key, its count of URLs, and its file's SHA-256."""

    name: str
    urls: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file that gave a list new URLs, as it was then.

    Attributes:
        file: its name without folder.
        sha256: of its bytes.
        lines: blank ones and comments too.
        urls: distinct good ones.
        new: those that the list did not have before.
        duplicates: lines with a URL that an earlier line of the file has.
        had_credential: good lines that held a key or token; it is gone.
        first_rejected: up to 100 of the `rejected` lines.
        added_at: UTC, ISO 8601.
        folder: where the file lay, absolute.
    """

    file: str
    sha256: str
    lines: int
    urls: int
    new: int
    duplicates: int
    rejected: int
    had_credential: int
    first_rejected: tuple[Rejected, ...]
    added_at: str
    folder: str


@dataclass(frozen=True, slots=True)
class FrozenList:
    """A list with its batches in the order of their URLs; never changed, only added to.

    Attributes:
        created_at: UTC, ISO 8601; empty for one that is not on disk yet.
        combine: whether URLs that TMDB answers together are asked for in one request.
    """

    name: str
    batches: tuple[FrozenBatch, ...] = ()
    sources: tuple[Source, ...] = ()
    created_at: str = ""
    combine: bool = False

    @property
    def urls(self) -> int:
        """How many URLs all batches have together."""
        return sum(batch.urls for batch in self.batches)


def read_record(folder: Path) -> FrozenList:
    """Return the list whose folder this is, an empty one if nothing is frozen there.

    Raises:
        BatchError: a newer version of this package wrote it, or it is damaged.
        StoreError: it cannot be read.
    """
    path = folder / RECORD_NAME
    with storing(path):
        try:
            content = read_file(path)
        except FileNotFoundError:
            return FrozenList(folder.name)
    try:
        data = json.loads(content)
        _check_format(data.pop("format"), path)
        frozen = _frozen(data)
        _check(frozen, folder.name)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BatchError(f"{str(path)!r} is damaged: {_REPAIR}") from error
    return frozen


def _check_format(version: object, path: Path) -> None:
    if not isinstance(version, int):
        raise TypeError("the format is no number")
    if version > LIST_FORMAT:
        raise BatchError(
            f"{str(path)!r} has format {version}, newer than {LIST_FORMAT}: update tmdb-assets"
        )


def _frozen(data: dict[str, Any]) -> FrozenList:
    batches = tuple(FrozenBatch(**batch) for batch in data.pop("batches"))
    sources = tuple(_source(source) for source in data.pop("sources"))
    return FrozenList(batches=batches, sources=sources, **data)


def _source(data: dict[str, Any]) -> Source:
    rejected = tuple(Rejected(**line) for line in data.pop("first_rejected"))
    return Source(first_rejected=rejected, **data)


def _check(frozen: FrozenList, name: str) -> None:
    # Batch names become paths: only the very ones that we write are taken.
    expected = [_batch_name(name, number) for number in range(1, len(frozen.batches) + 1)]
    if frozen.name != name or [batch.name for batch in frozen.batches] != expected:
        raise ValueError("names do not match")
    if not all(isinstance(batch.urls, int) for batch in frozen.batches):
        raise TypeError("a count is no number")


def read_urls(folder: Path, batch: FrozenBatch) -> list[str]:
    """Return the URLs of a batch of the list whose folder this is.

    Raises:
        BatchError: its file is not what was frozen.
        StoreError: it cannot be read.
    """
    path = folder / f"{batch.name}.txt"
    with storing(path):
        try:
            content = read_file(path)
        except FileNotFoundError:
            raise BatchError(f"batch {batch.name!r} has lost {str(path)!r}: {_REPAIR}") from None
    if hashlib.sha256(content).hexdigest() != batch.sha256:
        raise BatchError(f"{str(path)!r} was altered after it was frozen: {_REPAIR}")
    return content.decode().splitlines()


def write_batch(folder: Path, number: int, lines: Sequence[bytes]) -> FrozenBatch:
    """Write the lines of URLs of a batch, counted from 1; `write_record` must name it to count.

    Raises:
        StoreError: the folder cannot be written.
    """
    name = _batch_name(folder.name, number)
    content = b"".join(lines)
    write_whole(folder / f"{name}.txt", content)
    return FrozenBatch(name, len(lines), hashlib.sha256(content).hexdigest())


def write_record(folder: Path, frozen: FrozenList) -> None:
    """Make the list be what `frozen` says, after all of its batch files are written.

    Raises:
        StoreError: the folder cannot be written; the list is then as it was.
    """
    # The files' names must be on disk before the record that vouches for them.
    sync_folder(folder)
    content = json.dumps({"format": LIST_FORMAT, **asdict(frozen)}, indent=1)
    write_whole(folder / RECORD_NAME, content.encode() + b"\n")
    sync_folder(folder)


def sweep(folder: Path, frozen: FrozenList) -> None:
    """Remove what a killed writer left. Only with the lock: an unfinished file may be in use."""
    kept = {f"{batch.name}.txt" for batch in frozen.batches}
    batch_file = re.compile(re.escape(frozen.name) + r"-[0-9]{4,}\.txt")
    with storing(folder):
        for path in folder.iterdir():
            is_left = path.name not in kept and batch_file.fullmatch(path.name)
            if is_left or path.name.startswith(TEMPORARY_PREFIX):
                remove(path)


def _batch_name(name: str, number: int) -> str:
    return f"{name}-{number:04d}"

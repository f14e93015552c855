"""The watched folder: which dropped files are lists, which of them rest, and what was refused.

What belongs here: looking at the folder, and the record of refused files. What does not: Dagster's
sensor that looks again and again, and freezing a list (`batches`).
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tmdb_assets.errors import UrlListError
from tmdb_assets.files import make_folder, read_file, storing, write_whole
from tmdb_assets.model import Settings

SUFFIXES = (".txt", ".txt.gz")
IN_THE_MAKING = (".part", ".partial", ".tmp", ".temp", ".swp", ".crdownload", ".filepart", "~")

MAX_BYTES = 96 * 1024 * 1024
MAX_PACKED_BYTES = 12 * 1024 * 1024
"""Files larger than these may take longer than a tick may last: some three million lines."""

RECORD_NAME = "refused_lists.json"
_FORMAT = 1

Version = tuple[int, int, int]
"""Size, time of change in ns, and inode of a file: what it is known by."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file of the watched folder that was not taken, or not with every line.

    Attributes:
        file: its name.
        version: what it was when it was refused.
        reason: why, with the remedy.
        lines: how many lines were left out; 0 if the whole file was.
    """

    file: str
    version: Version
    reason: str
    lines: int = 0


class WatchedFolder:
    """One look at the folder, with what the last look saw; used once, by one thread.

    Attributes:
        others: names of visible things in it that are no lists and will not be looked at.
    """

    def __init__(self, folder: Path, seen: Mapping[str, Sequence[int]]) -> None:
        """Look.

        Args:
            folder: that lists are dropped into; need not exist.
            seen: what `memory` returned after the last look; empty for the first one.

        Raises:
            StoreError: the folder cannot be read.
        """
        self.others: list[str] = []
        self._seen = seen
        self._now: dict[str, tuple[Version, bool]] = {}
        self._folder = folder
        with storing(folder):
            for path in sorted(folder.iterdir()) if folder.exists() else ():
                self._look(path)

    def at_rest(self) -> Iterator[Path]:
        """Yield lists that are as they were a look ago, each until it is `taken` as it is."""
        for name, (version, was_taken) in self._now.items():
            if not was_taken and version == tuple(self._seen.get(name, ())[:3]):
                yield self._folder / name

    def taken(self, path: Path) -> Version:
        """Note that a file was dealt with, and return what it was."""
        version, _ = self._now[path.name]
        self._now[path.name] = (version, True)
        return version

    def memory(self) -> dict[str, list[int]]:
        """Return what the next look has to know, as JSON can hold it."""
        return {name: [*version, was_taken] for name, (version, was_taken) in self._now.items()}

    def _look(self, path: Path) -> None:
        if path.name.startswith(".") or path.name.endswith(IN_THE_MAKING):
            return
        try:
            found = path.stat()
        except FileNotFoundError:  # renamed or removed in this very moment, or a link to nothing
            return
        except OSError:  # a link in a circle, or into a folder that cannot be read
            self.others.append(path.name)
            return
        if path.is_dir() or not path.name.endswith(SUFFIXES):
            self.others.append(path.name)
            return
        version = (found.st_size, found.st_mtime_ns, found.st_ino)
        *before, was_taken = self._seen.get(path.name, (0, 0, 0, False))
        self._now[path.name] = (version, bool(was_taken) and version == tuple(before))


def check_size(path: Path) -> None:
    """Make sure that a file can be frozen within the time of a tick.

    Raises:
        UrlListError: it is too large for that, or went away.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UrlListError(f"{str(path)!r} cannot be read: {error.strerror}") from error
    most = MAX_PACKED_BYTES if path.suffix == ".gz" else MAX_BYTES
    if size > most:
        raise UrlListError(
            f"{str(path)!r} has {size:,} bytes, more than the {most:,} that fit into a tick: "
            "take it with `tmdb-assets add`, or split it"
        )


def refused_files(settings: Settings) -> tuple[Refused, ...]:
    """Return the files that were refused, whole or in part, and lie there still, unchanged.

    Raises:
        StoreError: the record of them cannot be read.
    """
    path = settings.data_dir / RECORD_NAME
    with storing(path):
        try:
            found = json.loads(read_file(path))
            refused = [
                Refused(
                    file=str(one["file"]),
                    version=_version(one["version"]),
                    reason=str(one["reason"]),
                    lines=int(one["lines"]),
                )
                for one in found["files"]
                if found["format"] == _FORMAT
            ]
        except (FileNotFoundError, ArithmeticError, ValueError, TypeError, KeyError):
            return ()
        except RecursionError:
            return ()
    return tuple(one for one in refused if _is_there(settings.url_lists_dir, one))


def note_refused(settings: Settings, refused: Iterable[Refused], taken: Iterable[str]) -> None:
    """Record files that were refused now, whole or in part, and forget those that were taken.

    Raises:
        StoreError: the record cannot be written.
    """
    files = {one.file: one for one in refused_files(settings)}
    for name in taken:
        files.pop(name, None)
    files.update({one.file: one for one in refused})
    record = {
        "format": _FORMAT,
        "written_at": round(time.time()),
        "files": [asdict(one) for one in files.values()],
    }
    make_folder(settings.data_dir)
    write_whole(settings.data_dir / RECORD_NAME, json.dumps(record, indent=1).encode())


def _version(values: Sequence[int]) -> Version:
    size, changed_ns, inode = map(int, values)
    return size, changed_ns, inode


def _is_there(folder: Path, refused: Refused) -> bool:
    try:
        found = (folder / refused.file).stat()
    except (OSError, ValueError):
        return False
    return refused.version == (found.st_size, found.st_mtime_ns, found.st_ino)

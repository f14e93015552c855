"""Which export was used last, and how long it was: the record that a short one is told by.

A small file per export, `data/exports/<name>.json`. The next export of that name has to have at
least half of its lines: a file that ends too early must never pass for few ids.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tmdb_assets.errors import StoreError
from tmdb_assets.files import read_file, storing, write_whole
from tmdb_assets.sources.export_file import ExportError, ExportFile

LEAST_SHARE = 0.5
"""Of the lines of the export before."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Used:
    """An export that a list was made of.

    Attributes:
        date: of the export, ISO 8601.
        lines: that it had.
        etag: as the server sent it, or empty.
    """

    date: str
    lines: int
    etag: str


def read_used(path: Path) -> Used | None:
    """Return what the record says, None if there is none.

    Raises:
        StoreError: it cannot be read, or is damaged.
    """
    with storing(path):
        try:
            content = read_file(path)
        except FileNotFoundError:
            return None
    try:
        found = json.loads(content)
        return Used(str(found["date"]), int(found["lines"]), str(found["etag"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(
            f"{str(path)!r} is damaged: remove it, and the next export is believed as it comes"
        ) from error


def write_used(path: Path, used: Used) -> None:
    """Remember an export.

    Raises:
        StoreError: the folder cannot be written.
    """
    content = json.dumps({"format": _FORMAT, **asdict(used)})
    write_whole(path, content.encode() + b"\n")


def check_length(export: ExportFile, path: Path) -> None:
    """Make sure that an export that was read to its end is not much shorter than the one before.

    Args:
        export: that was read.
        path: of the record.

    Raises:
        ExportError: it is.
        StoreError: the record cannot be read.
    """
    before = read_used(path)
    if before is not None and export.lines < LEAST_SHARE * before.lines:
        raise ExportError(
            f"{export.url} has {export.lines:,} lines where that of {before.date} had "
            f"{before.lines:,}: it looks cut short, and nothing of it is used; try again later. "
            f"If it is right all the same, remove {str(path)!r} and try again"
        )

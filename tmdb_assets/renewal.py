"""Which outcomes of a list are too old to count: `renewal.json` beside its batches.

What is as of before the moment there is asked for again by every run of the list, until it is
newer; so a refresh that was killed goes on with the next run. The moment only moves forward.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tmdb_assets.errors import BatchError
from tmdb_assets.files import read_file, storing, sync_folder, within, write_whole

RECORD_NAME = "renewal.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Renewal:
    """What has to be newer.

    Attributes:
        since: outcomes as of before that moment count as pending, POSIX seconds; 0 for none.
        keep_history: whether a body that turns out to be another is kept under `data/history`.
    """

    since: float = 0.0
    keep_history: bool = False


def read_renewal(data_dir: Path, name: str) -> Renewal:
    """Return what was asked for last of a list; nothing has to be newer if nothing was.

    Raises:
        BatchError: the record is damaged or of a newer format.
        StoreError: it cannot be read.
    """
    path = _path(data_dir, name)
    with storing(path):
        try:
            content = read_file(path)
        except FileNotFoundError:
            return Renewal()
    try:
        found = json.loads(content)
        if int(found["format"]) > _FORMAT:
            raise BatchError(f"{str(path)!r} was written by a newer tmdb-assets: update this one")
        since = datetime.fromisoformat(found["since"]).timestamp()
        return Renewal(since, keep_history=bool(found["keep_history"]))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BatchError(
            f"{str(path)!r} is damaged: remove it, and refresh the list again"
        ) from error


def write_renewal(data_dir: Path, name: str, renewal: Renewal) -> None:
    """Have everything of a list that is older count as pending.

    Raises:
        BatchError: the record that is there is damaged or of a newer format.
        StoreError: the folder of the list cannot be written.
    """
    path = _path(data_dir, name)
    moment = max(renewal.since, read_renewal(data_dir, name).since)
    record = {
        "format": _FORMAT,
        "since": datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds"),
        "keep_history": renewal.keep_history,
    }
    write_whole(path, json.dumps(record, indent=1).encode() + b"\n")
    sync_folder(path.parent)


def _path(data_dir: Path, name: str) -> Path:
    return within(data_dir, "batches", name) / RECORD_NAME

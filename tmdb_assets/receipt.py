"""The folder of a batch, and its receipt: what says that every URL has an outcome.

The format is public: one JSON object, `format` first. It is written last and counts what lies
beside it, so it also tells when something went away since.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tmdb_assets import outcomes
from tmdb_assets.files import read_file, storing, within
from tmdb_assets.model import OUTCOME_FORMAT, Outcome, OutcomeKind, Target
from tmdb_assets.renewal import read_renewal

RECEIPT_NAME = "receipt.json"


def batch_folder(data_dir: Path, batch: str) -> Path:
    """Return where the responses of a batch lie.

    Raises:
        StoreError: a symbolic link there leads out of the data folder.
    """
    return within(data_dir, "responses", batch.rpartition("-")[0], batch)


def encode(
    batch: str,
    targets: Sequence[Target],
    last: Mapping[str, Outcome],
    attempts: int,
    seconds: float,
) -> bytes:
    """Return the receipt of a batch all of whose targets have an outcome.

    Args:
        batch: its name.
        targets: all of them, in the order of the batch.
        last: the outcome of each that counts, by URL.
        attempts: requests sent for the batch in all runs.
        seconds: how long the run that completed it took.
    """
    receipt = {
        **counted(batch, targets, last),
        "attempts": attempts,
        "seconds": round(seconds, 3),
        "completed_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(receipt, indent=1).encode() + b"\n"


def counted(
    batch: str, targets: Sequence[Target], last: Mapping[str, Outcome]
) -> dict[str, int | str | None]:
    """Return the part of a receipt that follows from the batch and its outcomes alone."""
    kinds = [outcome.outcome for outcome in last.values()]
    digest = hashlib.sha256()
    for target in targets:
        digest.update(f"{target.name} {last[target.url].sha256}\n".encode())
    bodies = [one for one in last.values() if one.has_body]
    return {
        "format": OUTCOME_FORMAT,
        "batch": batch,
        "list": batch.rpartition("-")[0],
        "urls": len(targets),
        **{kind.value: kinds.count(kind) for kind in OutcomeKind},
        "bytes": sum(one.bytes for one in bodies),
        "digest": digest.hexdigest(),
        "oldest_as_of": _oldest(last.values()),
        "oldest_body_as_of": _oldest(bodies),
    }


def _oldest(some: Iterable[Outcome]) -> str | None:
    """Return the moment that the oldest of these outcomes dates from, None if there are none."""
    moments = [one.as_of for one in some]
    return datetime.fromtimestamp(min(moments), UTC).isoformat() if moments else None


def read(folder: Path) -> dict[str, Any] | None:
    """Return the receipt in a batch's folder; None if there is none that can be read as one.

    Raises:
        StoreError: it cannot be read at all.
    """
    path = folder / RECEIPT_NAME
    with storing(path):
        try:
            found = json.loads(read_file(path))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def is_settled(data_dir: Path, batch: str) -> bool:
    """Say whether a batch has a receipt that tells of no failed URL, and of none that is too old.

    A look at that file and at what has to be newer.

    Raises:
        BatchError: it cannot be known what has to be newer.
        StoreError: a file cannot be read.
    """
    found = read(batch_folder(data_dir, batch))
    return found is not None and found.get("failed") == 0 and not _is_old(data_dir, batch, found)


def oldest(found: Mapping[str, Any], which: str = "oldest_as_of") -> float | None:
    """Return the moment that the oldest outcome (or body) of a receipt dates from, POSIX seconds.

    None if it does not tell: there is none, or an earlier version wrote it.
    """
    try:
        return datetime.fromisoformat(found[which]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _is_old(data_dir: Path, batch: str, found: Mapping[str, Any]) -> bool:
    since = read_renewal(data_dir, batch.rpartition("-")[0]).since
    if not since:
        return False
    moment = oldest(found)
    return moment is None or moment < since


def needs_download(data_dir: Path, batch: str) -> bool:
    """Say whether a batch lacks a receipt, tells of failed or too old URLs there, or lost bodies.

    A look at names and sizes, not at what is in the files: `inspection` does that.

    Raises:
        BatchError: it cannot be known what has to be newer.
        StoreError: its folder cannot be read.
    """
    folder = batch_folder(data_dir, batch)
    found = read(folder)
    try:
        if found is None or found["failed"] != 0 or _is_old(data_dir, batch, found):
            return True
        fetched, size = int(found["fetched"]), int(found["bytes"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return True
    with storing(folder), os.scandir(folder) as entries:
        sizes = [
            entry.stat(follow_symlinks=False).st_size
            for entry in entries
            if entry.name.endswith(".json") and entry.name != RECEIPT_NAME
        ]
        has_outcomes = (folder / outcomes.FILE_NAME).exists()
    return len(sizes) < fetched or sum(sizes) < size or not has_outcomes

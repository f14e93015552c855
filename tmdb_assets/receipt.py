"""The folder of a batch, and its receipt: what says that every URL has an outcome.

The format is public: one JSON object, `format` first. It is written last and counts what lies
beside it, so it also tells when something went away since.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tmdb_assets import outcomes
from tmdb_assets.files import read_file, storing, within
from tmdb_assets.model import OUTCOME_FORMAT, Outcome, OutcomeKind, Target

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
) -> dict[str, int | str]:
    """Return the part of a receipt that follows from the batch and its outcomes alone."""
    kinds = [outcome.outcome for outcome in last.values()]
    digest = hashlib.sha256()
    for target in targets:
        digest.update(f"{target.name} {last[target.url].sha256}\n".encode())
    fetched = [one.bytes for one in last.values() if one.outcome is OutcomeKind.FETCHED]
    return {
        "format": OUTCOME_FORMAT,
        "batch": batch,
        "list": batch.rpartition("-")[0],
        "urls": len(targets),
        **{kind.value: kinds.count(kind) for kind in OutcomeKind},
        "bytes": sum(fetched),
        "digest": digest.hexdigest(),
    }


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
    """Say whether a batch has a receipt that tells of no failed URL; a look at that file alone.

    Raises:
        StoreError: it cannot be read.
    """
    found = read(batch_folder(data_dir, batch))
    return found is not None and found.get("failed") == 0


def needs_download(data_dir: Path, batch: str) -> bool:
    """Say whether a batch lacks a receipt, has one that tells of failed URLs, or lost bodies.

    A look at names and sizes, not at what is in the files: `inspection` does that.

    Raises:
        StoreError: its folder cannot be read.
    """
    folder = batch_folder(data_dir, batch)
    found = read(folder)
    try:
        if found is None or found["failed"] != 0:
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

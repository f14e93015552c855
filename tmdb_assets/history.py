"""Bodies as they were before a refresh: `data/history/<list>/<batch>/<name>-<moment>.json`.

Kept only where a refresh was told to; the moment is when the body was fetched, in UTC. Beside the
responses and not among them, so that what lies there is always what counts.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tmdb_assets.files import make_folder, storing, within

_MOMENT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"[a-z0-9-]+-([0-9]{8}T[0-9]{6}Z)\.json")


def keep(data_dir: Path, body: Path, as_of: float) -> None:
    """Keep a body that is about to be replaced or removed; nothing is copied.

    Args:
        data_dir: root of all data.
        body: in the folder of its batch.
        as_of: when it was fetched, POSIX seconds.

    Raises:
        StoreError: it cannot be kept.
    """
    folder = _folder(data_dir, body.parent.name)
    make_folder(folder)
    moment = datetime.fromtimestamp(as_of, UTC).strftime(_MOMENT)
    path = folder / f"{body.stem}-{moment}.json"
    with storing(path):
        path.unlink(missing_ok=True)
        os.link(body, path, follow_symlinks=False)


def older_than(data_dir: Path, batch: str, moment: float) -> Iterator[Path]:
    """Yield what is kept of a batch and was fetched before a moment, POSIX seconds.

    Raises:
        StoreError: the folder cannot be read.
    """
    folder = _folder(data_dir, batch)
    with storing(folder):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match and _seconds(match[1]) < moment:
                yield path


def _seconds(text: str) -> float:
    try:
        return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return float("inf")  # not of ours: no date has a 13th month


def _folder(data_dir: Path, batch: str) -> Path:
    return within(data_dir, "history", batch.rpartition("-")[0], batch)

"""`tables.json`: what says that the tables of a batch are whole; written last.

The format is public: one JSON object, `format` first. It holds no time and no duration, so the same
outcomes make the same bytes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from tmdb_assets.batches import list_of
from tmdb_assets.errors import BatchError
from tmdb_assets.files import read_file, storing, within
from tmdb_assets.model import Outcome
from tmdb_assets.tables.schema import SCHEMA_VERSION

RECORD_NAME = "tables.json"
FORMAT = 1
EXAMPLES = 100
"""Odd values that are named; the rest is counted."""


class NewerTablesError(BatchError):
    """Tables were made by a newer tmdb-assets."""


@dataclass(frozen=True, slots=True)
class OddValue:
    """What did not fit its column.

    Attributes:
        column: place in the body, such as `credits/cast/0/order`; empty for the body itself.
        reason: why, in a few words without data.
    """

    url: str
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was made.

    Attributes:
        made_of: digest of the batch's outcomes, and of the version of the columns.
        rows: by table, of those that have a file.
        bytes: size of those files.
        moved: bodies in `responses` that their URL promised to another table.
        skipped: bodies that were not there as fetched.
        odd: values that did not fit, and the moved and skipped bodies.
        library: what wrote the Parquet.
        schema: version of the columns.
    """

    batch: str
    made_of: str
    rows: Mapping[str, int]
    bytes: Mapping[str, int]
    moved: int
    skipped: int
    odd: int
    odd_examples: tuple[OddValue, ...]
    library: str
    schema: int = SCHEMA_VERSION


def tables_folder(data_dir: Path, batch: str) -> Path:
    """Return where the tables of a batch lie.

    Raises:
        BatchError: it is no name of a batch.
        StoreError: a symbolic link there leads out of the data folder.
    """
    return within(data_dir, "tables", list_of(batch), batch)


def digest(batch: str, last: Iterable[Outcome]) -> str:
    """Return what tells whether tables are up to date.

    Args:
        batch: its name.
        last: the outcomes that count, in the order of the batch.
    """
    result = hashlib.sha256(f"{FORMAT} {SCHEMA_VERSION} {batch}\n".encode())
    for outcome in last:
        result.update(json.dumps(astuple(outcome)).encode())
    return result.hexdigest()


def encode(record: Record) -> bytes:
    """Return the bytes of a record."""
    fields = {"format": FORMAT, "schema": record.schema, **asdict(record)}
    return json.dumps(fields, indent=1).encode() + b"\n"


def read(folder: Path) -> Record | None:
    """Return the record in a folder; None if there is none that can be read as one of ours.

    Raises:
        NewerTablesError: a newer version wrote it.
        StoreError: it cannot be read at all.
    """
    path = folder / RECORD_NAME
    with storing(path):
        try:
            fields = json.loads(read_file(path))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
    if not isinstance(fields, dict):
        return None
    _check_version(folder, fields)
    if not (isinstance(fields.get("schema"), int) and isinstance(fields.get("rows"), dict)):
        return None
    try:
        examples = tuple(OddValue(**example) for example in fields["odd_examples"])
        names = Record.__dataclass_fields__.keys() - {"odd_examples"}
        return Record(**{name: fields[name] for name in names}, odd_examples=examples)
    except (KeyError, TypeError):
        return None


def _check_version(folder: Path, fields: Mapping[str, Any]) -> None:
    for name, known in (("format", FORMAT), ("schema", SCHEMA_VERSION)):
        version = fields.get(name)
        if isinstance(version, int) and version > known:
            raise NewerTablesError(
                f"tables of {name} {version} in {str(folder)!r} were made by a newer "
                "tmdb-assets: update this one"
            )

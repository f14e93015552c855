"""What tests of tables need: batches with bodies of our choice, and what the Parquet holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from tests.made_outcome import made_outcome
from tmdb_assets import batches
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.outcomes import encode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.settings import from_environment
from tmdb_assets.tables.making import TablesReport, make_tables
from tmdb_assets.tables.record import tables_folder
from tmdb_assets.urls import canonical, target

ORIGIN = "https://api.themoviedb.org/3"
NOON = 1_700_000_000.0
NOON_TEXT = "2023-11-14 22:13:20+00"


def freeze(data_dir: Path, paths: list[str], name: str = "films") -> str:
    """Freeze a list of these paths below /3 into one batch, and return its name."""
    path = data_dir.parent / f"{name}.txt"
    path.write_text("".join(f"{one}\n" for one in paths))
    settings = from_environment({"TMDB_DATA_DIR": str(data_dir)})
    return batches.add(path, settings).all_batches[-1]


def download(data_dir: Path, bodies: Mapping[str, Any], name: str = "films") -> str:
    """Have a batch with these bodies, by path below /3; bytes stay as they are, None is absent."""
    batch = freeze(data_dir, [*bodies], name)
    for path, body in bodies.items():
        store(data_dir, batch, path, body)
    return batch


def store(data_dir: Path, batch: str, path: str, body: Any, as_of: float = NOON) -> Outcome:
    """Write a body and the outcome that promises it; of None that there is no such thing."""
    one = target(canonical(path, ["https://api.themoviedb.org"]).url)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    outcome = outcome_of(one, None if body is None else content, as_of)
    folder = batch_folder(data_dir, batch)
    folder.mkdir(parents=True, exist_ok=True)
    if body is not None:
        (folder / f"{one.name}.json").write_bytes(content)
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(encode(outcome))
    return outcome


def outcome_of(one: Target, body: bytes | None, as_of: float = NOON) -> Outcome:
    kind, status, reason = OutcomeKind.FETCHED, 200, ""
    if body is None:
        kind, status, reason = OutcomeKind.ABSENT, 404, "HTTP 404"
    changes = {"status": status, "reason": reason, "etag": 'W/"x"', "seconds": 0.25}
    return made_outcome(one, kind, body or b"", as_of, (as_of - 2.5, as_of), **changes)


def made(data_dir: Path, bodies: Mapping[str, Any], name: str = "films") -> TablesReport:
    """Make the tables of a batch with these bodies."""
    return make_tables(data_dir, download(data_dir, bodies, name))


def rows(data_dir: Path, table: str, columns: str = "*", batch: str = "films-0001") -> list[Any]:
    """Return these columns of a batch's table."""
    path = tables_folder(data_dir, batch) / f"{table}.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        sql = f"SELECT {columns} FROM read_parquet('{path}')"  # noqa: S608
        return connection.execute(sql).fetchall()


def ask(path: Path, sql: str) -> list[Any]:
    """Return what a query of the catalogue at this path gives."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def files(data_dir: Path, batch: str = "films-0001") -> dict[str, bytes]:
    """Return what is in the folder of a batch's tables."""
    folder = tables_folder(data_dir, batch)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def movie(number: object, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": f"Film {number}", "release_date": "1999-10-15", **more}

"""What the Parquet files of a batch hold, read back: the ground for checks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tmdb_assets.tables.engine import duckdb
from tmdb_assets.tables.parquet import glob_of, quoted
from tmdb_assets.tables.schema import TABLES, TYPED

_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An id that a table has more than once, and the first five of its URLs."""

    table: str
    id: int
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted: rows of every table, ids that a table has twice, and the first of them."""

    rows: Mapping[str, int]
    duplicates: int
    examples: tuple[Duplicate, ...]


def look(connection: duckdb.DuckDBPyConnection, folder: Path, tables: Iterable[str]) -> Seen:
    """Count what is in these tables of a folder; `connection` is as `parquet.connected` opens it.

    Raises:
        StoreError: DuckDB cannot name the folder.
    """
    rows = dict.fromkeys(TABLES, 0)
    found: list[Duplicate] = []
    for table in tables:
        source = f"read_parquet({quoted(glob_of(folder / f'{table}.parquet'))})"
        counted = connection.execute(f"SELECT count(*) FROM {source}").fetchall()  # noqa: S608
        rows[table] = counted[0][0]
        if table in TYPED.values():
            twice = connection.execute(_TWICE.format(source=source)).fetchall()
            found += [Duplicate(table, number, tuple(urls)) for number, urls in twice]
    return Seen(rows, len(found), tuple(found[:_EXAMPLES]))


_TWICE = """
SELECT id, list(url ORDER BY url)[:5]
FROM {source}
GROUP BY id, split_part(url, '?', 2)
HAVING count(*) > 1
ORDER BY ALL
"""

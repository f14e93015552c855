"""The first rows of a batch's tables, for people to look at."""

from collections.abc import Mapping
from pathlib import Path

from tmdb_assets.tables.parquet import connected, glob_of, quoted

ROWS = 5
_COLUMNS = {
    "movies": ("id", "title", "release_date", "popularity"),
    "tv": ("id", "name", "first_air_date", "popularity"),
    "people": ("id", "name", "birthday", "popularity"),
    "responses": ("url",),
}


def preview(folder: Path, rows: Mapping[str, int]) -> tuple[dict[str, str], ...]:
    """Return the first rows of the tables in a folder that have some, as text; five at most.

    Args:
        folder: of the tables of one batch.
        rows: how many each table has.

    Raises:
        StoreError: a file cannot be read.
    """
    found: list[dict[str, str]] = []
    with connected() as connection:
        for table, columns in _COLUMNS.items():
            if not rows.get(table) or len(found) >= ROWS:
                continue
            source = quoted(glob_of(folder / f"{table}.parquet"))
            names = ", ".join(f"coalesce({column}::VARCHAR, '')" for column in columns)
            sql = f"SELECT {names} FROM read_parquet({source}) LIMIT {ROWS - len(found)}"  # noqa: S608
            some = connection.execute(sql).fetchall()
            found.extend({"table": table, "what": " · ".join(row)} for row in some)
    return tuple(found)

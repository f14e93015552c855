"""SQL of the catalogue: views over the Parquet files of all batches. Pure."""

from collections.abc import Iterator
from pathlib import Path

from tmdb_assets.tables.parquet import glob_of, quoted
from tmdb_assets.tables.schema import DESCRIPTIONS, NEWEST, TABLES


def source(folder: str, table: str, *, is_mixed: bool) -> str:
    """Return what reads a table of all batches; with `is_mixed` of whatever version."""
    pattern = f"{glob_of(Path(folder))}/tables/*/*/{table}.parquet"
    return f"read_parquet({quoted(pattern)}{', union_by_name = true' * is_mixed})"


def view(table: str, rows: str | None) -> str:
    """Return the view of a table over these rows, or over none."""
    columns = TABLES[table]
    if rows is None:
        nothing = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in columns)
        return f"CREATE VIEW {table} AS SELECT {nothing} WHERE false"
    names = ", ".join(f'one."{column.name}"' for column in columns)
    return (
        f"CREATE VIEW {table} AS SELECT {names} FROM {rows} AS one WHERE NOT EXISTS ("  # noqa: S608
        f"FROM superseded AS old WHERE old.view = '{table}' "
        "AND old.url = one.url AND old.batch = one.batch)"
    )


def supersede(table: str, rows: str) -> str:
    """Return what lists all rows of a URL but the newest one."""
    return f"""
        INSERT INTO superseded
        SELECT '{table}', url, batch
        FROM {rows}
        WHERE url IN (SELECT url FROM {rows} GROUP BY url HAVING count(*) > 1)
        QUALIFY row_number() OVER (PARTITION BY url ORDER BY {NEWEST[table]} DESC, batch DESC) > 1
    """  # noqa: S608


def comments(table: str) -> Iterator[str]:
    """Yield what describes a view and its columns in the catalogue itself."""
    yield f"COMMENT ON VIEW {table} IS {quoted(DESCRIPTIONS[table])}"
    for column in TABLES[table]:
        yield f'COMMENT ON COLUMN {table}."{column.name}" IS {quoted(column.description)}'

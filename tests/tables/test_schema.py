"""The declared columns: DuckDB takes their types, people find them described."""

import duckdb
import pytest

from tmdb_assets.tables.schema import DESCRIPTIONS, NEWEST, TABLES, TYPED, documented


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_knows_every_type_by_the_name_we_give_it(table: str) -> None:
    columns = documented(table)
    values = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind, _ in columns)

    with duckdb.connect() as connection:
        described = connection.execute(f"DESCRIBE SELECT {values}").fetchall()

    assert [(row[0], row[1].replace('"', "")) for row in described] == [
        (name, kind.replace('"', "")) for name, kind, _ in columns
    ]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described_and_named_once(table: str) -> None:
    names = [name for name, _, _ in documented(table)]

    assert len({name.lower() for name in names}) == len(names)  # DuckDB knows no case
    assert all(description and "\n" not in description for _, _, description in documented(table))
    assert not any("/" in name for name in names)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_says_what_it_is_and_which_row_is_the_newest(table: str) -> None:
    assert DESCRIPTIONS[table]
    assert NEWEST[table] in [name for name, _, _ in documented(table)]


@pytest.mark.parametrize("table", TYPED.values())
def test_details_begin_with_where_they_are_from_and_end_with_the_rest(table: str) -> None:
    names = [name for name, _, _ in documented(table)]

    assert names[:5] == ["url", "parameters", "language", "fetched_at", "id"]
    assert names[-3:] == ["list", "batch", "other_fields"]

"""What Dagster's pages show of tables and of the catalogue."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from tmdb_assets.defs import metadata
from tmdb_assets.defs.metadata import Metadata
from tmdb_assets.defs.partitions import TABLES
from tmdb_assets.tables import schema

if TYPE_CHECKING:  # they import DuckDB, which costs a run's start
    from tmdb_assets.tables.catalog import CatalogReport
    from tmdb_assets.tables.making import TablesReport


def columns() -> dg.TableSchema:
    """Return the columns of all tables, each with the name of its table before it.

    Of nested types only what they are: the page has a line for each; `DESCRIBE movies` has all.
    """
    return dg.TableSchema(
        columns=[
            dg.TableColumn(f"{table}.{name}", _short(kind), description)
            for table in schema.TABLES
            for name, kind, description in schema.documented(table)
        ]
    )


def _short(kind: str) -> str:
    return re.sub(r"^(STRUCT|MAP)\(.*\)", r"\1", kind)


def of_tables(report: "TablesReport", preview: Sequence[Mapping[str, str]]) -> Metadata:
    """Return what the tables of a batch hold; numbers have the same names for every batch."""
    numbers = {
        "odd_values": report.odd,
        "moved_to_responses": report.moved,
        "skipped_bodies": report.skipped,
        "duplicate_ids": report.duplicates,
        "parquet_bytes": report.parquet_bytes,
        "json_bytes": report.json_bytes,
        "seconds": round(report.seconds, 2),
    }
    found = _counts(report.rows, numbers)
    found["folder"] = dg.MetadataValue.path(report.folder.absolute())
    if preview:
        found["preview"] = metadata.table(preview)
    if report.odd_examples:
        found["odd_examples"] = odd(report)
    return found


def _counts(rows_by_table: Mapping[str, int], numbers: Mapping[str, float]) -> Metadata:
    """Return rows of all tables together and one by one, and then these numbers."""
    answers = sum(rows for table, rows in rows_by_table.items() if table != "outcomes")
    by_table = {f"{table}_rows": rows for table, rows in rows_by_table.items()}
    every = {"dagster/row_count": answers, **by_table, **numbers}
    return {name: metadata.number(value) for name, value in every.items()}


def odd(report: "TablesReport") -> dg.TableMetadataValue:
    """Return the first values that did not fit their column."""
    return metadata.table(
        {"url": one.url, "column": one.column or "the whole body", "reason": one.reason}
        for one in report.odd_examples[:20]
    )


def of_catalog(report: "CatalogReport") -> Metadata:
    """Return what the catalogue shows, and where its columns come from."""
    numbers = {
        "batches": report.batches,
        "superseded_rows": report.superseded,
        "outdated_batches": report.outdated,
        "bytes": report.bytes,
        "seconds": round(report.seconds, 2),
    }
    found = _counts(report.rows, numbers)
    found["path"] = dg.MetadataValue.path(report.path.absolute())
    found["dagster/column_lineage"] = dg.MetadataValue.column_lineage(_lineage())
    return found


def _lineage() -> dg.TableColumnLineage:
    source = dg.AssetKey(TABLES)
    return dg.TableColumnLineage(
        deps_by_column={
            column.name: [dg.TableColumnDep(asset_key=source, column_name=column.name)]
            for column in columns().columns
        }
    )

"""Dagster assets made of responses: the tables of a batch, and the catalogue over all of them.

They are partitioned as the responses are, or not at all, and stand in the same job: so they are
made in the run of their batch.
"""

import time
from collections.abc import Iterator

import dagster as dg

from tmdb_assets.defs import table_checks
from tmdb_assets.defs.partitions import (
    CATALOG,
    GROUP,
    OWNERS,
    RESPONSES,
    TABLES,
    batches_partitions,
)
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.defs.table_metadata import columns, of_catalog, of_tables
from tmdb_assets.errors import TmdbAssetsError


@dg.asset(
    name=TABLES,
    partitions_def=batches_partitions,
    deps=[RESPONSES],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"parquet", "duckdb"},
    tags={"stage": "tables"},
    metadata={"dagster/column_schema": columns()},
    check_specs=table_checks.of_batch,
)
def tmdb_tables(
    context: dg.AssetExecutionContext, tmdb: TmdbResource
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:  # type: ignore[type-arg]  # Dagster takes it bare only
    """The answers to one batch of URLs as Parquet: movies, series, people, all the rest, outcomes.

    Movies, series and people have typed columns, with genres, credits and the like as lists of
    structs; what has no column is in `other_fields`, so nothing is dropped. All other answers are
    JSON text in `responses`. The same answers make the same bytes. `tmdb-assets query` asks all
    batches together.
    """
    from tmdb_assets.tables.making import make_tables  # noqa: PLC0415 - DuckDB costs a run's start
    from tmdb_assets.tables.preview import preview  # noqa: PLC0415 - as above

    try:
        report = make_tables(tmdb.settings().data_dir, context.partition_key, context.run.run_id)
        first_rows = preview(report.folder, report.rows)
    except TmdbAssetsError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    context.log.info(
        "batch %s: %s in %.1f s",
        context.partition_key,
        ", ".join(f"{rows} {table}" for table, rows in report.rows.items() if rows) or "no rows",
        report.seconds,
    )
    yield dg.MaterializeResult(metadata=of_tables(report, first_rows))
    yield from table_checks.of_report(report)


@dg.asset(
    name=CATALOG,
    deps=[dg.AssetDep(TABLES, partition_mapping=dg.AllPartitionMapping())],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"duckdb"},
    tags={"stage": "catalog"},
    metadata={"dagster/column_schema": columns()},
    check_specs=[table_checks.of_catalog],
)
def tmdb_catalog(
    tmdb: TmdbResource,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:  # type: ignore[type-arg]  # as above
    """One DuckDB file with views over the tables of all batches, the newest row of every URL.

    `movies`, `tv`, `people`, `responses`, `outcomes`. It holds no data and is replaced whole: open
    it read-only from wherever you like, while batches are being downloaded too.
    """
    from tmdb_assets.tables.catalog import refresh_catalog  # noqa: PLC0415 - as above

    try:
        settings = tmdb.settings()
        report = refresh_catalog(settings.data_dir)
        yield dg.MaterializeResult(metadata=of_catalog(report))
        yield table_checks.of_ages(settings.data_dir, time.time())
    except TmdbAssetsError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error

"""Command `tables`: makes what tables are missing, and the catalogue."""

import os

import click

from tmdb_assets import batches
from tmdb_assets.cli import show
from tmdb_assets.cli.names import name_argument
from tmdb_assets.errors import BatchBusyError, BatchError, StoreError
from tmdb_assets.receipt import batch_folder
from tmdb_assets.settings import from_environment


@click.command()
@name_argument
def tables(name: str | None) -> None:
    """Make the Parquet tables of what was downloaded, where a run did not, and the catalogue.

    Of all lists, or the one of that name. Runs make them by themselves; this is for what was
    downloaded without, as by materializing tmdb_responses alone. What is up to date stays.

    \b
    Examples:
      tmdb-assets tables
      tmdb-assets tables movies
    """
    from tmdb_assets.tables.catalog import refresh_catalog  # noqa: PLC0415 - DuckDB takes a moment
    from tmdb_assets.tables.making import make_tables  # noqa: PLC0415 - as above

    data_dir = from_environment(os.environ).data_dir
    names = (batches.read_list(data_dir, name).name,) if name else batches.list_names(data_dir)
    code = made = 0
    wanted: list[str] = []
    for each in names:
        try:
            wanted += [one.name for one in batches.read_list(data_dir, each).batches]
        except BatchError as error:  # the others are none the worse for it
            show.err.print(f"list {each}: {error}", markup=False)
            code = 2
    for batch in wanted:
        try:
            if not batch_folder(data_dir, batch).is_dir():
                continue
            report = make_tables(data_dir, batch)
        except (BatchError, StoreError) as error:
            show.err.print(f"batch {batch}: {error}", markup=False)
            code = max(code, 1 if isinstance(error, BatchBusyError) else 2)
        else:
            made += not report.was_current
            if report.odd:
                show.err.print(f"batch {batch}: {report.odd:,} odd values", markup=False)
    catalog = refresh_catalog(data_dir)
    rows = [(view, f"{count:,} rows") for view, count in catalog.rows.items()]
    show.out.print(show.table(f"{made:,} batches made", [*rows, ("catalogue", str(catalog.path))]))
    raise SystemExit(code)

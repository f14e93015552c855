"""Commands `status` and `failed`: how far lists are, and what did not work."""

import os
from dataclasses import asdict

import click
from rich.table import Table

from tmdb_assets import batches
from tmdb_assets.cli import show
from tmdb_assets.cli.lists import json_option
from tmdb_assets.settings import from_environment
from tmdb_assets.survey import Survey


@click.command()
@click.argument("name", metavar="[LIST]", required=False)
@json_option
def status(name: str | None, *, as_json: bool) -> None:
    r"""Show how far lists are: all, or the one of that name.

    \b
    Examples:
      tmdb-assets status
      tmdb-assets status movies --json
    """
    settings = from_environment(os.environ)
    names = [name] if name else batches.list_names(settings.data_dir)
    standings = [Survey(settings.data_dir, one).look() for one in names]
    if as_json:
        for standing in standings:
            left = show.seconds_left(standing, settings.requests_per_second)
            show.print_json({**asdict(standing), "seconds_left": round(left)})
        return
    if not standings:
        show.out.print(f"no lists in {settings.data_dir} yet: tmdb-assets add LIST")
        return
    grid = Table()
    grid.add_column("list", overflow="fold")
    for column in ("URLs", "fetched", "absent", "failed", "pending", "batches", "req/s", "left"):
        grid.add_column(column, justify="right", no_wrap=True)
    for one in standings:
        counts = (one.urls, one.fetched, one.absent, one.failed, one.pending)
        grid.add_row(
            one.name,
            *(f"{count:,}" for count in counts),
            f"{one.complete}/{one.batches}",
            f"{one.requests_per_second:.1f}",
            show.duration(show.seconds_left(one, settings.requests_per_second)),
        )
    show.out.print(grid)
    show.out.print(f"cap: {settings.requests_per_second} requests in any second")


@click.command()
@click.argument("name", metavar="[LIST]", required=False)
@json_option
def failed(name: str | None, *, as_json: bool) -> None:
    r"""Print the URLs that failed, with their reasons, as a list that can be fed back.

    `tmdb-assets run LIST` tries failed URLs again by itself.

    \b
    Examples:
      tmdb-assets failed movies
      tmdb-assets failed > again.txt && tmdb-assets run again.txt
    """
    settings = from_environment(os.environ)
    for one in [name] if name else batches.list_names(settings.data_dir):
        for outcome in Survey(settings.data_dir, one).failures():
            if as_json:
                show.print_json(
                    {
                        "list": one,
                        "url": outcome.url,
                        "reason": outcome.reason,
                        "status": outcome.status,
                        "attempts": outcome.attempts,
                    }
                )
            else:
                click.echo(f"# {outcome.reason}, after {outcome.attempts} attempts")
                click.echo(outcome.url)

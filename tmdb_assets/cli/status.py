"""Commands `status` and `failed`: how far lists are, and what did not work."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict

import click
from rich.table import Table

from tmdb_assets import ages, batches
from tmdb_assets.cli import show
from tmdb_assets.cli.lists import json_option
from tmdb_assets.cli.names import meant, name_argument
from tmdb_assets.errors import BatchError, LimiterError, StoreError
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.opening import open_store
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment
from tmdb_assets.survey import Standing, Survey
from tmdb_assets.watched import refused_files


@click.command()
@name_argument
@json_option
def status(name: str | None, *, as_json: bool) -> None:
    """Show how far lists are: all, or the one of that name.

    \b
    Examples:
      tmdb-assets status
      tmdb-assets status movies --json
    """
    settings = from_environment(os.environ)
    standings = [*_standings(settings, name)]
    pace = _pace(settings)
    for refused in refused_files(settings):
        words = "left out" if refused.lines else "refused"
        show.err.print(f"{words}: {refused.reason}", markup=False)
    if as_json:
        for standing in standings:
            left = round(show.seconds_left(standing, settings.requests_per_second))
            show.print_json({**asdict(standing), "seconds_left": left, **_limiter_json(pace)})
        return
    if not standings:
        show.out.print(show.no_lists(settings), markup=False)
        return
    show.out.print(_standings_table(standings, settings))
    for line in _age_lines(standings, settings):
        show.err.print(line, markup=False)
    for line in _limiter_lines(pace, settings):
        show.out.print(line)


def _standings(settings: Settings, name: str | None) -> Iterator[Standing]:
    """Yield how lists stand; one that cannot be read is named, and hides no other."""
    for one in [name] if name else batches.list_names(settings.data_dir):
        try:
            yield Survey(settings.data_dir, one).look()
        except (BatchError, StoreError) as error:
            if name:
                raise
            show.err.print(f"list {one!r}: {error}", markup=False)


def _standings_table(standings: Iterable[Standing], settings: Settings) -> Table:
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
    return grid


def _age_lines(standings: Iterable[Standing], settings: Settings) -> Iterator[str]:
    """Yield what is to be said of lists with content that is old."""
    for one in standings:
        oldest = ages.oldest_body(settings.data_dir, one.name)
        if oldest is not None and (age := time.time() - oldest) > ages.WARNED_AFTER_SECONDS:
            yield (
                f"list {one.name!r} has content of {age / ages.DAY_SECONDS:.0f} days; TMDB's terms "
                f"allow six months: {show.asking(one.name, settings)} refresh {one.name} "
                "--older-than 150d, or purge"
            )


def _limiter_json(pace: Pace | None) -> dict[str, float | None]:
    return {
        "limiter_requests_per_second": None if pace is None else round(pace.requests_per_second, 2),
        "limiter_pause_seconds": None if pace is None else round(pace.pause_seconds, 1),
    }


def _limiter_lines(pace: Pace | None, settings: Settings) -> Iterator[str]:
    yield f"cap: {settings.requests_per_second} requests in any second"
    if pace is None:
        yield "the limiter cannot be read: tmdb-assets limiter says why"
        return
    if pace.is_slowed:
        yield f"present rate: {show.rate_words(pace)}"
    if pace.pause_seconds:
        yield f"everybody pauses for {pace.pause_seconds:.0f} s more after a 429"


def _pace(settings: Settings) -> Pace | None:
    try:
        with closing(open_store(settings)) as store:
            return store.pace()
    except LimiterError:
        return None


@click.command()
@name_argument
@json_option
def failed(name: str | None, *, as_json: bool) -> None:
    """Print the URLs that failed, with their reasons, as lines of a list.

    `tmdb-assets retry LIST` tries them again. A file of them is for elsewhere: `run` would make a
    list of its own of it, and this one would keep its failures.

    \b
    Examples:
      tmdb-assets failed movies
      tmdb-assets failed movies > failed.txt     to look at it; to try them again:
      tmdb-assets retry movies
    """
    settings = from_environment(os.environ)
    for one in meant(name, settings):
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

"""Commands `export` and `changes`: lists of URLs from what TMDB itself says there is."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tmdb_assets.cli import show
from tmdb_assets.cli.lists import json_option
from tmdb_assets.settings import from_environment
from tmdb_assets.sources import changes as change_lists
from tmdb_assets.sources import exports
from tmdb_assets.sources.change_pages import Tally
from tmdb_assets.sources.kinds import CHANGING, KINDS
from tmdb_assets.sources.shapes import Wish, split_names

_STDOUT = "-"
_MOST_ROWS = 60
"""Of kinds and days; a longer time is shown by kind alone."""

append_option = click.option(
    "--append", metavar="A,B,…", multiple=True, help="Sub-resources to ask for with each id."
)


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--min-popularity", default=0.0, help="Leave out what is less popular.")
@append_option
@click.option("--separate", is_flag=True, help="Sub-resources as URLs of their own.")
@click.option("--limit", type=int, help="The N most popular (the first N, if that is not known).")
@click.option("--date", "day", default="", help="Day of the export, YYYY-MM-DD; else the newest.")
@click.option("--adult", is_flag=True, help="Also adult ones, from their own export too.")
@click.option("--video", is_flag=True, help="Also films marked as video: concerts and the like.")
@click.option("--all", "every", is_flag=True, help="Also URLs that a list has already.")
@click.option(
    "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="For every URL."
)
@click.option("--output", help="File to write, - for standard output. [default: KIND-export.txt]")
@json_option
def export(  # noqa: PLR0913 - one per option
    kind: str,
    *,
    min_popularity: float,
    append: tuple[str, ...],
    separate: bool,
    limit: int | None,
    day: str,
    adult: bool,
    video: bool,
    every: bool,
    parameters: tuple[str, ...],
    output: str | None,
    as_json: bool,
) -> None:
    """Make a list of all ids in TMDB's daily export, as URLs.

    URLs that a list has already are left out, so the same command makes a list of what is new, day
    by day; run it under the same name, and that makes further batches. The limit counts before
    that. Needs no credential.

    \b
    Examples:
      tmdb-assets export movie --limit 10000 --append credits,keywords
      tmdb-assets export tv --min-popularity 2 --append credits,images --separate
      tmdb-assets export person --output people.txt.gz
    """
    wish = Wish(split_names(append), separate, parameters)
    wanted = exports.Wanted(
        kind=kind,
        wish=wish,
        min_popularity=min_popularity,
        adult=adult,
        video=video,
        limit=limit,
        day=day,
        every=every,
    )
    settings = from_environment(os.environ)
    with _place(output, f"{kind}-export.txt", as_json=as_json) as path:
        report = exports.make_list(wanted, settings, path)
        if as_json:
            show.print_json(
                {**asdict(report), "day": report.day.isoformat(), "path": str(report.path)}
            )
            return
        console = _console(output)
        console.print(show.table(f"export of {kind}", _export_rows(report, output)))
        if not report.ids:
            console.print("\nNo id is left, so nothing was written.")
        elif not report.written:
            console.print("\nA list has all of it already, so nothing was written.")
        elif output != _STDOUT:
            # asked for one by one, they would cost a request each
            together = " --combine" if separate else ""
            console.print(f"\nDownload it:  {show.command()} run {path}{together}", markup=False)


@click.command()
@click.option("--since", "day", required=True, help="First day, YYYY-MM-DD; the last is today.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(CHANGING), help="Several times; else all."
)
@click.option("--new", is_flag=True, help="Also ids that no list has.")
@append_option
@click.option("--output", help="File to write, - for standard output. [default: changes.txt]")
@json_option
def changes(  # noqa: PLR0913 - one per option
    *,
    day: str,
    kinds: tuple[str, ...],
    new: bool,
    append: tuple[str, ...],
    output: str | None,
    as_json: bool,
) -> None:
    """Make a list of what changed at TMDB since a day.

    It has the URLs that lists have about what changed; those about a season or an episode count as
    their series. One request per hundred ids: some 200 for a day of films, series and persons.
    TMDB's lists tell of no deletions.

    \b
    Examples:
      tmdb-assets changes --since 2026-11-20
      tmdb-assets changes --since 2026-11-20 --kind movie --new --append credits
    """
    wish = Wish(split_names(append))
    wanted = change_lists.Since(day, tuple(dict.fromkeys(kinds)) or CHANGING, new, wish)
    settings = from_environment(os.environ)
    with _place(output, "changes.txt", as_json=as_json) as path:
        report = change_lists.make_list(wanted, settings, path, say=_say)
        for tally in report.tallies:
            if tally.lost_pages:
                show.err.print(
                    f"{tally.window.kind} on {tally.window.day}: TMDB does not give the last "
                    f"{tally.lost_pages:,} pages: refresh all of that kind"
                )
        if as_json:
            show.print_json(_changes_json(report))
            return
        console = _console(output)
        console.print(_tallies_table(report))
        console.print(show.table("list of what changed", _changes_rows(report, output)))
        if not report.written:
            console.print("\nNothing of it is in a list, so nothing was written.")
        elif output != _STDOUT:
            name = f"changes-{report.until}"
            words = f"{show.command()} run {path} --name {name}"
            console.print(f"\nAsk for it again:  {words}", markup=False)
        console.print(f"Next time:         {show.command()} changes --since {report.until}")


@contextmanager
def _place(output: str | None, default: str, *, as_json: bool) -> Iterator[Path]:
    """Give the path to write to; what is for standard output goes there when it is whole."""
    if output != _STDOUT:
        yield Path(output or default)
        return
    if as_json:
        raise click.UsageError("--json and --output - would mix on standard output: take one")
    # it has no name, so a kill leaves nothing
    with tempfile.TemporaryFile("w+", encoding="ascii") as file:
        yield Path(f"/dev/fd/{file.fileno()}")
        file.seek(0)
        _print_file(file)


def _print_file(file: TextIO) -> None:
    try:
        shutil.copyfileobj(file, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever reads has enough; Python would complain once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console(output: str | None) -> Console:
    return show.err if output == _STDOUT else show.out


def _say(text: str) -> None:
    show.err.print(text, markup=False)


def _written(count: int, path: Path, output: str | None) -> tuple[str, str]:
    place = "standard output" if output == _STDOUT else escape(str(path))
    return ("URLs written", f"{count:,} to {place}" if count else "none")


def _export_rows(report: exports.ExportReport, output: str | None) -> Iterator[tuple[str, str]]:
    yield "date of the export", report.day.isoformat()
    yield "lines", f"{report.lines:,}"
    for what, count in report.odd:
        yield f"left out: {what}", f"{count:,}"
    for why, count in report.left_out:
        yield f"left out: {why}", f"{count:,}"
    yield "ids", f"{report.ids:,}"
    yield "URLs that a list has already", f"{report.already:,}"
    yield _written(report.written, report.path, output)


def _changes_rows(
    report: change_lists.ChangesReport, output: str | None
) -> Iterator[tuple[str, str]]:
    yield "since", report.since.isoformat()
    yield "until, not over yet", report.until.isoformat()
    for kind, count in report.ids.items():
        yield f"{kind} ids", f"{count:,}"
    yield "URLs of lists about them", f"{report.frozen:,}"
    yield "new ids", f"{report.new:,}"
    yield _written(report.written, report.path, output)


def _tallies_table(report: change_lists.ChangesReport) -> Table:
    grid = Table("kind", "day")
    for column in ("pages", "items", "without id", "again", "ids"):
        grid.add_column(column, justify="right")
    by_day = len(report.tallies) <= _MOST_ROWS
    groups: dict[tuple[str, str], list[Tally]] = {}
    for tally in report.tallies:
        day = tally.window.day.isoformat() if by_day else "all"
        groups.setdefault((tally.window.kind, day), []).append(tally)
    for names, tallies in sorted(groups.items()):
        grid.add_row(*names, *(f"{count:,}" for count in _sums(tallies)))
    return grid


def _sums(tallies: Iterable[Tally]) -> list[int]:
    rows = [(one.pages, one.items, one.without_id, one.again, one.ids) for one in tallies]
    return [sum(column) for column in zip(*rows, strict=True)]


def _changes_json(report: change_lists.ChangesReport) -> dict[str, object]:
    return {
        "since": str(report.since),
        "until": str(report.until),
        "days": [
            {
                "kind": tally.window.kind,
                "day": str(tally.window.day),
                **{name: value for name, value in asdict(tally).items() if name != "window"},
            }
            for tally in report.tallies
        ],
        "ids": dict(report.ids),
        "frozen": report.frozen,
        "nameless": report.nameless,
        "new": report.new,
        "written": report.written,
        "first": report.first,
        "path": str(report.path),
    }

"""Command `query`: SQL over all that was downloaded, as a table, CSV, JSON or Parquet."""

import csv
import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from tmdb_assets.cli import show
from tmdb_assets.settings import from_environment

if TYPE_CHECKING:
    from tmdb_assets.tables.asking import Answer

SHOWN_ROWS = 60
"""Rows of a table on the console; the rest is counted."""

SHOWN_COLUMNS = 10
"""Columns of a table on the console; nobody can read more side by side."""

SHOWN_LETTERS = 60
"""Of a text on the console."""

LEAST_LETTERS = 10
"""Of a text where columns have to share the width; numbers are shown whole."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL")


@click.command()
@click.argument("sql", metavar="SQL")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: nested values in it are JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts: an object a row.")
@click.option(
    "--parquet",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a Parquet file, whole or not at all.",
)
def query(sql: str, *, as_csv: bool, as_json: bool, parquet: Path | None) -> None:
    """Ask for what was downloaded, in SQL. Changes nothing.

    SQL is one SELECT in DuckDB's dialect, or - to read it from standard input. The tables are
    movies, tv, people, responses (all other bodies, as JSON text) and outcomes (a row per URL).
    DESCRIBE says their columns. Moments are in UTC.

    \b
    Examples:
      tmdb-assets query "SELECT title, popularity FROM movies ORDER BY popularity DESC LIMIT 10"
      tmdb-assets query "SELECT outcome, reason, count(*) FROM outcomes GROUP BY ALL"
      tmdb-assets query "SELECT title, unnest(credits.cast).name AS actor FROM movies" --csv
      tmdb-assets query "FROM tv WHERE in_production" --parquet running.parquet
      tmdb-assets query "DESCRIBE movies"
      tmdb-assets query "FROM about"
    """
    from tmdb_assets.tables import asking  # noqa: PLC0415 - DuckDB takes a moment to import

    if as_csv + as_json + (parquet is not None) > 1:
        raise click.UsageError("take one of --csv, --json and --parquet")
    data_dir = from_environment(os.environ).data_dir
    with _stoppable():
        text = _read() if sql == "-" else sql
        if parquet is not None:
            rows = asking.write_answer(data_dir, text, parquet)
            show.err.print(f"{rows:,} rows in {parquet}", markup=False)
            return
        with asking.answering(data_dir, text) as answer, _quiet_if_nobody_reads():
            _print(answer, as_csv=as_csv, as_json=as_json)


def _read() -> str:
    """Return standard input; bytes that are no text come as they do in arguments."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    return sys.stdin.read()


@contextmanager
def _stoppable() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end the block like Ctrl-C, and the process with 128 and the signal.

    What comes after the first is ignored, so that it disturbs no clearing up: a terminal that is
    closed and systemd send two.
    """
    came: list[int] = []

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    # one that is ignored, as with nohup, stays so
    both = (signal.SIGTERM, signal.SIGHUP)
    signals = [one for one in both if signal.getsignal(one) is not signal.SIG_IGN]
    before = [signal.signal(one, interrupt) for one in signals]
    try:
        yield
    except BaseException:  # DuckDB may make another error of an interrupt
        if not came:
            raise
        with suppress(OSError):  # the terminal may be gone
            click.echo("stopped", err=True)
        raise SystemExit(128 + came[0]) from None
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _print(answer: "Answer", *, as_csv: bool, as_json: bool) -> None:
    if as_csv:
        _print_csv(answer)
    elif as_json:
        _print_json(answer)
    else:
        _print_table(answer)


@contextmanager
def _quiet_if_nobody_reads() -> Iterator[None]:
    """End without a word if standard output was closed, as `head` does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # the interpreter flushes once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None


def _print_csv(answer: "Answer") -> None:
    # before Python 3.13 only letters of the line's end are quoted; so that has both
    writer = csv.writer(_Lines(), lineterminator="\r\n")
    writer.writerow(answer.names)
    for row in answer.rows:
        writer.writerow([_cell(value) for value in row])


class _Lines:
    """Standard output for rows that end with both letters of a line's end: prints the second."""

    def write(self, row: str) -> None:
        sys.stdout.write(row.removesuffix("\r\n") + "\n")


def _print_json(answer: "Answer") -> None:
    for row in answer.rows:
        show.print_json(
            {name: _plain(value) for name, value in zip(answer.names, row, strict=True)}
        )


def _print_table(answer: "Answer") -> None:
    rows = [*islice(answer.rows, SHOWN_ROWS + 1)]
    cells = [[_shown(value) for value in row[:SHOWN_COLUMNS]] for row in rows[:SHOWN_ROWS]]
    grid = Table()
    for place, (name, kind) in enumerate(zip(answer.names, answer.types, strict=True)):
        if place < SHOWN_COLUMNS:
            _add_column(grid, _printable(name), kind, [row[place] for row in cells])
    for row in cells:
        grid.add_row(*row)
    with show.out.capture() as captured:
        show.out.print(grid)
    click.echo(captured.get(), nl=False)
    if len(rows) > SHOWN_ROWS:
        more = answer.count() - SHOWN_ROWS
        show.err.print(f"and {more:,} more rows: --csv, --json and --parquet have all")
    if hidden := answer.names[SHOWN_COLUMNS:]:
        names = ", ".join(map(_printable, hidden[:SHOWN_COLUMNS]))
        rest = f" and {len(hidden) - SHOWN_COLUMNS} others" * (len(hidden) > SHOWN_COLUMNS)
        show.err.print(f"and {len(hidden)} more columns: {names}{rest}", markup=False)


def _add_column(grid: Table, name: str, kind: str, cells: Sequence[Text]) -> None:
    is_number = kind.startswith(_NUMBERS) and not kind.endswith("]")
    longest = max((len(cell) for cell in cells), default=0)
    grid.add_column(
        Text(name),
        justify="right" if is_number else "left",
        no_wrap=True,
        overflow="ellipsis",
        min_width=longest if is_number else min(longest, LEAST_LETTERS),
    )


def _shown(value: object) -> Text:
    text = _printable(_cell(value))
    if len(text) > SHOWN_LETTERS:
        text = f"{text[: SHOWN_LETTERS - 1]}…"
    return Text(text) if value is not None else Text("NULL", style="dim")


def _printable(text: str) -> str:
    """Return data as text that no terminal takes for a command, on one line."""
    return "".join(
        letter
        if letter.isprintable()
        else " "
        if letter in "\r\n\t"
        else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


def _cell(value: object) -> str:
    """Return a value as a cell of CSV: empty for NULL, JSON for what is nested."""
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    match value:
        case dict():
            return {_key(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return _text(value)


def _text(value: object) -> str:
    """Return what JSON has no type for as text."""
    match value:
        case datetime():
            return _moment(value)
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
    return str(value)


def _key(value: object) -> str:
    return value if isinstance(value, str) else _cell(value)


def _moment(value: datetime) -> str:
    """Return a moment in UTC with a Z; one without a zone as it is."""
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")

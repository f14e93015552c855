"""What the console shows: tables and texts, from values; no files, no Dagster."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.slots import CLIMB_PER_SECOND
from tmdb_assets.list_name import STAND_IN_SUFFIX
from tmdb_assets.lists import Rejected
from tmdb_assets.model import Settings
from tmdb_assets.plans import Plan
from tmdb_assets.standin.settings import DEFAULT_PORT
from tmdb_assets.survey import Standing
from tmdb_assets.urls import is_loopback

SHOWN_LINES = 20
"""Rejected lines printed one by one; the rest is counted."""

SHARE_USED = 0.99
"""Of the cap: what the limiter's margin leaves."""

WIDTH_OF_LOGS = 160
"""Columns where there is no terminal whose width would count."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH_OF_LOGS)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def command() -> str:
    """Return how to call us again from this folder, on the PATH or not."""
    path = os.path.relpath(sys.argv[0])
    is_script = Path(path).name == "tmdb-assets" and not path.startswith("..")
    return path if is_script else "tmdb-assets"


def beside(name: str, settings: Settings) -> str:
    """Return what to write before a command that asks for URLs of a list, often nothing.

    A list of the stand-in has to have it there, at the port that its URLs are frozen with.
    """
    if not name.endswith(STAND_IN_SUFFIX):
        return ""
    origin = settings.origins[0]
    port = urlsplit(origin).port if is_loopback(origin) else DEFAULT_PORT
    option = "" if port in (None, DEFAULT_PORT) else f" --port {port}"
    return f"{command()} stand-in{option} -- "


def asking(name: str, settings: Settings) -> str:
    """Return how to call a command of ours that asks for URLs of a list."""
    return beside(name, settings) + command()


def no_lists(settings: Settings) -> str:
    """Return what to say where nothing was added yet."""
    return f"no lists in {settings.data_dir} yet: {command()} add LIST"


def print_json(values: Mapping[str, object]) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(values, ensure_ascii=False))  # noqa: T201 - for scripts, without colours


def duration(seconds: float) -> str:
    """Return a duration as people read it, rounded to seconds."""
    return str(timedelta(seconds=round(seconds)))


def table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and values."""
    grid = Table(title=title, title_justify="left", show_header=False)
    grid.add_column()
    grid.add_column(justify="right")
    for row in rows:
        grid.add_row(*row)
    return grid


def plan_table(plan: Plan, requests_per_second: int) -> Table:
    """Return what a list holds and what downloading it takes."""
    sizes = plan.batch_sizes
    batches = f"{len(sizes):,} of {min(sizes):,} to {max(sizes):,} URLs" if sizes else "none"
    rows = [
        ("lines", f"{plan.lines:,}"),
        ("URLs", f"{plan.urls:,}"),
        ("of them in the list already", f"{plan.already:,}"),
        ("new", f"{plan.new:,}"),
        ("duplicates left out", f"{plan.duplicates:,}"),
        ("lines rejected", f"{plan.rejected:,}"),
        ("URLs that lost a credential", f"{plan.had_credential:,}"),
        ("new batches", batches),
        (
            f"time for the new ones at {requests_per_second}/s",
            duration(plan.requests / (requests_per_second * SHARE_USED)),
        ),
    ]
    if plan.combine:
        saved = plan.new - plan.requests
        rows.insert(-1, ("requests, combined, about", f"{plan.requests:,} ({saved:,} saved)"))
    return table(f"list {plan.name}", rows)


def print_rejected(rejected: int, examples: Iterable[Rejected]) -> None:
    """Tell on standard error which lines were rejected, why, and what to do."""
    if not rejected:
        return
    shown = list(examples)[:SHOWN_LINES]
    for line in shown:
        err.print(f"line {line.line} rejected: {line.reason}: {line.remedy}", markup=False)
    if rejected > len(shown):
        err.print(f"and {rejected - len(shown):,} more")


def standing_rows(standing: Standing, requests_per_second: int) -> list[tuple[str, str]]:
    """Return how a list stands as names and values."""
    return [
        ("URLs", f"{standing.urls:,}"),
        ("fetched", f"{standing.fetched:,}"),
        ("absent (404, an answer)", f"{standing.absent:,}"),
        ("failed", f"{standing.failed:,}"),
        *([("purged", f"{standing.purged:,}")] if standing.purged else []),
        ("pending", f"{standing.pending:,}"),
        ("batches complete", f"{standing.complete:,} of {standing.batches:,}"),
        ("requests/s now", f"{standing.requests_per_second:.1f} of {requests_per_second}"),
    ]


def rate_words(pace: Pace) -> str:
    """Return the rate that the limiter gives at present, and why it is below the cap."""
    words = f"{pace.requests_per_second:.1f} requests/s"
    if not pace.is_slowed:
        return words
    seconds = (pace.cap - pace.requests_per_second) / CLIMB_PER_SECOND + pace.pause_seconds
    return f"{words} after a 429, back at {pace.cap} in {duration(seconds)}"


def seconds_left(standing: Standing, requests_per_second: int) -> float:
    """Return about how long the rest takes: at the present rate, or at the cap if nothing runs."""
    rate = standing.requests_per_second or requests_per_second * SHARE_USED
    return standing.pending / (rate * standing.urls_per_request)

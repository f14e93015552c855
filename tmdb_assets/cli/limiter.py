"""Command `limiter`: how the rate limiter stands that all runs share."""

import os
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

import click

from tmdb_assets.cli import show
from tmdb_assets.cli.lists import json_option
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.opening import open_store
from tmdb_assets.limiter.watch import Sighting, watch
from tmdb_assets.settings import from_environment


@click.command()
@click.option("--reset", is_flag=True, help="Forget pauses and a slower rate.")
@click.option("--yes", is_flag=True, help="Do not ask before a reset.")
@json_option
def limiter(*, reset: bool, yes: bool, as_json: bool) -> None:
    """Show the rate limiter that all runs share; watches it for a second.

    After a reset nobody sends for a second and a half, then all go on at the full rate.

    \b
    Examples:
      tmdb-assets limiter
      tmdb-assets limiter --json | jq .requests_per_second
      tmdb-assets limiter --reset
    """
    settings = from_environment(os.environ)
    with closing(open_store(settings)) as store:
        if reset:
            if not yes:
                question = (
                    f"Forget pauses and the slower rate of {store.name}, for all who share it?"
                )
                click.confirm(question, abort=True, err=True)
            store.reset()
        seen = watch(store)
    if as_json:
        pace = asdict(seen.pace)
        for name in ("is_news", "asker", "eldest", "permits"):
            del pace[name]
        runs = [_moment(born).isoformat() for born in seen.runs]
        last_second = round(seen.permits / seen.seconds)
        show.print_json(
            {"store": seen.store, **pace, "last_second": last_second}
            | {"runs": runs, "waiting": seen.waiting}
        )
        return
    show.out.print(show.table("limiter", _rows(seen)))


def _rows(seen: Sighting) -> list[tuple[str, str]]:
    pace = seen.pace
    return [
        ("store", seen.store),
        ("cap", f"{pace.cap} requests in any second"),
        ("present rate", show.rate_words(pace)),
        ("last second", f"{seen.permits / seen.seconds:.0f} permits"),
        ("waiting", _waiting_words(seen)),
        ("last pause", _pause_words(pace)),
    ]


def _waiting_words(seen: Sighting) -> str:
    if not seen.runs:
        return "nobody asks"
    eldest = f"{_moment(seen.runs[0]).astimezone():%H:%M:%S}"
    if not seen.waiting:
        return f"nobody; the run of {eldest} has it to itself"
    runs = "1 run" if seen.waiting == 1 else f"{seen.waiting} runs"
    return f"{runs}, behind the older one of {eldest}"


def _pause_words(pace: Pace) -> str:
    if not pace.last_pause_seconds:
        return "none"
    if pace.pause_seconds:
        return f"now, {pace.pause_seconds:.1f} s more"
    return f"{pace.last_pause_seconds:.0f} s, over since {show.duration(pace.calm_seconds)}"


def _moment(born_ns: int) -> datetime:
    return datetime.fromtimestamp(born_ns / 1e9, UTC)

"""Command `run`: a list from end to end through Dagster's queue, with progress.

It adds the list, queues a run for every batch that needs one, starts a queue daemon if none is up,
and follows the files and the runs until all is done. The work itself happens in the runs: this
process may be killed at any moment without harm.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from tmdb_assets import batches, open_files
from tmdb_assets.cli import show
from tmdb_assets.cli.lists import freeze, json_option, list_argument, name_option, strict_option
from tmdb_assets.cli.progress import Progress, bar_or_lines
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment, require_credential
from tmdb_assets.survey import Standing, Survey

_LOOK_SECONDS = 0.5
"""Time between two looks at files and runs."""


@click.command()
@list_argument
@name_option
@strict_option
@json_option
def run(url_list: Path, *, name: str | None, strict: bool, as_json: bool) -> None:
    r"""Download a list of URLs to the end; run it again to resume.

    Exits with 0 when every URL is fetched or absent, with 1 when some failed.

    \b
    Examples:
      tmdb-assets run movies.txt
      TMDB_REQUESTS_PER_SECOND=40 tmdb-assets run movies.txt.gz
    """
    settings = from_environment(os.environ)
    require_credential(settings, settings.origins[:1])
    open_files.ensure(settings.threads)
    with closing(open_door(settings)) as door:
        door.pace()  # a store that cannot be used is named before anything is frozen or started
    added = freeze(url_list, settings, name, strict=strict)
    show.print_rejected(added.plan.rejected, added.plan.first_rejected)
    began_at = time.monotonic()
    survey = Survey(settings.data_dir, added.plan.name)
    try:
        # with --json, standard output holds the result alone
        problems = _download(added, settings, survey, show.err if as_json else show.out)
    except KeyboardInterrupt:
        raise click.ClickException(
            f"stopped; all that was fetched is kept. To resume: {show.command()} run {url_list}"
        ) from None
    standing = survey.look()
    _sum_up(url_list, added, standing, settings, time.monotonic() - began_at, as_json=as_json)
    for problem in problems:
        show.err.print(f"a run failed: {problem}", markup=False)
    if problems or standing.failed or standing.pending:
        raise SystemExit(1)


def _download(
    added: batches.Added, settings: Settings, survey: Survey, console: Console
) -> list[str]:
    """Have all batches downloaded that need it; return what made runs fail."""
    from tmdb_assets.cli.session import Session  # noqa: PLC0415 - Dagster takes a second to import

    with Session(Path.cwd(), settings, added) as session, stoppable():
        progress: Progress = bar_or_lines(survey.look(), settings.requests_per_second, console)
        with progress:
            try:
                for _ in session.work():
                    progress.show(survey.look())
                    time.sleep(_LOOK_SECONDS)
            except KeyboardInterrupt:
                progress.note("stopping: what is in flight may land, then the runs end")
                session.stop()
                progress.show(survey.look())
                raise
        return session.problems()


@contextmanager
def stoppable() -> Iterator[None]:
    """Have SIGTERM act like Ctrl-C while the block lasts; in the main thread only."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _sum_up(  # noqa: PLR0913 - what the summary needs
    url_list: Path,
    added: batches.Added,
    standing: Standing,
    settings: Settings,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    if as_json:
        show.print_json({**asdict(standing), "seconds": round(seconds, 1)})
        return
    rows = list(_rows(added, standing, settings, seconds))
    show.out.print(show.table(f"list {standing.name}", rows))
    name, command = standing.name, show.command()
    if standing.failed:
        show.out.print(f"\nwhat failed:     {command} failed {name}")
        show.out.print(f"try them again:  {command} run {url_list}")
    elif standing.pending:
        show.out.print(f"\nto resume:       {command} run {url_list}")
    show.out.print(f"\nlook at it:      ls {settings.data_dir}/responses/{name}/*-0001 | head")
    show.out.print("in the UI:       make ui")
    show.out.print(f"later:           {command} status {name}")


def _rows(
    added: batches.Added, standing: Standing, settings: Settings, seconds: float
) -> Iterator[tuple[str, str]]:
    cap = settings.requests_per_second
    mean = standing.mean_requests_per_second
    yield from (
        row for row in show.standing_rows(standing, cap) if not row[0].startswith("requests/s")
    )
    if added.plan.rejected:
        yield "lines rejected", f"{added.plan.rejected:,}"
    yield "requests/s, first to last", f"{mean:.1f} of {cap}" if mean else "none sent"
    yield "time", show.duration(seconds)
    yield "files", str(settings.data_dir / "responses" / standing.name)

"""Commands `run` and `retry`: a list from end to end through Dagster's queue, with progress.

`run` adds the list. Both queue a run for every batch that needs one, start a queue daemon if none
is up, and follow the files and the runs until all is done. The work itself happens in the runs:
this process may be killed at any moment without harm.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from tmdb_assets import open_files
from tmdb_assets.cli import show
from tmdb_assets.cli.lists import (
    combine_option,
    freeze,
    json_option,
    list_argument,
    name_option,
    strict_option,
)
from tmdb_assets.cli.names import meant, name_argument
from tmdb_assets.cli.progress import Progress, bar_or_lines
from tmdb_assets.errors import BatchError, ConfigurationError
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.list_name import is_out_of_reach
from tmdb_assets.model import Settings
from tmdb_assets.plans import Added
from tmdb_assets.settings import from_environment, require_credential
from tmdb_assets.survey import Standing, Survey

_LOOK_SECONDS = 0.5
"""Time between two looks at files and runs."""


@click.command()
@list_argument
@name_option
@strict_option
@combine_option
@json_option
def run(url_list: Path, *, name: str | None, strict: bool, combine: bool, as_json: bool) -> None:
    """Download a list of URLs to the end; run it again to resume.

    Exits with 0 when every URL is fetched or absent, with 1 when some failed.

    \b
    Examples:
      tmdb-assets run movies.txt
      tmdb-assets run movies-and-credits.txt --combine
      TMDB_REQUESTS_PER_SECOND=40 tmdb-assets run movies.txt.gz
    """
    from tmdb_assets.defs import queue  # noqa: PLC0415 - Dagster takes a second to import

    settings = checked_settings()
    with queue.open_instance(Path.cwd()):  # without one nothing can run: then nothing is frozen
        added = freeze(url_list, settings, name, strict=strict, combine=combine)
    show.print_rejected(added.plan.rejected, added.plan.first_rejected)
    if code := finish(added.plan.name, settings, added, as_json=as_json):
        raise SystemExit(code)


@click.command()
@name_argument
@json_option
def retry(name: str | None, *, as_json: bool) -> None:
    """Ask again for what failed, and for what is pending; for nothing else.

    Of all lists, or the one of that name; no file is needed. The same as materializing their
    partitions again in the UI.

    \b
    Examples:
      tmdb-assets retry
      tmdb-assets retry movies
    """
    _check_that_it_may_be_asked(name)
    settings = checked_settings()
    if name:
        raise SystemExit(finish(name, settings, as_json=as_json))
    code = 0
    for one in meant(None, settings):
        if is_out_of_reach(one, settings.origins):
            show.err.print(f"list {one}: skipped: it is one of the stand-in", markup=False)
            continue
        try:
            code = max(code, finish(one, settings, as_json=as_json))
        except BatchError as error:  # the others are none the worse for it
            show.err.print(f"list {one!r}: {error}", markup=False)
            code = 2
    raise SystemExit(code)


def _check_that_it_may_be_asked(name: str | None) -> None:
    """Say how a list of the stand-in is asked for, where the lack of a token would be named.

    Raises:
        ConfigurationError: the list is one, and there is neither a stand-in nor a token.
    """
    settings = from_environment(os.environ)
    if name and is_out_of_reach(name, settings.origins) and settings.credential is None:
        words = f"{show.asking(name, settings)} retry {name}"
        raise ConfigurationError(f"list {name!r} is one of the stand-in: {words}")


def checked_settings() -> Settings:
    """Return the settings, when all that a download needs is there.

    Raises:
        ConfigurationError: something is missing or cannot be used.
        LimiterError: the limiter's store cannot be used.
    """
    settings = from_environment(os.environ)
    require_credential(settings, settings.origins[:1])
    open_files.ensure(settings.threads)
    with closing(open_door(settings)) as door:
        door.pace()  # a store that cannot be used is named before anything is frozen or started
    return settings


def finish(name: str, settings: Settings, added: Added | None = None, *, as_json: bool) -> int:
    """Download what a list still lacks, with progress, and sum it up; return the exit code.

    Args:
        name: of a frozen list.
        settings: of this command.
        added: what was just added to it, if something was.
        as_json: print the result as JSON, and nothing else on standard output.

    Raises:
        ClickException: Ctrl-C.
    """
    began_at = time.monotonic()
    survey = Survey(settings.data_dir, name)
    try:
        # with --json, standard output holds the result alone
        problems = _download(name, settings, added, survey, show.err if as_json else show.out)
    except KeyboardInterrupt:
        raise click.ClickException(
            "stopped; all that was fetched is kept. "
            f"To resume: {show.asking(name, settings)} retry {name}"
        ) from None
    standing = survey.look()
    rejected = added.plan.rejected if added is not None else 0
    _sum_up(standing, settings, time.monotonic() - began_at, rejected, as_json=as_json)
    for problem in problems:
        show.err.print(f"a run failed: {problem}", markup=False)
    return int(bool(problems or standing.failed or standing.pending))


def _download(
    name: str,
    settings: Settings,
    added: Added | None,
    survey: Survey,
    console: Console,
) -> list[str]:
    """Have all batches downloaded that need it; return what made runs fail."""
    from tmdb_assets.cli.session import Session  # noqa: PLC0415 - Dagster takes a second to import

    with Session(Path.cwd(), settings, name) as session, stoppable() as heed:
        if added is not None:
            session.report(added)
        progress: Progress = bar_or_lines(survey.look(), settings.requests_per_second, console)
        with progress:
            try:
                for _ in session.work():
                    heed()
                    progress.show(survey.look())
                    time.sleep(_LOOK_SECONDS)
            except KeyboardInterrupt:
                progress.note("stopping: what is in flight may land, then the runs end")
                session.stop()
                progress.show(survey.look())
                raise
        return session.problems()


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Have SIGTERM act like Ctrl-C while the block lasts; in the main thread only.

    Yields what raises KeyboardInterrupt if one of them came: while an object is being finalized,
    Python ignores the exception.
    """
    came = False

    def interrupt(*_: object) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    def heed() -> None:
        if came:
            raise KeyboardInterrupt

    # one that is ignored, as of a job in the background, stays so
    both = (signal.SIGTERM, signal.SIGINT)
    signals = [one for one in both if signal.getsignal(one) is not signal.SIG_IGN]
    before = [signal.signal(one, interrupt) for one in signals]
    try:
        yield heed
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _sum_up(
    standing: Standing, settings: Settings, seconds: float, rejected: int, *, as_json: bool
) -> None:
    if as_json:
        show.print_json({**asdict(standing), "seconds": round(seconds, 1)})
        return
    rows = list(_rows(standing, settings, seconds, rejected))
    show.out.print(show.table(f"list {standing.name}", rows))
    name, command = standing.name, show.command()
    again = f"{show.asking(name, settings)} retry {name}"
    if standing.failed:
        show.out.print(f"\nwhat failed:     {command} failed {name}")
        show.out.print(f"try them again:  {again}")
    elif standing.pending:
        show.out.print(f"\nto resume:       {again}")
    show.out.print(f"\nlook at it:      ls {settings.data_dir}/responses/{name}/*-0001 | head")
    show.out.print("in the UI:       make ui")
    show.out.print(f"later:           {command} status {name}")


def _rows(
    standing: Standing, settings: Settings, seconds: float, rejected: int
) -> Iterator[tuple[str, str]]:
    cap = settings.requests_per_second
    mean = standing.mean_requests_per_second
    yield from (
        row for row in show.standing_rows(standing, cap) if not row[0].startswith("requests/s")
    )
    if rejected:
        yield "lines rejected", f"{rejected:,}"
    yield "requests/s, first to last", f"{mean:.1f} of {cap}" if mean else "none sent"
    if mean and standing.urls_per_request > 1:
        yield "URLs/s, combined", f"{mean * standing.urls_per_request:.1f}"
    yield "time", show.duration(seconds)
    yield "files", str(settings.data_dir / "responses" / standing.name)

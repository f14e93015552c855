"""Commands `plan` and `add`: from a file of URLs to frozen batches."""

import os
import shlex
from dataclasses import asdict
from pathlib import Path

import click

from tmdb_assets import batches
from tmdb_assets.cli import show
from tmdb_assets.errors import UrlListError
from tmdb_assets.model import Settings
from tmdb_assets.plans import Added
from tmdb_assets.settings import from_environment
from tmdb_assets.watched import note_refused

list_argument = click.argument("url_list", metavar="LIST", type=click.Path(path_type=Path))
name_option = click.option("--name", help="Name of the list; by default the name of the file.")
strict_option = click.option("--strict", is_flag=True, help="Refuse a list with a bad line.")
combine_option = click.option(
    "--combine",
    is_flag=True,
    help="Ask in one request for URLs that TMDB answers together, as /3/movie/550 and its credits.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


@click.command()
@list_argument
@name_option
@combine_option
@json_option
def plan(url_list: Path, *, name: str | None, combine: bool, as_json: bool) -> None:
    """Say what a list of URLs would cost; writes and sends nothing.

    LIST has one URL a line (`.txt` or `.txt.gz`); blank lines and `#` comments are skipped.

    \b
    Examples:
      tmdb-assets plan movies.txt
      tmdb-assets plan movies.txt --combine
      tmdb-assets plan movies.txt.gz --json | jq .new
    """
    settings = from_environment(os.environ)
    planned = batches.plan(url_list, settings, name, combine=combine)
    if as_json:
        show.print_json(asdict(planned))
        return
    show.print_rejected(planned.rejected, planned.first_rejected)
    show.out.print(show.plan_table(planned, settings.requests_per_second))


@click.command()
@list_argument
@name_option
@strict_option
@combine_option
@json_option
def add(url_list: Path, *, name: str | None, strict: bool, combine: bool, as_json: bool) -> None:
    """Freeze a list into batches and make each a partition in Dagster; sends nothing.

    Adding a list again changes nothing; one that grew gets further batches of its new URLs. A list
    that was added with --combine stays so.

    \b
    Examples:
      tmdb-assets add movies.txt
      tmdb-assets add /tmp/today.txt --name movies
    """
    from tmdb_assets.defs import queue  # noqa: PLC0415 - Dagster takes a second to import

    settings = from_environment(os.environ)
    with queue.open_instance(Path.cwd()) as instance:
        added = freeze(url_list, settings, name, strict=strict, combine=combine)
        queue.register(instance, added.all_batches)
        queue.report_added(instance, added, settings)
    if as_json:
        show.print_json(asdict(added))
        return
    show.print_rejected(added.plan.rejected, added.plan.first_rejected)
    show.out.print(show.plan_table(added.plan, settings.requests_per_second))
    if added.new_batches:
        _say_how_to_go_on(added, url_list, settings, name)


def _say_how_to_go_on(added: Added, url_list: Path, settings: Settings, name: str | None) -> None:
    beside = show.beside(added.plan.name, settings)
    words = ["run", str(url_list), *(["--name", name] if name else [])]
    show.out.print(
        f"\nDownload it:       {beside}{show.command()} {shlex.join(words)}", markup=False
    )
    show.out.print(
        f"or one partition:  {beside}dagster asset materialize --select 'tmdb_responses*' "
        f"--partition {added.new_batches[0]} -m tmdb_assets.definitions",
        markup=False,
    )


def freeze(
    url_list: Path, settings: Settings, name: str | None, *, strict: bool, combine: bool
) -> Added:
    """Freeze a list; with `strict`, only if every line is good.

    Raises:
        UrlListError: the list cannot be used, or has a bad line where none is allowed.
    """
    if strict:
        planned = batches.plan(url_list, settings, name)
        if planned.rejected:
            line = planned.first_rejected[0]
            raise UrlListError(
                f"{str(url_list)!r} has {planned.rejected} bad lines, the first is line "
                f"{line.line}: {line.reason}: {line.remedy}"
            )
    added = batches.add(url_list, settings, name, combine=combine)
    if url_list.absolute().parent == settings.url_lists_dir.absolute():
        note_refused(settings, (), [url_list.name])  # whatever the sensor thought of it
    return added

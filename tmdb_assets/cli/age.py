"""Commands `refresh` and `purge`: what is too old is asked for again, or removed."""

import os
import re
import time

import click

from tmdb_assets import ages, batches
from tmdb_assets.cli import show
from tmdb_assets.cli.names import name_argument
from tmdb_assets.cli.run import checked_settings, finish
from tmdb_assets.errors import BatchBusyError, BatchError, ConfigurationError, StoreError
from tmdb_assets.model import Settings
from tmdb_assets.renewal import Renewal, read_renewal, write_renewal
from tmdb_assets.settings import from_environment, require_credential

_UNITS_SECONDS = {"h": 3600.0, "d": ages.DAY_SECONDS, "w": 7 * ages.DAY_SECONDS}


def _age(_ctx: click.Context, _param: click.Parameter, value: str) -> float:
    """Return the seconds of a length of time as people write it."""
    match = re.fullmatch(r"([0-9]{1,5})([hdw])", value.strip())
    if match is None:
        raise click.BadParameter(
            f"{value[:40]!r} is no age: write hours, days or weeks, as in 36h, 30d, 26w"
        )
    return int(match[1]) * _UNITS_SECONDS[match[2]]


@click.command()
@name_argument
@click.option("--older-than", callback=_age, required=True, help="As in 36h, 30d or 26w.")
@click.option("--keep-history", is_flag=True, help="Keep a body that is replaced by another.")
@click.option("--dry-run", is_flag=True, help="Only say how much is older.")
@click.option("--urls", is_flag=True, help="Only print the URLs that are older, one a line.")
def refresh(
    name: str | None, *, older_than: float, keep_history: bool, dry_run: bool, urls: bool
) -> None:
    """Ask again for what is older, and replace what changed.

    Of all lists, or the one of that name. Where TMDB gave an ETag the request says so: if nothing
    changed, TMDB may answer 304 without a body, and the file stays. It stays too if it cannot be
    fetched anew. What is replaced is kept under data/history with --keep-history, which holds until
    that refresh is complete. What was purged longer ago is asked for too.

    Without a name, a list that was frozen for an origin that may not be asked (as by the stand-in)
    is told of and passed over, and counts as no failure.

    \b
    Examples:
      tmdb-assets refresh --older-than 30d --dry-run
      tmdb-assets refresh movies --older-than 30d
    """
    is_for_real = not (dry_run or urls)
    settings = checked_settings() if is_for_real else from_environment(os.environ)
    renewal = Renewal(time.time() - older_than, keep_history=keep_history)
    code = 0
    for one in _names(settings, name):
        try:
            older = _older(settings, one, renewal.since, urls=urls)
            if older and is_for_real and _may_ask(settings, one, older, is_named=bool(name)):
                _mark(settings, one, renewal)
                code = max(code, finish(one, settings, as_json=False))
        except (BatchError, StoreError) as error:  # the others are none the worse for it
            show.err.print(f"list {one!r}: {error}", markup=False)
            code = 2
    raise SystemExit(code)


def _older(settings: Settings, name: str, since: float, *, urls: bool) -> tuple[str, ...]:
    """Say how much of a list is older, or which URLs these are; return the batches they are in."""
    count, found = 0, []
    for aged in ages.older_than(settings.data_dir, name, since):
        found.append(aged.batch)
        count += len(aged.older)
        for outcome in aged.older if urls else ():
            click.echo(outcome.url)
    if not urls:
        show.out.print(f"list {name}: {f'{count:,} URLs are' if count else 'nothing is'} older")
    return tuple(found)


def _may_ask(settings: Settings, name: str, older: tuple[str, ...], *, is_named: bool) -> bool:
    """Say whether a run would ask for what is older, before it is marked: a mark stays.

    Raises:
        ConfigurationError: it would not, and the list was named; or there is no credential.
    """
    loaded = (batches.load(settings.data_dir, batch) for batch in older)
    origins = set[str]().union(*map(batches.origins_of, loaded))
    foreign = sorted(origins - set(settings.origins))
    if not foreign:
        require_credential(settings, origins)
        return True
    why = f"frozen for {foreign[0]}, which TMDB_ALLOWED_ORIGINS does not name"
    if is_named:
        raise ConfigurationError(
            f"list {name!r} was {why}: add it there (for the stand-in: start this command under "
            "`tmdb-assets stand-in --`)"
        )
    show.err.print(f"list {name}: skipped: {why}", markup=False)
    return False


def _mark(settings: Settings, name: str, renewal: Renewal) -> None:
    """Have what is older count as pending; history that is being kept is kept to the end."""
    before = read_renewal(settings.data_dir, name)
    is_under_way = any(ages.older_than(settings.data_dir, name, before.since))
    keeps = renewal.keep_history or (before.keep_history and is_under_way)
    write_renewal(settings.data_dir, name, Renewal(renewal.since, keep_history=keeps))


@click.command()
@name_argument
@click.option("--older-than", callback=_age, required=True, help="As in 180d or 26w.")
@click.option("--yes", is_flag=True, help="Remove it; without, only say what would be removed.")
def purge(name: str | None, *, older_than: float, yes: bool) -> None:
    """Remove what was fetched longer ago: files, table rows, earlier versions.

    TMDB's terms forbid to keep its content for longer than six months. Outcomes stay, as `purged`,
    and nobody asks for these URLs again by itself; `refresh --older-than 0d LIST` does.

    \b
    Examples:
      tmdb-assets purge --older-than 180d          says what would go
      tmdb-assets purge --older-than 180d --yes
    """
    from tmdb_assets import purging  # noqa: PLC0415 - DuckDB takes a moment to import
    from tmdb_assets.tables.catalog import current_catalog  # noqa: PLC0415

    settings = from_environment(os.environ)
    now = time.time()
    bodies = size = earlier = code = 0
    look = purging.purge_list if yes else purging.to_purge
    for one in _names(settings, name):
        try:
            for purged in look(settings.data_dir, one, now - older_than, now):
                bodies, size = bodies + purged.bodies, size + purged.bytes
                earlier += purged.history
        except (BatchError, StoreError) as error:  # the others are none the worse for it
            show.err.print(f"list {one!r}: {error}", markup=False)
            code = max(code, 1 if isinstance(error, BatchBusyError) else 2)
    verb = "removed" if yes else "would be removed (--yes removes them)"
    files = f"{bodies:,} files of {size / 1e6:,.1f} MB and {earlier:,} earlier versions"
    show.out.print(f"{files} {verb}")
    if yes:
        current_catalog(settings.data_dir)
    raise SystemExit(code)


def _names(settings: Settings, name: str | None) -> tuple[str, ...]:
    """Return the lists that are meant.

    Raises:
        BatchError: there is none of that name.
    """
    if name:
        return (batches.read_list(settings.data_dir, name).name,)
    return batches.list_names(settings.data_dir)

"""The command `tmdb-assets`: its group, and the boundary where failures become one line.

Exit codes: 0 all is well, 1 some URLs failed or a run did, 2 usage, configuration or bad input.
"""

import sys
import traceback

import click

from tmdb_assets.cli.age import purge, refresh
from tmdb_assets.cli.limiter import limiter
from tmdb_assets.cli.lists import add, plan
from tmdb_assets.cli.query import query
from tmdb_assets.cli.run import retry, run
from tmdb_assets.cli.sources import changes, export
from tmdb_assets.cli.standin import stand_in
from tmdb_assets.cli.status import failed, status
from tmdb_assets.cli.tables import tables
from tmdb_assets.cli.ui import ui
from tmdb_assets.cli.verify import verify
from tmdb_assets.errors import (
    BatchError,
    ConfigurationError,
    LimiterUnavailableError,
    QueryError,
    StoreError,
    TmdbAssetsError,
    UrlListError,
)

_BAD_INPUT = (
    *(ConfigurationError, UrlListError, BatchError, StoreError, QueryError),
    LimiterUnavailableError,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
@click.version_option(package_name="tmdb-assets")
def cli(*, debug: bool) -> None:
    """Download long lists of TMDB URLs, as fast as a hard rate limit allows and never faster.

    \b
    Examples:
      tmdb-assets plan movies.txt      what would be done; spends nothing
      tmdb-assets run movies.txt       do it; run it again to resume
      tmdb-assets status               how far all lists are
      tmdb-assets failed movies        what failed and why
      tmdb-assets retry movies         ask again for what failed
      tmdb-assets verify               are all files what was fetched?
      tmdb-assets export movie         a list of all movies that TMDB has
      tmdb-assets changes --since DAY  a list of what changed there
      tmdb-assets query "FROM movies"  ask what was downloaded, in SQL
      tmdb-assets limiter              the rate that all runs share
    """


_LISTS = (plan, add, run, retry)
_LOOKS = (status, failed, verify, limiter)
_SOURCES = (export, changes, refresh, purge)
_TABLES = (tables, query)
for command in (*_LISTS, *_LOOKS, *_SOURCES, *_TABLES, ui, stand_in):
    cli.add_command(command)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = 1
    except TmdbAssetsError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        click.echo(f"tmdb-assets: {error}", err=True)
        code = 2 if isinstance(error, _BAD_INPUT) else 1
    sys.exit(code)

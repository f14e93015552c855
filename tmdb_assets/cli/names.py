"""The argument that names a frozen list, for all commands that take one."""

import os
from collections.abc import Sequence
from difflib import get_close_matches

import click

from tmdb_assets import batches
from tmdb_assets.cli import show
from tmdb_assets.errors import BatchError
from tmdb_assets.list_name import STAND_IN_SUFFIX
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment


def _known(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    """Return the name as it is; where it is none, the command says so itself.

    Raises:
        BatchError: it is none, and the user seems to mean another.
    """
    if not name:
        return name
    data_dir = from_environment(os.environ).data_dir
    names = batches.list_names(data_dir)
    if name not in names and (near := _nearest(name, names)):
        raise BatchError(
            f"there is no list {name[:100]!r} in {str(data_dir)!r}: did you mean {near!r}?"
        )
    return name


def meant(name: str | None, settings: Settings) -> tuple[str, ...]:
    """Return the list of that name, or all of them; say so on standard error if there is none."""
    names = (name,) if name else batches.list_names(settings.data_dir)
    if not names:
        show.err.print(show.no_lists(settings), markup=False)
    return names


def _nearest(name: str, names: Sequence[str]) -> str | None:
    # what is easily forgotten is half of a short name, and difflib would find nothing alike
    for near in (name + STAND_IN_SUFFIX, name.removesuffix(STAND_IN_SUFFIX)):
        if near in names:
            return near
    return next(iter(get_close_matches(name, names, n=1)), None)


name_argument = click.argument("name", metavar="[LIST]", required=False, callback=_known)

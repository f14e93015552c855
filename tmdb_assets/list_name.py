"""Names of lists: what one may be called, and what it is called after its file.

A name becomes that of a folder, the start of partition keys and of file names: so it has characters
that mean the same everywhere.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from tmdb_assets.errors import UrlListError
from tmdb_assets.urls import is_loopback

MAX_NAME_LENGTH = 80

STAND_IN_SUFFIX = "-stand-in"
"""Of the names of lists that the stand-in answers."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def is_name(text: str) -> bool:
    """Tell whether a text is the name of a list: it is then also a safe name of a folder."""
    return bool(_NAME.fullmatch(text)) and ".." not in text and len(text) <= MAX_NAME_LENGTH


def check_name(name: str) -> str:
    """Return a name that a user chose for a list, unchanged.

    Raises:
        UrlListError: it is none.
    """
    if not is_name(name):
        raise UrlListError(
            f"{name[:100]!r} is no name for a list: take at most {MAX_NAME_LENGTH} characters of "
            "a-z, 0-9, '_', '.' and '-', the first a letter or digit, no two dots in a row"
        )
    return name


def is_out_of_reach(name: str, origins: Sequence[str]) -> bool:
    """Say whether a list is the stand-in's where none may be asked."""
    return name.endswith(STAND_IN_SUFFIX) and not any(map(is_loopback, origins))


def list_name(path: Path, origins: Sequence[str], chosen: str | None = None) -> str:
    """Return the name of the list in a file.

    By default its stem, in characters that fit everywhere. If a path in the list would go to this
    machine, the name ends in `-stand-in`, so that made-up data never passes for TMDB's.

    Raises:
        UrlListError: the chosen name is none, or nothing of the stem is left.
    """
    suffix = STAND_IN_SUFFIX if is_loopback(origins[0]) else ""
    if chosen is not None:
        return check_name(chosen.removesuffix(suffix) + suffix)
    stem = path.name.lower().removesuffix(".gz").removesuffix(".txt")
    name = re.sub(r"\.{2,}", ".", re.sub(r"[^a-z0-9_.-]+", "-", stem))
    name = re.sub(r"^[^a-z0-9]+", "", name)
    name = name.removesuffix(suffix)[: MAX_NAME_LENGTH - len(suffix)].rstrip("-.")
    if not name:
        raise UrlListError(
            f"{path.name!r} gives no name for a list: rename it to begin with a letter a-z or digit"
        )
    return name + suffix

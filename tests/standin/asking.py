"""Paths that ask the stand-in for a fault, and waiting for what it does."""

import threading
import time
from collections.abc import Callable

from tmdb_assets.standin.door import fastest_parser

PARSERS = sorted({fastest_parser(), "uvicorn.protocols.http.h11_impl:H11Protocol"})
PATH = "/3/movie/550"


def with_kind(kind: str, path: str = PATH) -> str:
    """Return the path with the wish for a kind of misbehaviour."""
    return f"{path}?stand_in={kind}"


def until(is_so: Callable[[], bool]) -> bool:
    """Wait at most two seconds; return whether it is so."""
    deadline = time.monotonic() + 2
    while not is_so() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return is_so()

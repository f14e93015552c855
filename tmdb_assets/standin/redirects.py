"""Redirects that a client had better look at before it follows: where each kind leads."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.bodies import MOVED
from tmdb_assets.standin.request import FAULT_PARAMETER, Request
from tmdb_assets.standin.wire import length

ELSEWHERE = "127.0.0.2"
"""Where `redirect_other` leads: loopback, but another origin, and nobody listens there."""

DEAF_PORT = 9
"""Where `redirect_loopback` leads: the port of `discard`, which nobody runs any more."""

LINK_LOCAL = "http://169.254.169.254/latest/meta-data/"
"""Where machines in a cloud find their own credentials."""

LOCAL_FILE = "file:///etc/passwd"


def _redirect(status: int, location: str) -> Answer:
    return Answer(status, b"", ((b"location", location.encode("latin-1")), length(0)))


def _location(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _path(request: Request) -> str:
    return request.url.partition("?")[0]


def _same(request: Request) -> Answer:
    path = _path(request)
    moved = path if path[3:].startswith(MOVED) else f"{path[:3]}{MOVED}{path[3:]}"
    return _redirect(301, _location(moved, request.query))


def _elsewhere(request: Request, host: str, port: int) -> Answer:
    location = _location(_path(request), request.query)
    return _redirect(302, f"{request.origin[0]}://{host}:{port}{location}")


def _loop(request: Request) -> Answer:
    again = f"{FAULT_PARAMETER}=redirect_loop"
    return _redirect(302, _location(_path(request), f"{request.query}&{again}".lstrip("&")))


REDIRECTS: Mapping[str, Callable[[Request], Answer]] = MappingProxyType(
    {
        "redirect_file": lambda _: _redirect(302, LOCAL_FILE),
        "redirect_link_local": lambda _: _redirect(302, LINK_LOCAL),
        "redirect_loop": _loop,
        "redirect_loopback": lambda request: _elsewhere(request, "127.0.0.1", DEAF_PORT),
        "redirect_other": lambda request: _elsewhere(request, ELSEWHERE, request.origin[2]),
        "redirect_same": _same,
    }
)
"""Each kind of redirect and the answer that makes it."""

"""Where faults happen: a server that works, and on it or beside it one URL that does not."""

import itertools
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.client.servers import Certificate, Link, RawServer, answer, deaf_port
from tests.faults.rows import Row
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

GIBIBYTE = 1 << 30
FAULTY_PATH = "/3/movie/550"
HEALTHY_PATHS = ("/3/movie/101", "/3/movie/103", "/3/movie/104")
ALWAYS = 20
"""Requests or connections that go wrong; no test comes so far."""

NOWHERE = ".".join(["a" * 60] * 5)
"""A host name longer than DNS allows: the resolver refuses it without asking anybody."""

NO_STREAM = "[ff0e::1]"
"""A multicast address: whoever connects a stream hears what he hears without a route."""

_QUICK = StandInSettings(latency_seconds=0, cap=None)


@dataclass(frozen=True)
class Scene:
    """URLs, one of them faulty.

    Attributes:
        asked: returns how many requests came for the faulty one.
        knocks: returns how many connections came to it alone; None where they are shared.
    """

    faulty: str
    healthy: tuple[str, ...]
    asked: Callable[[], int]
    knocks: Callable[[], int] | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        return (*self.healthy, self.faulty)


def quick() -> StandIn:
    """Return a stand-in that does nothing wrong."""
    return StandIn(_QUICK)


def urls_of(server: StandIn) -> tuple[str, ...]:
    """Return the URLs that work."""
    return tuple(f"{server.origin}{path}" for path in HEALTHY_PATHS)


@contextmanager
def misbehaving(row: Row, times: int) -> Iterator[Scene]:
    """Have the stand-in misbehave so many times."""
    huge_bytes = GIBIBYTE if row.kind == "huge" else _QUICK.huge_bytes
    script = {FAULTY_PATH: (row.kind,) * times}
    with StandIn(replace(_QUICK, script=script, huge_bytes=huge_bytes)) as server:

        def asked() -> int:
            name = FAULTY_PATH.removeprefix("/3/")
            paths = (url.partition("?")[0] for _, url, _ in server.arrivals())
            return sum(path.endswith(name) for path in paths)

        yield Scene(f"{server.origin}{FAULTY_PATH}", urls_of(server), asked)


@contextmanager
def greeting(row: Row, times: int, right: Certificate, wrong: Certificate) -> Iterator[Scene]:
    """Have a TLS server get its first handshakes wrong."""

    def greets(link: Link) -> None:
        if link.number > times:
            _speak(server, link, right.server_context())
        elif row.kind == "tls":
            _speak(server, link, wrong.server_context())
        else:
            link.wait_until_gone()

    with quick() as others, RawServer(greets) as server:
        faulty = f"https://127.0.0.1:{server.port}{FAULTY_PATH}"
        yield Scene(
            *(faulty, urls_of(others), lambda: len(server.requests)),
            lambda: server.connections,
        )


def _speak(server: RawServer, link: Link, context: ssl.SSLContext) -> None:
    """Answer one request over TLS, if it comes to that."""
    with context.wrap_socket(link.sock, server_side=True) as sock:
        secure = Link(server, sock, link.number)
        if head := secure.request():
            body = answer_to(head.split()[1].decode(), "").body
            secure.send(answer(body, "Connection: close"))


@contextmanager
def unreachable(kind: str) -> Iterator[Scene]:
    """Have one URL lead to where nobody is, for the reason that a row's `kind` names."""
    with quick() as others, deaf_port() as port:
        origins = {
            "name": f"https://{NOWHERE}",
            "route": f"https://{NO_STREAM}",
            "refused": f"http://127.0.0.1:{port}",
        }
        yield Scene(f"{origins[kind]}{FAULTY_PATH}", urls_of(others), lambda: 0)


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that goes on by so much whenever somebody looks at it."""
    ticks = itertools.count()
    return lambda: next(ticks) * seconds

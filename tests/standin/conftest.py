import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.patience import HANG_SECONDS
from tests.standin.asking import PARSERS
from tmdb_assets.standin.door import fastest_parser
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """What a raw socket saw: the bytes, and `end`, `reset`, `silence` or `endless` after them."""

    received: bytes
    ending: str

    @property
    def head(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]


Ask = Callable[..., Reply]
Talk = Callable[..., Wire]


@pytest.fixture
def ask() -> Ask:
    """Send one well-formed request on a connection of its own."""

    def send(
        origin: str, target: str, *, method: str = "GET", body: str | None = None, **headers: str
    ) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=5)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, target, body, named)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def talk() -> Talk:
    """Send raw bytes and read until the connection ends, stays silent or never does.

    Silence counts from the moment on at which what was received ends as it should.
    """

    def send(origin: str, target: str, *, patience: float = 2.0, ends: bytes = b"") -> Wire:
        address = (urlsplit(origin).hostname, urlsplit(origin).port)
        received = bytearray()
        deadline = time.monotonic() + (HANG_SECONDS if ends else 5 * patience)
        with socket.create_connection(address, HANG_SECONDS if ends else patience) as link:
            link.sendall(f"GET {target} HTTP/1.1\r\nHost: stand-in\r\n\r\n".encode())
            try:
                while piece := link.recv(65536):
                    received += piece
                    if ends and received.endswith(ends):
                        link.settimeout(patience)
                    if time.monotonic() > deadline:
                        return Wire(bytes(received), "endless")
            except ConnectionResetError:
                return Wire(bytes(received), "reset")
            except TimeoutError:
                return Wire(bytes(received), "silence")
        return Wire(bytes(received), "end")

    return send


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[Mapping[str, StandIn]]:
    settings = StandInSettings(latency_seconds=0, cap=None, huge_bytes=300_000)
    with contextlib.ExitStack() as stack:
        yield {parser: stack.enter_context(StandIn(settings, parser=parser)) for parser in PARSERS}


@pytest.fixture
def server(shared_servers: Mapping[str, StandIn]) -> StandIn:
    """A server without latency and cap, with clean statistics."""
    shared_servers[fastest_parser()].reset()
    return shared_servers[fastest_parser()]


@pytest.fixture(params=PARSERS)
def either_server(request: pytest.FixtureRequest, shared_servers: Mapping[str, StandIn]) -> StandIn:
    """Such a server, with each parser in turn: for what goes round uvicorn or strains it."""
    shared_servers[request.param].reset()
    return shared_servers[request.param]

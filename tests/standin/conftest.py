import http.client
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Wire:
    """What a raw socket saw: the bytes, and whether they ended in `end`, `reset` or `silence`."""

    received: bytes
    ending: str

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
    """Send raw bytes and read until the connection ends or stays silent."""

    def send(origin: str, target: str, *, patience: float = 2.0) -> Wire:
        address = (urlsplit(origin).hostname, urlsplit(origin).port)
        received = bytearray()
        with socket.create_connection(address, timeout=patience) as link:
            link.sendall(f"GET {target} HTTP/1.1\r\nHost: stand-in\r\n\r\n".encode())
            try:
                while piece := link.recv(65536):
                    received += piece
            except ConnectionResetError:
                return Wire(bytes(received), "reset")
            except TimeoutError:
                return Wire(bytes(received), "silence")
        return Wire(bytes(received), "end")

    return send


@pytest.fixture(scope="session")
def shared_server() -> Iterator[StandIn]:
    with StandIn(StandInSettings(latency_seconds=0, cap=None, huge_bytes=300_000)) as server:
        yield server


@pytest.fixture
def server(shared_server: StandIn) -> StandIn:
    """A server without latency and cap, with clean statistics."""
    shared_server.reset()
    return shared_server

"""The connection that passes the door: permit and credential are added here, at the last moment.

urllib3 calls `request` of a connection once for every time bytes leave, below its own retries and
redirects, and http.client hands the whole of a GET to one `send`. There the door stands: all that
takes time is done by then, and between the last look at the clock and the system call lie some
microseconds. So whatever sends, sends with a permit of its own; and since the credential joins the
request here, no URL, log line or exception of the layers above can hold it.
"""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError

from tmdb_assets.client.watchdog import Flight, Watchdog
from tmdb_assets.model import Credential

HANDSHAKES_AT_ONCE = 10
"""Connections being set up at a time: the first second of a run must not be a burst of them."""

PLACES = 32
"""Threads that connect or stand at the door at a time. Enough for 50/s with handshakes of 0.6 s;
the others wait without a connection, so a run that waits for an older one holds few."""

ROUNDS = 3
"""Connections tried for one request when the server hangs up while it waits at the door."""


class Gate(Protocol):
    """The door as the connection sees it: entered, asked for one permit, left after the send."""

    def __enter__(self) -> Self:
        """Wait until no other thread sends."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Make room."""
        ...

    def permit(self) -> None:
        """Block until one request may leave."""
        ...

    def is_on_time(self) -> bool:
        """Look at the clock for the last time; if False, another permit is needed."""
        ...

    def check_open(self) -> None:
        """Raise if no permit will ever come."""
        ...


class Journey(threading.local):
    """What this thread's present attempt did on the wire.

    Attributes:
        sent_at_ns: time of day at which each of its requests left, nanoseconds.
        permit_at: monotonic seconds of its last permit.
        flight: its last connection or request, as the watchdog knows it.
        has_place: True while it connects or stands at the door.
    """

    def __init__(self) -> None:
        self.sent_at_ns: list[int] = []
        self.permit_at = 0.0
        self.flight: Flight | None = None
        self.has_place = False


class Timeouts(NamedTuple):
    """Bounds of one attempt, seconds.

    Attributes:
        handshake: until the peer took the connection, and from then on until it is up, TLS and
            proxies included.
        answer: from the permit to the last byte.
    """

    handshake: float
    answer: float


class Wire:
    """What all connections of one client share."""

    def __init__(
        self, gate: Gate, watchdog: Watchdog, credential: Credential | None, timeouts: Timeouts
    ) -> None:
        self.gate = gate
        self.journey = Journey()
        self.handshakes = threading.BoundedSemaphore(HANDSHAKES_AT_ONCE)
        self._places = threading.BoundedSemaphore(PLACES)
        self._watchdog = watchdog
        self._credential = credential
        self._timeouts = timeouts

    def signed_headers(self, headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Return the headers, with the token if there is one."""
        if self._credential is None or not self._credential.is_token:
            return headers
        return {**(headers or {}), "Authorization": f"Bearer {self._credential.secret}"}

    def signed_url(self, url: str) -> str:
        """Return the URL, with the key if there is one."""
        if self._credential is None or self._credential.is_token:
            return url
        return f"{url}{'&' if '?' in url else '?'}api_key={self._credential.secret}"

    def line_up(self) -> None:
        """Wait for a place in which to connect and to stand at the door."""
        self._places.acquire()
        try:
            # a hundred threads behind a closed door must not connect only to hear of it
            self.gate.check_open()
        except BaseException:
            self._places.release()
            raise
        self.journey.has_place = True

    def step_out(self) -> None:
        """Leave the place to another thread, if this one still has it."""
        if self.journey.has_place:
            self.journey.has_place = False
            self._places.release()

    def connects(self, sock: socket.socket) -> None:
        """Bound what comes until a connection is up: its reads can be quick, and without end."""
        # a twin, because TLS takes the descriptor out of the socket that it wraps
        self.journey.flight = self._watchdog.watch(sock.dup(), self._timeouts.handshake)

    def has_connected(self) -> None:
        """End what `connects` began, if it came to that."""
        flight = self.journey.flight
        if flight is not None:
            self._watchdog.forget(flight)
            flight.sock.close()

    def echoes(self, text: bytes) -> bool:
        """Say whether a text from the server holds the credential."""
        return self._credential is not None and self._credential.secret.encode() in text

    def leaves(self, sock: socket.socket) -> None:
        """Note that a request of this thread leaves now: its time starts to run."""
        journey = self.journey
        journey.permit_at = time.monotonic()
        journey.sent_at_ns.append(time.time_ns())
        journey.flight = self._watchdog.watch(sock, self._timeouts.answer)


class Paced(HTTPConnection):
    """A connection whose every request takes a permit; subclassed once per client."""

    wire: ClassVar[Wire]
    _needs_permit = False

    def connect(self) -> None:
        """Set the connection up; not more than a few at a time."""
        with self.wire.handshakes:
            self.wire.journey.flight = None
            try:
                super().connect()
            finally:
                self.wire.has_connected()

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        self.wire.connects(sock)
        return sock

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        body: Any = None,  # noqa: ANN401 - as urllib3 has it
        headers: Mapping[str, str] | None = None,
        **options: Any,  # noqa: ANN401 - as urllib3 has it
    ) -> None:
        """Send one request with one permit, over a connection that is up.

        Raises:
            ProtocolError: the server hung up again and again before the request could leave.
        """
        headers = self.wire.signed_headers(headers)
        for _ in range(ROUNDS):
            if self.sock is None:
                self.connect()
            self._needs_permit = True
            try:
                super().request(method, url, body, headers, **options)
            except _HungUpError:
                self._hang_up()
            else:
                return
            finally:
                self._needs_permit = False  # a proxy's CONNECT is no request
        raise ProtocolError(f"the server hung up {ROUNDS} times before the request could leave")

    def send(self, data: Any) -> None:  # noqa: ANN401 - as http.client has it
        """Send bytes; the first of a request with a permit, at its moment.

        Raises:
            _HungUpError: the server is gone; nothing was sent.
        """
        if not self._needs_permit:
            super().send(data)
            return
        with self.wire.gate as gate:
            # the first look spares the permit when the server hung up while we queued
            self._check_alive()
            while True:
                gate.permit()
                self._check_alive()
                if gate.is_on_time():
                    break
            self._needs_permit = False  # a body would follow in pieces of its own
            self.wire.leaves(self.sock)
            super().send(data)
        self.wire.step_out()

    def putrequest(self, method: str, url: str, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as urllib3 has it
        """Write the request line; below what urllib3 remembers, and logs when headers are bad."""
        super().putrequest(method, self.wire.signed_url(url), *args, **options)

    def _check_alive(self) -> None:
        if not _is_alive(self.sock):
            raise _HungUpError

    def _hang_up(self) -> None:
        """Close, but remember the tunnel, which urllib3 forgets: else we would reach the proxy."""
        host, port, scheme = self._tunnel_host, self._tunnel_port, self._tunnel_scheme
        tunnel_headers: Mapping[str, str] | None = getattr(self, "_tunnel_headers", None)
        self.close()
        if host is not None:
            self.set_tunnel(host, port, tunnel_headers, scheme or "http")


class _HungUpError(Exception):
    """The server hung up while a request waited at the door."""


class PacedTls(Paced, HTTPSConnection):
    """The same over TLS."""


def _is_alive(sock: socket.socket | ssl.SSLSocket) -> bool:
    """Say whether the peer is still there and has said nothing unasked.

    Not by polling for readability: TLS 1.3 session tickets make a fresh socket readable, and every
    connection would look dead. A read that would block is the sign of life, and eats the tickets.
    """
    timeout_seconds = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(timeout_seconds)
    return False

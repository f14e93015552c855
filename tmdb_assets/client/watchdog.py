"""Ends attempts that outlive their time.

The time-outs of sockets bound single reads, not a whole answer that drips in byte by byte.
"""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

SWEEP_SECONDS = 0.25
"""How late an attempt may be ended; also how often the thread looks."""


@dataclass(eq=False, slots=True)
class Flight:
    """One request on the wire.

    Attributes:
        deadline: monotonic seconds at which it is cut off.
        is_expired: True once it was.
    """

    sock: socket.socket
    deadline: float
    is_expired: bool = field(default=False)


class Watchdog:
    """Shuts down the socket of every flight whose deadline passed; owns one thread.

    `watch` and `forget` may be called from any thread and cost a set operation.
    """

    def __init__(self) -> None:
        self._flights: set[Flight] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sweep, name="tmdb-watchdog", daemon=True)
        self._thread.start()

    def watch(self, sock: socket.socket, timeout_seconds: float) -> Flight:
        """Cut `sock` off in `timeout_seconds` unless the flight is forgotten before."""
        flight = Flight(sock, time.monotonic() + timeout_seconds)
        self._flights.add(flight)
        if self._closed.is_set():
            _cut_off(flight)
        return flight

    def forget(self, flight: Flight) -> None:
        """Let the flight be: it has landed."""
        self._flights.discard(flight)

    def close(self) -> None:
        """Cut off every flight now and end the thread."""
        self._closed.set()
        self._thread.join(2 * SWEEP_SECONDS)
        for flight in self._flights.copy():
            _cut_off(flight)

    def _sweep(self) -> None:
        while not self._closed.wait(SWEEP_SECONDS):
            now = time.monotonic()
            for flight in self._flights.copy():
                if flight.deadline < now:
                    _cut_off(flight)
                    self._flights.discard(flight)


def _cut_off(flight: Flight) -> None:
    flight.is_expired = True
    # TLS within the TLS of a proxy is urllib3's SSLTransport, which is no socket but has one
    sock: socket.socket = getattr(flight.sock, "socket", flight.sock)
    with contextlib.suppress(OSError):
        # not SSLSocket.shutdown, which would pull the TLS layer from under the reading thread
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

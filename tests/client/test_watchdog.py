import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.client.servers import BOUND_SECONDS
from tmdb_assets.client.watchdog import SWEEP_SECONDS, Watchdog

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    dog = Watchdog()
    yield dog
    dog.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Our end of a connection, and the other."""
    with contextlib.ExitStack() as stack:
        ours, theirs = map(stack.enter_context, socket.socketpair())
        ours.settimeout(BOUND_SECONDS)
        theirs.settimeout(BOUND_SECONDS)
        yield ours, theirs


def test_a_flight_past_its_deadline_is_cut_off(watchdog: Watchdog, pair: Pair) -> None:
    ours, theirs = pair

    started = time.monotonic()
    flight = watchdog.watch(ours, 0.0)

    assert ours.recv(1) == b""  # blocks until then
    assert theirs.recv(1) == b""
    assert flight.is_expired
    assert time.monotonic() - started < 2 * SWEEP_SECONDS + 0.5


def test_a_flight_keeps_its_time(watchdog: Watchdog, pair: Pair) -> None:
    ours, _ = pair

    started = time.monotonic()
    watchdog.watch(ours, 0.3)

    assert ours.recv(1) == b""
    assert time.monotonic() - started >= 0.3


def test_a_flight_that_landed_is_let_be(watchdog: Watchdog, pair: Pair) -> None:
    ours, theirs = pair
    with contextlib.ExitStack() as stack:
        other, _ = map(stack.enter_context, socket.socketpair())
        other.settimeout(BOUND_SECONDS)

        landed = watchdog.watch(ours, 0.0)
        watchdog.forget(landed)
        watchdog.watch(other, 0.0)
        assert other.recv(1) == b""  # a sweep went by

    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"
    assert not landed.is_expired


def test_a_flight_may_be_forgotten_twice(watchdog: Watchdog, pair: Pair) -> None:
    flight = watchdog.watch(pair[0], math.inf)

    watchdog.forget(flight)
    watchdog.forget(flight)

    assert not flight.is_expired


def test_a_connection_that_is_gone_already_does_no_harm(watchdog: Watchdog, pair: Pair) -> None:
    gone, _ = socket.socketpair()
    with _:
        gone.close()
        watchdog.watch(gone, 0.0)
        watchdog.watch(pair[0], 0.0)

        assert pair[0].recv(1) == b""


def test_a_connection_wrapped_in_something_else_is_cut_off_too(
    watchdog: Watchdog, pair: Pair
) -> None:
    """As urllib3 wraps TLS within the TLS of a proxy; the others must not suffer from it."""

    class Wrapped:
        def __init__(self, sock: socket.socket) -> None:
            self.socket = sock

    ours, _ = pair
    with contextlib.ExitStack() as stack:
        other, _ = map(stack.enter_context, socket.socketpair())
        other.settimeout(BOUND_SECONDS)
        watchdog.watch(Wrapped(ours), 0.0)  # type: ignore[arg-type]
        watchdog.watch(other, 0.0)

        assert ours.recv(1) == b""
        assert other.recv(1) == b""


def test_many_threads_may_come_and_go(watchdog: Watchdog, pair: Pair) -> None:
    ours, theirs = pair

    def fly() -> None:
        for _ in range(500):
            watchdog.forget(watchdog.watch(ours, math.inf))

    threads = [threading.Thread(target=fly) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_SECONDS)

    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"


def test_close_cuts_off_every_flight_at_once(pair: Pair) -> None:
    watchdog = Watchdog()
    flights = [watchdog.watch(sock, math.inf) for sock in pair]

    started = time.monotonic()
    watchdog.close()

    assert [sock.recv(1) for sock in pair] == [b"", b""]
    assert all(flight.is_expired for flight in flights)
    assert time.monotonic() - started < 1.0


def test_what_takes_off_after_close_is_cut_off(pair: Pair) -> None:
    watchdog = Watchdog()
    watchdog.close()

    flight = watchdog.watch(pair[0], math.inf)

    assert flight.is_expired
    assert pair[0].recv(1) == b""


def test_close_ends_the_thread() -> None:
    before = set(threading.enumerate())
    watchdog = Watchdog()
    (thread,) = set(threading.enumerate()) - before

    watchdog.close()
    watchdog.close()

    assert not thread.is_alive()
    assert thread.daemon

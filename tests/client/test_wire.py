"""What becomes of connections: kept while they last, made anew when lost, nothing sent twice."""

import threading
from collections.abc import Callable

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection

from tests.client.asking import MakeClient, asked
from tests.client.servers import (
    BOUND_SECONDS,
    Certificate,
    CountingGate,
    Link,
    RawServer,
    Script,
    WaitingGate,
    answer,
    answers_always,
    answers_once,
    hangs_up,
)
from tmdb_assets.client.adapter import PacedAdapter
from tmdb_assets.client.wire import ROUNDS
from tmdb_assets.model import Fault

MakeServer = Callable[..., RawServer]


@pytest.fixture(params=["http", "https"])
def make_server(request: pytest.FixtureRequest, trusted: Certificate) -> MakeServer:
    """Make raw servers of one scheme; those of https speak TLS 1.3 and are trusted."""
    context = trusted.server_context() if request.param == "https" else None
    return lambda script: RawServer(script, context)


def test_a_connection_is_kept_and_each_request_takes_a_permit(
    make_server: MakeServer, make_client: MakeClient, gate: CountingGate
) -> None:
    with make_server(answers_always()) as server:
        attempts = asked(make_client(server.origin), server.origin, 3)

        assert [attempt.fault for attempt in attempts] == [None] * 3
        assert (server.connections, len(server.requests), gate.permits) == (1, 3, 3)


def test_a_server_that_closes_without_saying_so_costs_no_permit(
    make_server: MakeServer, make_client: MakeClient, gate: CountingGate
) -> None:
    with make_server(answers_once()) as server:
        client = make_client(server.origin)
        for number in range(1, 4):
            (attempt,) = asked(client, server.origin)
            server.wait_for("closed", number)

            assert attempt.fault is None

        assert (server.connections, len(server.requests), gate.permits) == (3, 3, 3)


def test_a_server_that_says_close_costs_no_permit(
    make_server: MakeServer, make_client: MakeClient, gate: CountingGate
) -> None:
    with make_server(answers_always(answer(b"[]", "Connection: close"))) as server:
        attempts = asked(make_client(server.origin), server.origin, 3)

        assert [attempt.body for attempt in attempts] == [b"[]"] * 3
        assert (server.connections, len(server.requests), gate.permits) == (3, 3, 3)


def test_nothing_below_sends_twice(
    make_server: MakeServer, make_client: MakeClient, gate: CountingGate
) -> None:
    with make_server(Link.request) as server:
        (attempt,) = asked(make_client(server.origin), server.origin)

        assert attempt.fault is Fault.CONNECTION_LOST
        assert len(attempt.sent_at) == 1
        assert (server.connections, len(server.requests), gate.permits) == (1, 1, 1)


def test_a_kept_connection_that_dies_on_a_request_is_not_sent_twice(
    make_server: MakeServer, make_client: MakeClient, gate: CountingGate
) -> None:
    def dies(link: Link) -> None:
        link.request()
        link.send(answer())
        link.request()

    with make_server(dies) as server:
        attempts = asked(make_client(server.origin), server.origin, 2)

        assert [attempt.fault for attempt in attempts] == [None, Fault.CONNECTION_LOST]
        assert (server.connections, len(server.requests), gate.permits) == (1, 2, 2)


@pytest.mark.parametrize("status", ["503 Unavailable", "413 Too Large", "429 Too Many"])
def test_retry_after_makes_nothing_below_try_again(
    status: str, make_server: MakeServer, make_client: MakeClient, gate: CountingGate
) -> None:
    with make_server(answers_always(answer(b"{}", "Retry-After: 0", status=status))) as server:
        (attempt,) = asked(make_client(server.origin), server.origin)

        assert attempt.retry_after == "0"
        assert len(server.requests) == gate.permits == 1


@pytest.mark.parametrize("end", [hangs_up, Link.reset])
def test_a_server_that_idles_out_quicker_than_the_queue_gets_no_permit(
    end: Script, make_server: MakeServer, make_client: MakeClient
) -> None:
    idle_for_long = threading.Semaphore(0)

    def idles_out(link: Link) -> None:
        assert idle_for_long.acquire(timeout=BOUND_SECONDS)
        end(link)

    def queue() -> None:
        idle_for_long.release()
        server.wait_for("closed", gate.entries + 1)

    with make_server(idles_out) as server:
        gate = WaitingGate(at_door=queue)
        (attempt,) = asked(make_client(server.origin, through=gate), server.origin)

        assert attempt.fault is Fault.CONNECTION_LOST
        assert attempt.sent_at == ()
        assert (server.connections, gate.entries, gate.permits) == (ROUNDS, ROUNDS, 0)


def test_a_server_that_idles_out_quicker_than_the_permit_makes_no_endless_loop(
    make_server: MakeServer, make_client: MakeClient
) -> None:
    idle_for_long = threading.Semaphore(0)

    def queue() -> None:
        idle_for_long.release()
        server.wait_for("closed", gate.entries)

    with make_server(lambda _: idle_for_long.acquire(timeout=BOUND_SECONDS)) as server:
        gate = WaitingGate(at_permit=queue)
        (attempt,) = asked(make_client(server.origin, through=gate), server.origin)

        assert attempt.fault is Fault.CONNECTION_LOST
        assert attempt.sent_at == ()
        assert (server.connections, gate.entries, gate.permits) == (ROUNDS, ROUNDS, ROUNDS)


def test_a_connection_lost_in_the_queue_is_made_anew(
    make_server: MakeServer, make_client: MakeClient
) -> None:
    def hangs_up_first(link: Link) -> None:
        if link.number > 1:
            answers_always()(link)

    def queue() -> None:
        if not gate.entries:
            server.wait_for("closed", 1)

    with make_server(hangs_up_first) as server:
        gate = WaitingGate(at_door=queue)
        (attempt,) = asked(make_client(server.origin, through=gate), server.origin)

        assert attempt.fault is None
        assert (server.connections, len(server.requests), gate.permits) == (2, 1, 1)


def test_what_a_server_says_unasked_is_never_an_answer(
    make_server: MakeServer, make_client: MakeClient
) -> None:
    due, said = threading.Event(), threading.Event()

    def chatters(link: Link) -> None:
        link.request()
        link.send(answer(b"[1]"))
        if link.number == 1:
            assert due.wait(BOUND_SECONDS)
            link.send(answer(b"[0]"))
            said.set()
            link.wait_until_gone()

    def queue() -> None:
        if gate.permits == 1:
            due.set()
            assert said.wait(BOUND_SECONDS)

    with make_server(chatters) as server:
        gate = WaitingGate(at_permit=queue)
        attempts = asked(make_client(server.origin, through=gate), server.origin, 2)

        assert [attempt.body for attempt in attempts] == [b"[1]", b"[1]"]
        assert (server.connections, len(server.requests), gate.permits) == (2, 2, 3)


def test_a_client_leaves_the_connections_of_other_libraries_alone() -> None:
    for kind in (HTTPConnection, HTTPSConnection):
        assert kind.request.__module__.startswith("urllib3")
    assert PacedAdapter.__mro__[1].__name__ == "HTTPAdapter"

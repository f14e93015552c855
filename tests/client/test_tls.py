"""Over TLS: who cannot prove its name gets no request, and what is slow or cut is noticed."""

import time
from collections.abc import Callable

import pytest

from tests.client.asking import CREDENTIALS, MakeClient, asked
from tests.client.servers import Certificate, CountingGate, Link, RawServer, answer, answers_once
from tmdb_assets.model import Fault
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.urls import target


def test_tls_1_3_keeps_its_connection_in_spite_of_session_tickets(
    trusted: Certificate, make_client: MakeClient, gate: CountingGate
) -> None:
    """Tickets make a fresh connection readable, which is not a hang-up."""
    settings = StandInSettings(
        latency_seconds=0, certfile=trusted.certfile, keyfile=trusted.keyfile
    )
    with StandIn(settings) as server:
        attempts = asked(make_client(server.origin), server.origin, 5)
        statistics = server.statistics()

    assert [attempt.fault for attempt in attempts] == [None] * 5
    assert statistics["arrivals"] == gate.permits == 5
    assert statistics["connections"] == 1


@pytest.mark.parametrize("cause", ["unknown authority", "other name", "plain text"])
def test_a_server_that_cannot_prove_its_name_gets_no_request(
    cause: str,
    trusted: Certificate,
    other_certificate: Certificate,
    make_client: MakeClient,
    gate: CountingGate,
) -> None:
    shown = trusted if cause == "other name" else other_certificate
    context = None if cause == "plain text" else shown.server_context()
    host = "127.0.0.2" if cause == "other name" else "127.0.0.1"
    with RawServer(lambda link: link.send(b"220 hello\r\n"), context, host) as server:
        origin = server.origin.replace("http:", "https:")
        (attempt,) = asked(make_client(origin, credential=CREDENTIALS[0]), origin)

        assert attempt.fault is Fault.TLS
        assert server.requests == []
        assert gate.permits == 0


def never_greets(link: Link) -> None:
    link.wait_until_gone()


def greets_without_end(link: Link) -> None:
    """Begin a TLS record of 16 KiB whose every single read waits only for a moment."""
    link.send(b"\x16\x03\x03\x40\x00")
    link.drip(50)


@pytest.mark.parametrize("greets", [never_greets, greets_without_end])
def test_a_handshake_that_never_ends_times_out_without_a_permit(
    greets: Callable[[Link], None], make_client: MakeClient, gate: CountingGate
) -> None:
    with RawServer(greets) as server:
        origin = server.origin.replace("http", "https")
        client = make_client(origin, handshake_seconds=0.3)
        attempt = client.attempt(target(f"{origin}/3/movie/550"))

    assert attempt.fault is Fault.TIMED_OUT
    assert gate.permits == 0


def test_a_dripping_body_over_tls_is_cut_off(trusted: Certificate, make_client: MakeClient) -> None:
    def drips(link: Link) -> None:
        link.request()
        link.send(answer(b" " * 100)[:-99])
        link.drip(40)

    with RawServer(drips, trusted.server_context()) as server:
        started = time.monotonic()
        (attempt,) = asked(make_client(server.origin, timeout_seconds=0.3), server.origin)

    assert attempt.fault is Fault.TIMED_OUT
    assert time.monotonic() - started < 2.0


def test_a_truncated_body_over_tls_is_noticed(
    trusted: Certificate, make_client: MakeClient
) -> None:
    with RawServer(answers_once(answer(b" " * 100)[:-50]), trusted.server_context()) as server:
        (attempt,) = asked(make_client(server.origin), server.origin)

    assert attempt.fault is Fault.TRUNCATED

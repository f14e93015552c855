"""Which proxy of the environment is asked, and what it and its tunnels get to see."""

import threading
import time

import pytest

from tests.client.asking import CREDENTIALS, LONG_NAME, SECRET, MakeClient, asked
from tests.client.servers import (
    BOUND_SECONDS,
    Certificate,
    CountingGate,
    Link,
    Proxy,
    RawServer,
    WaitingGate,
    answer,
    answers_always,
    answers_once,
    deaf_port,
)
from tmdb_assets.model import Fault
from tmdb_assets.urls import target

REMOTE = "https://api.example.test"
"""An origin that is not loopback, so that the proxies of the environment are used."""


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_loopback_is_never_asked_through_a_proxy(
    name: str, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(answers_always(answer(b"[0]"))) as proxy, RawServer(answers_always()) as server:
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

        assert attempt.body == b'{"id":1}'
        assert proxy.connections == 0


def test_a_proxy_forwards_what_is_not_loopback(
    make_client: MakeClient, gate: CountingGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(answers_once()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        client = make_client("http://api.example.test")
        for number in range(1, 4):
            attempt = client.attempt(target(f"http://api.example.test/3/movie/{number}"))
            proxy.wait_for("closed", number)

            assert attempt.fault is None

        line = b"GET http://api.example.test/3/movie/1 HTTP/1.1\r\n"
        assert proxy.requests[0].startswith(line)
        assert gate.permits == len(proxy.requests) == 3


def test_the_environment_may_exempt_a_host_from_the_proxy(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(answers_always()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", LONG_NAME)
        attempt = make_client(f"http://{LONG_NAME}").attempt(target(f"http://{LONG_NAME}/3/x/1"))

        assert attempt.fault is Fault.NAME
        assert proxy.connections == 0


def test_a_proxy_that_is_down_or_refuses_is_at_fault(
    make_client: MakeClient, gate: CountingGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = "https://api.example.test"
    with deaf_port() as port, RawServer(Proxy(port, [])) as proxy:
        faults = []
        for place in (port, proxy.port):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{place}")
            faults.append(make_client(origin).attempt(target(f"{origin}/3/movie/550")).fault)

    assert faults == [Fault.PROXY, Fault.PROXY]
    assert gate.permits == 0


def test_a_tunnel_is_kept_and_its_proxy_sees_neither_request_nor_token(
    trusted: Certificate,
    make_client: MakeClient,
    gate: CountingGate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tunnels: list[bytes] = []
    with (
        RawServer(answers_always(), trusted.server_context()) as server,
        RawServer(Proxy(server.port, tunnels)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        attempts = asked(make_client(REMOTE, credential=CREDENTIALS[0]), REMOTE, 3)

        assert [attempt.fault for attempt in attempts] == [None] * 3
        assert (server.connections, len(server.requests), gate.permits) == (1, 3, 3)
        (head,) = proxy.requests
        assert head.startswith(b"CONNECT api.example.test:443 HTTP/1.")
        assert not any(word in head for word in (b"Authorization", b"movie", SECRET.encode()))
        assert SECRET.encode() not in b"".join(tunnels)
        assert all(SECRET.encode() in request for request in server.requests)


@pytest.mark.parametrize("moment", ["between attempts", "at the door", "at the permit"])
def test_a_tunnel_whose_target_hung_up_is_made_anew(
    moment: str, trusted: Certificate, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """urllib3 forgets the tunnel on closing: the next request would reach the proxy in clear."""
    due = threading.Event()

    def hangs_up_once(link: Link) -> None:
        if link.request():
            link.send(answer())
        if link.number == 1:
            assert due.wait(BOUND_SECONDS)
        else:
            answers_always()(link)

    with (
        RawServer(hangs_up_once, trusted.server_context()) as server,
        RawServer(Proxy(server.port, [])) as proxy,
    ):

        def lose() -> None:
            if gate.permits == 1 and not due.is_set():
                due.set()
                proxy.wait_for("closed", 1)

        gate = WaitingGate(
            at_door=lose if moment == "at the door" else lambda: None,
            at_permit=lose if moment == "at the permit" else lambda: None,
        )
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@127.0.0.1:{proxy.port}")
        client = make_client(REMOTE, through=gate, credential=CREDENTIALS[0])
        attempts = asked(client, REMOTE)
        if moment == "between attempts":
            lose()
        attempts += asked(client, REMOTE, 2)

        assert [attempt.fault for attempt in attempts] == [None] * 3
        assert len(server.requests) == 3
        assert gate.permits == (4 if moment == "at the permit" else 3)
        assert len(proxy.requests) == 2
        for head in proxy.requests:
            assert head.startswith(b"CONNECT api.example.test:443 HTTP/1.")
            assert b"Proxy-Authorization: Basic" in head
            assert SECRET.encode() not in head


@pytest.mark.usefixtures("trusted")
def test_a_wrong_certificate_behind_a_proxy_gets_no_request(
    other_certificate: Certificate,
    make_client: MakeClient,
    gate: CountingGate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        RawServer(answers_always(), other_certificate.server_context()) as server,
        RawServer(Proxy(server.port, [])) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        (attempt,) = asked(make_client(REMOTE), REMOTE)

        assert attempt.fault is Fault.TLS
        assert (len(server.requests), gate.permits) == (0, 0)


def test_a_tunnel_within_tls_works_and_is_cut_off_in_time(
    trusted: Certificate,
    make_client: MakeClient,
    gate: CountingGate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drips_at_last(link: Link) -> None:
        while head := link.request():
            if b"/3/movie/2 " in head:
                link.send(answer(b" " * 100)[:-99])
                link.drip(40)
            else:
                link.send(answer())

    context = trusted.server_context()
    with (
        RawServer(drips_at_last, context) as server,
        RawServer(Proxy(server.port, []), context) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
        client = make_client(REMOTE, timeout_seconds=0.5)
        started = time.monotonic()
        attempts = asked(client, REMOTE, 3)
        seconds = time.monotonic() - started
        attempts += asked(client, REMOTE)

        faults = [attempt.fault for attempt in attempts]
        assert faults == [None, None, Fault.TIMED_OUT, None]
        assert seconds < 2.0
        assert gate.permits == len(server.requests) == 4

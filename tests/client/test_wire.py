import logging
import select
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from urllib3.connection import HTTPConnection, HTTPSConnection

from tests.client.servers import (
    BOUND_SECONDS,
    Certificate,
    CountingGate,
    Link,
    Proxy,
    RawServer,
    Script,
    WaitingGate,
    answer,
    answers_always,
    answers_once,
    hangs_up,
    never_answers,
    redirect,
)
from tmdb_assets.client.adapter import PacedAdapter
from tmdb_assets.client.session import Client
from tmdb_assets.client.wire import HANDSHAKES_AT_ONCE, PLACES, ROUNDS
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.model import Attempt, Credential, Fault
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.urls import target

MakeClient = Callable[..., Client]
MakeServer = Callable[..., RawServer]

REMOTE = "https://api.example.test"
"""An origin that is not loopback, so that the proxies of the environment are used."""

SECRET = "s3cret-0123456789abcdef"  # noqa: S105 - the tests look for it
CREDENTIALS = [Credential(SECRET, is_token=True), Credential(SECRET, is_token=False)]


@pytest.fixture(params=["http", "https"])
def make_server(request: pytest.FixtureRequest, trusted: Certificate) -> MakeServer:
    """Make raw servers of one scheme; those of https speak TLS 1.3 and are trusted."""
    context = trusted.server_context() if request.param == "https" else None
    return lambda script: RawServer(script, context)


def asked(client: Client, origin: str, times: int = 1) -> list[Attempt]:
    return [client.attempt(target(f"{origin}/3/movie/{number}")) for number in range(times)]


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


def test_the_connection_is_up_before_the_permit_and_the_request_leaves_after_it(
    trusted: Certificate, make_client: MakeClient
) -> None:
    events: list[str] = []
    waits = threading.Event()

    class SlowServer(RawServer):
        """Takes its time to accept; and tells when bytes come after the handshake."""

        def note(self, head: bytes) -> None:
            events.append("request")
            super().note(head)

    def script(link: Link) -> None:
        events.append("connected")
        readable, _, _ = select.select([link.sock], [], [], 0.2)
        events.extend(["early bytes"] if readable else [])
        waits.set()
        answers_always()(link)

    def permit() -> None:
        assert waits.wait(BOUND_SECONDS)
        events.append("permit")

    with SlowServer(script, trusted.server_context()) as server:
        gate = WaitingGate(
            at_door=lambda: server.wait_for("handshakes", 1) or events.append("at the door"),
            at_permit=permit,
        )
        (attempt,) = asked(make_client(server.origin, through=gate), server.origin)

    assert attempt.fault is None
    assert sorted(events[:2]) == ["at the door", "connected"]
    assert events[2:] == ["permit", "request"]


def test_a_permit_whose_moment_has_passed_is_taken_anew_and_the_request_leaves_once(
    make_client: MakeClient,
) -> None:
    """A thread that lost its turn after the permit must not send beside the next one."""

    class Late(CountingGate):
        def is_on_time(self) -> bool:
            return self.permits > 2

    with RawServer(answers_always()) as server:
        gate = Late()
        (attempt,) = asked(make_client(server.origin, through=gate), server.origin)

    assert attempt.fault is None
    assert len(attempt.sent_at) == 1
    assert (gate.permits, gate.entries, len(server.requests)) == (3, 1, 1)


def test_a_request_leaves_within_the_door(make_client: MakeClient) -> None:
    """So that no other thread of the process can send between a permit and its request."""
    with RawServer(answers_always()) as server:

        class Door(CountingGate):
            def __exit__(self, *exc: object) -> None:
                server.wait_for("requests", self.permits)
                super().__exit__(*exc)

        gate = Door()
        attempts = asked(make_client(server.origin, through=gate), server.origin, 2)

    assert [attempt.fault for attempt in attempts] == [None, None]


def test_only_a_few_connections_are_set_up_at_a_time(make_client: MakeClient) -> None:
    lock, full = threading.Lock(), threading.Barrier(HANDSHAKES_AT_ONCE)
    one_more = threading.Event()
    held = [0]

    def holds(_: Link) -> None:
        with lock:
            held[0] += 1
            if held[0] > HANDSHAKES_AT_ONCE:
                one_more.set()
        full.wait(BOUND_SECONDS)
        one_more.wait(0.2)  # time for one more to come
        with lock:
            held[0] -= 1

    count = 2 * HANDSHAKES_AT_ONCE
    with RawServer(holds) as server, ThreadPoolExecutor(count) as pool:
        origin = server.origin.replace("http", "https")
        client = make_client(origin)
        futures = [pool.submit(asked, client, origin) for _ in range(count)]
        faults = {future.result(BOUND_SECONDS)[0].fault for future in futures}

    assert not one_more.is_set()
    assert faults <= {Fault.TLS, Fault.CONNECTION_LOST}


def test_those_who_wait_behind_a_closed_door_hold_only_a_few_connections(
    make_client: MakeClient,
) -> None:
    opened = threading.Event()

    class ClosedDoor(CountingGate):
        def permit(self) -> None:
            opened.wait(BOUND_SECONDS)
            super().permit()

    count = 2 * PLACES
    with StandIn(StandInSettings(latency_seconds=0, cap=None)) as server:
        client = make_client(server.origin, through=ClosedDoor(), threads=count)
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(asked, client, server.origin) for _ in range(count)]
            deadline = time.monotonic() + BOUND_SECONDS
            while server.statistics()["connections"] != PLACES and time.monotonic() < deadline:
                opened.wait(0.05)
            while_closed = server.statistics()["connections"]
            opened.set()
            faults = {future.result(BOUND_SECONDS)[0].fault for future in futures}

    assert while_closed == PLACES
    assert faults == {None}


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


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
@pytest.mark.parametrize("path", ["/3/movie/550", "/3/movie/550?language=de"])
def test_the_credential_joins_the_request_on_the_wire_alone(
    path: str, credential: Credential, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(answers_always(answer(b"[]", "ETag: x", "Bad header"))) as server:
        client = make_client(server.origin, credential=credential)
        attempt = client.attempt(target(f"{server.origin}{path}"))

        (head,) = server.requests
    line, _, headers = head.decode().partition("\r\n")
    key = f"{'&' if '?' in path else '?'}api_key={SECRET}"
    assert line == f"GET {path}{'' if credential.is_token else key} HTTP/1.1"
    assert (f"Authorization: Bearer {SECRET}" in headers) == credential.is_token
    assert head.count(SECRET.encode()) == 1
    assert caplog.records
    assert SECRET not in caplog.text
    assert SECRET not in f"{attempt!r} {client!r} {vars(client)!r} {credential!r}"


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b"garbage\r\n",
        answer(b"x" * 99)[:-9],
        answer(b"no gzip at all", "Content-Encoding: gzip"),
        answer(b"", "Transfer-Encoding: chunked", framed=False) + b"zz\r\n",
        answer(b"x", "Content-Length: 1, 2"),
        redirect("http://127.0.0.2/3/movie/1"),
        answer(b"{}", status="401 Unauthorized"),
    ],
)
def test_no_log_line_and_no_attempt_holds_the_credential_when_things_go_wrong(
    piece: bytes,
    credential: Credential,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(answers_once(piece)) as server:
        (attempt,) = asked(make_client(server.origin, credential=credential), server.origin)

    assert SECRET.encode() in server.requests[0]
    assert attempt.fault is not None or attempt.status == 401
    assert SECRET not in caplog.text
    assert SECRET not in repr(attempt)


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
def test_no_exception_holds_the_credential(credential: Credential, make_client: MakeClient) -> None:
    def fails() -> None:
        raise LimiterClosedError("the limiter was closed")

    with RawServer(answers_always()) as server:
        gate = WaitingGate(at_permit=fails)
        client = make_client(server.origin, through=gate, credential=credential)
        with pytest.raises(LimiterClosedError) as caught:
            asked(client, server.origin)

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
def test_no_other_place_gets_the_credential(
    credential: Credential, make_client: MakeClient
) -> None:
    with RawServer(answers_always()) as other:
        away = answers_always(redirect(f"{other.origin}/3/movie/1"))
        with RawServer(away) as server:
            client = make_client(server.origin, other.origin, credential=credential)
            (attempt,) = asked(client, server.origin)

            assert SECRET.encode() in server.requests[0]
            assert other.connections == 0
            assert attempt.fault is Fault.REDIRECTED


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
def test_each_hop_within_the_origin_has_the_credential_once(
    credential: Credential, make_client: MakeClient
) -> None:
    """Although the server may hand the key back in where it leads."""

    def leads_on(link: Link) -> None:
        while head := link.request():
            moved = redirect(f"/3/movie/1?api_key={SECRET}")
            link.send(moved if b"/3/movie/0" in head else answer())

    with RawServer(leads_on) as server:
        (attempt,) = asked(make_client(server.origin, credential=credential), server.origin)

        assert attempt.fault is None
        assert [head.count(SECRET.encode()) for head in server.requests] == [1, 1]


def test_without_a_credential_none_is_sent(make_client: MakeClient) -> None:
    with RawServer(answers_always()) as server:
        asked(make_client(server.origin), server.origin)

        assert b"authorization" not in server.requests[0].lower()
        assert b"api_key" not in server.requests[0]


def test_two_clients_do_not_share_their_gates_or_credentials(make_client: MakeClient) -> None:
    gates = CountingGate(), CountingGate()
    with RawServer(answers_always()) as server:
        for gate, credential in zip(gates, [CREDENTIALS[0], None], strict=True):
            client = make_client(server.origin, through=gate, credential=credential)
            asked(client, server.origin)

        assert [gate.permits for gate in gates] == [1, 1]
        assert [SECRET.encode() in head for head in server.requests] == [True, False]


def test_a_client_leaves_the_connections_of_other_libraries_alone() -> None:
    for kind in (HTTPConnection, HTTPSConnection):
        assert kind.request.__module__.startswith("urllib3")
    assert PacedAdapter.__mro__[1].__name__ == "HTTPAdapter"


def test_nobody_waits_at_the_door_for_an_answer(make_client: MakeClient) -> None:
    with RawServer(never_answers) as server, ThreadPoolExecutor(4) as pool:
        client = make_client(server.origin)
        futures = [pool.submit(asked, client, server.origin) for _ in range(4)]

        server.wait_for("requests", 4)
        client.close()
        assert all(future.result(BOUND_SECONDS)[0].fault for future in futures)

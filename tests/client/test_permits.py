"""When a permit is taken: the connection is up before it, the request leaves after it at once."""

import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.client.asking import LONG_NAME, MakeClient, asked
from tests.client.servers import (
    BOUND_SECONDS,
    Certificate,
    CountingGate,
    Link,
    RawServer,
    WaitingGate,
    answers_always,
    deaf_port,
    never_answers,
)
from tmdb_assets.client.wire import HANDSHAKES_AT_ONCE, PLACES
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.model import Fault
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.urls import target


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


def test_nobody_waits_at_the_door_for_an_answer(make_client: MakeClient) -> None:
    with RawServer(never_answers) as server, ThreadPoolExecutor(4) as pool:
        client = make_client(server.origin)
        futures = [pool.submit(asked, client, server.origin) for _ in range(4)]

        server.wait_for("requests", 4)
        client.close()
        assert all(future.result(BOUND_SECONDS)[0].fault for future in futures)


def test_waiting_for_the_permit_is_not_in_the_time_of_an_attempt(make_client: MakeClient) -> None:
    queue = threading.Event()
    gate = WaitingGate(at_permit=lambda: queue.wait(0.7))
    with RawServer(answers_always()) as server:
        client = make_client(server.origin, through=gate, timeout_seconds=0.3)
        attempt = client.attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.fault is None
    assert attempt.seconds < 0.3


def test_a_refused_connection_takes_no_permit(make_client: MakeClient, gate: CountingGate) -> None:
    with deaf_port() as port:
        origin = f"http://127.0.0.1:{port}"
        attempt = make_client(origin).attempt(target(f"{origin}/3/movie/550"))

    assert attempt.fault is Fault.CONNECTION_REFUSED
    assert attempt.status is None
    assert attempt.sent_at == ()
    assert gate.permits == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_unknown_host_takes_no_permit(
    scheme: str, make_client: MakeClient, gate: CountingGate
) -> None:
    origin = f"{scheme}://{LONG_NAME}"

    attempt = make_client(origin).attempt(target(f"{origin}/3/movie/550"))

    assert attempt.fault is Fault.NAME
    assert attempt.sent_at == ()
    assert gate.permits == 0


def test_a_failing_limiter_is_raised_and_nothing_leaves(make_client: MakeClient) -> None:
    def fails() -> None:
        raise LimiterClosedError("the limiter was closed")

    with RawServer(answers_always()) as server:
        client = make_client(server.origin, through=WaitingGate(at_permit=fails))
        with pytest.raises(LimiterClosedError, match=r"^the limiter was closed$"):
            client.attempt(target(f"{server.origin}/3/movie/550"))

        server.wait_for("closed", 1)
        assert server.requests == []

"""What a client asks and hands back when all goes well, for many threads, until it is closed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.client.asking import MakeClient
from tests.client.servers import (
    BOUND_SECONDS,
    CountingGate,
    Link,
    RawServer,
    WaitingGate,
    answer,
    answers_always,
    never_answers,
)
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.urls import target


@pytest.mark.parametrize(
    ("path", "query", "packing"),
    [("/3/movie/550", "append_to_response=credits", "gzip"), ("/3/keyword/550", "", "none")],
)
def test_a_body_arrives_byte_for_byte_in_gzip_and_plain(
    path: str, query: str, packing: str, stand_in: StandIn, make_client: MakeClient
) -> None:
    client = make_client(stand_in.origin)

    started = time.time()
    attempt = client.attempt(target(f"{stand_in.origin}{path}{f'?{query}' if query else ''}"))

    expected = answer_to(path, query)
    assert ("none" if expected.packed is None else "gzip") == packing
    assert attempt.body == expected.body
    assert (attempt.status, attempt.fault) == (200, None)
    assert attempt.etag == dict(expected.headers)[b"etag"].decode()
    assert attempt.retry_after is None
    (sent_at,) = attempt.sent_at
    assert started - 0.1 <= sent_at <= time.time() + 0.1
    assert 0 <= attempt.seconds <= BOUND_SECONDS


def test_a_request_says_who_asks_and_for_what(make_client: MakeClient) -> None:
    with RawServer(answers_always()) as server:
        make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

        (head,) = server.requests
    line, *headers = head.decode().split("\r\n")
    assert line == "GET /3/movie/550 HTTP/1.1"
    found = {name.lower(): value for name, value in (header.split(": ") for header in headers)}
    assert found.pop("user-agent").startswith("tmdb-assets/")
    assert found == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "connection": "keep-alive",
    }


@pytest.mark.parametrize(
    "url",
    [
        "/3/movie/550?a=1&b=2",
        "/3/movie/550?a=",
        "/3/search/movie?query=star%20wars",
        "/3/search/movie?query=%E9%9B%A8%E9%9B%A8",
        "/3/search/movie?query=%FF%FE",
        "/3/search/movie?query=100%25%2B1%26%3D%23%3F%2F%7C",
        "/3/discover/movie?primary_release_date.gte=2020-01-01&with_genres=28,12%7C16",
        "/3/movie/%21%27%28%29%2A%3B~_-.,:550",
    ],
)
def test_the_wire_carries_the_url_as_it_was_frozen(url: str, make_client: MakeClient) -> None:
    with RawServer(answers_always()) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}{url}"))

        assert attempt.fault is None
        assert [head.partition(b"\r\n")[0].decode() for head in server.requests] == [
            f"GET {url} HTTP/1.1"
        ]


def test_an_ipv6_loopback_is_asked_like_any_other(make_client: MakeClient) -> None:
    try:
        server = StandIn(StandInSettings(host="::1", latency_seconds=0)).__enter__()
    except OSError:
        pytest.skip("there is no IPv6 here")
    try:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))
    finally:
        server.__exit__(None, None, None)

    assert attempt.body == answer_to("/3/movie/550", "").body


def test_cookies_are_not_kept(make_client: MakeClient) -> None:
    def bakes(link: Link) -> None:
        cookie = "Set-Cookie: who=you; Path=/"
        while head := link.request():
            moved = answer(b"", cookie, "Location: /3/movie/2", status="302 Found")
            link.send(moved if b"/3/movie/1 " in head else answer(b"[]", cookie))

    with RawServer(bakes) as server:
        client = make_client(server.origin)
        for _ in range(2):
            assert client.attempt(target(f"{server.origin}/3/movie/1")).body == b"[]"

        assert len(server.requests) == 4
        assert not any(b"cookie" in head.lower() for head in server.requests)


def test_many_threads_share_one_client(
    stand_in: StandIn, make_client: MakeClient, gate: CountingGate
) -> None:
    client = make_client(stand_in.origin)
    paths = [f"/3/movie/{number}" for number in range(1, 321)]

    with ThreadPoolExecutor(32) as pool:
        attempts = list(
            pool.map(lambda path: client.attempt(target(f"{stand_in.origin}{path}")), paths)
        )

    for path, attempt in zip(paths, attempts, strict=True):
        assert attempt.body == answer_to(path, "").body
        assert attempt.fault is None
        assert len(attempt.sent_at) == 1
    statistics = stand_in.statistics()
    assert statistics["arrivals"] == statistics["distinct_urls"] == gate.permits == 320
    assert int(str(statistics["connections"])) <= 32


def test_close_ends_what_is_in_flight(make_client: MakeClient) -> None:
    with RawServer(never_answers) as server, ThreadPoolExecutor(4) as pool:
        client = make_client(server.origin)
        futures = [
            pool.submit(client.attempt, target(f"{server.origin}/3/movie/{number}"))
            for number in range(4)
        ]
        server.wait_for("requests", 4)

        started = time.monotonic()
        client.close()
        attempts = [future.result(BOUND_SECONDS) for future in futures]

    assert time.monotonic() - started < 1.0
    assert all(attempt.fault is not None for attempt in attempts)
    assert all(attempt.body == b"" for attempt in attempts)


def test_what_leaves_after_close_is_cut_off_too(make_client: MakeClient) -> None:
    """An attempt may stand at the door while the client is closed."""
    closed = threading.Event()
    at_door = threading.Event()

    def waits() -> None:
        at_door.set()
        assert closed.wait(BOUND_SECONDS)

    with RawServer(never_answers) as server, ThreadPoolExecutor(1) as pool:
        client = make_client(server.origin, through=WaitingGate(at_permit=waits))
        future = pool.submit(client.attempt, target(f"{server.origin}/3/movie/550"))
        assert at_door.wait(BOUND_SECONDS)

        client.close()
        started = time.monotonic()
        closed.set()
        attempt = future.result(BOUND_SECONDS)

    assert attempt.fault is not None
    assert time.monotonic() - started < 1.0


def test_closing_twice_does_no_harm(make_client: MakeClient) -> None:
    client = make_client("http://127.0.0.1:1")

    client.close()
    client.close()

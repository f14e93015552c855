import gzip
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.client.servers import (
    BOUND_SECONDS,
    CountingGate,
    Link,
    Proxy,
    RawServer,
    WaitingGate,
    answer,
    answers_always,
    answers_once,
    deaf_port,
    never_answers,
    redirect,
)
from tmdb_assets.client.session import REDIRECTS, Client
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.model import Credential, Fault
from tmdb_assets.retry import Verdict, judge
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.faults import KINDS
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.urls import target

MakeClient = Callable[..., Client]

URL = "http://127.0.0.1/3/movie/550"
"""As good as any for a judge, who looks at its path."""

LONG_NAME = ".".join(["a" * 60] * 5)
"""A host name longer than DNS allows: the resolver refuses it without asking anybody."""


class Seen(NamedTuple):
    """What one sees of a kind of misbehaviour."""

    status: int | None
    fault: Fault | None
    verdict: Verdict
    requests: int = 1


SEEN = {
    "401": Seen(401, None, Verdict.STOP),
    "404_html": Seen(404, None, Verdict.AGAIN),
    "429": Seen(429, None, Verdict.REFUSED),
    "429_retry_after": Seen(429, None, Verdict.REFUSED),
    "500": Seen(500, None, Verdict.AGAIN),
    "502": Seen(502, None, Verdict.AGAIN),
    "503": Seen(503, None, Verdict.AGAIN),
    "503_retry_after": Seen(503, None, Verdict.AGAIN),
    "504": Seen(504, None, Verdict.AGAIN),
    "bad_gzip_crc": Seen(None, Fault.BAD_ENCODING, Verdict.AGAIN),
    "bad_gzip": Seen(None, Fault.BAD_ENCODING, Verdict.AGAIN),
    "bad_json": Seen(200, None, Verdict.AGAIN),
    "bad_utf8": Seen(200, None, Verdict.AGAIN),
    "cut_gzip": Seen(None, Fault.BAD_ENCODING, Verdict.AGAIN),
    "deep_json": Seen(200, None, Verdict.AGAIN),
    "drip_headers": Seen(None, Fault.TIMED_OUT, Verdict.AGAIN),
    "echo": Seen(200, None, Verdict.FETCHED),
    "gzip_bomb": Seen(None, Fault.TOO_LARGE, Verdict.GIVE_UP),
    "gzip_no_trailer": Seen(None, Fault.BAD_ENCODING, Verdict.AGAIN),
    "header_flood": Seen(None, Fault.MALFORMED, Verdict.AGAIN),
    "interim_flood": Seen(None, Fault.CONNECTION_LOST, Verdict.AGAIN),
    "redirect_file": Seen(302, Fault.REDIRECTED, Verdict.GIVE_UP),
    "redirect_link_local": Seen(302, Fault.REDIRECTED, Verdict.GIVE_UP),
    "redirect_loopback": Seen(302, Fault.REDIRECTED, Verdict.GIVE_UP),
    "reset_in_headers": Seen(None, Fault.CONNECTION_LOST, Verdict.AGAIN),
    "truncated_unframed": Seen(200, None, Verdict.AGAIN),
    "wrong_id": Seen(200, None, Verdict.AGAIN),
    "close": Seen(None, Fault.CONNECTION_LOST, Verdict.AGAIN),
    "drip": Seen(None, Fault.TIMED_OUT, Verdict.AGAIN),
    "empty": Seen(200, None, Verdict.AGAIN),
    "error_44": Seen(500, None, Verdict.GIVE_UP),
    "error_in_200": Seen(200, None, Verdict.GIVE_UP),
    "html": Seen(200, None, Verdict.AGAIN),
    "huge": Seen(None, Fault.TOO_LARGE, Verdict.GIVE_UP),
    "redirect_loop": Seen(302, Fault.REDIRECT_LOOP, Verdict.GIVE_UP, requests=1 + REDIRECTS),
    "redirect_other": Seen(302, Fault.REDIRECTED, Verdict.GIVE_UP),
    "redirect_same": Seen(200, None, Verdict.FETCHED, requests=2),
    "reset": Seen(None, Fault.CONNECTION_LOST, Verdict.AGAIN),
    "reset_in_body": Seen(None, Fault.CONNECTION_LOST, Verdict.AGAIN),
    "stall": Seen(None, Fault.TIMED_OUT, Verdict.AGAIN),
    "stall_in_body": Seen(None, Fault.TIMED_OUT, Verdict.AGAIN),
    "suspended": Seen(401, None, Verdict.STOP),
    "truncated": Seen(None, Fault.TRUNCATED, Verdict.AGAIN),
    "truncated_chunked": Seen(None, Fault.TRUNCATED, Verdict.AGAIN),
}
SLOW = {"drip", "drip_headers", "stall", "stall_in_body"}


def test_every_kind_of_misbehaviour_is_tried() -> None:
    assert SEEN.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", SEEN)
def test_each_kind_of_misbehaviour_is_told_apart(
    kind: str, stand_in: StandIn, make_client: MakeClient, gate: CountingGate
) -> None:
    client = make_client(stand_in.origin, timeout_seconds=0.6 if kind in SLOW else 5.0)

    started = time.monotonic()
    attempt = client.attempt(target(f"{stand_in.origin}/3/movie/550?stand_in={kind}"))
    seconds = time.monotonic() - started

    seen = SEEN[kind]
    assert (attempt.status, attempt.fault) == (seen.status, seen.fault)
    assert judge(attempt, URL).verdict is seen.verdict
    assert gate.permits == stand_in.statistics()["arrivals"] == seen.requests
    assert len(attempt.sent_at) == seen.requests
    assert bool(attempt.retry_after) == kind.endswith("_retry_after")
    assert not attempt.body or attempt.fault is None
    assert seconds < 1.6
    assert attempt.seconds <= seconds


@pytest.mark.parametrize("kind", sorted(SEEN.keys() - SLOW))
def test_the_next_attempt_is_none_the_worse_for_a_fault(
    kind: str, stand_in: StandIn, make_client: MakeClient
) -> None:
    client = make_client(stand_in.origin)

    client.attempt(target(f"{stand_in.origin}/3/movie/550?stand_in={kind}"))
    attempt = client.attempt(target(f"{stand_in.origin}/3/movie/551"))

    assert attempt.fault is None
    assert attempt.body == answer_to("/3/movie/551", "").body


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


@pytest.mark.parametrize(
    "broken",
    [
        answer(b"{", "Retry-After: 7", status="429 Too Many")[:-1],
        answer(b"x" * 2048, "Retry-After: 7", status="429 Too Many"),
        answer(b"no gzip", "Retry-After: 7", "Content-Encoding: gzip", status="429 Too Many"),
    ],
    ids=["truncated", "too large", "undecodable"],
)
def test_a_429_counts_whatever_becomes_of_its_body(make_client: MakeClient, broken: bytes) -> None:
    with RawServer(answers_once(broken)) as server:
        began_at = time.monotonic()
        attempt = make_client(server.origin, max_body_bytes=1024).attempt(
            target(f"{server.origin}/3/movie/1")
        )

    assert (attempt.status, attempt.fault, attempt.retry_after) == (429, None, "7")
    assert judge(attempt, URL).verdict is Verdict.REFUSED
    assert began_at <= attempt.left_at <= time.monotonic()


@pytest.mark.parametrize("excess", [0, 1])
def test_a_body_may_be_as_large_as_allowed_and_no_larger(
    excess: int, make_client: MakeClient
) -> None:
    body = b'"' + b"x" * (998 + excess) + b'"'
    with RawServer(answers_always(answer(body))) as server:
        attempt = make_client(server.origin, max_body_bytes=1000).attempt(
            target(f"{server.origin}/3/movie/550")
        )

    assert attempt.fault is (Fault.TOO_LARGE if excess else None)
    assert attempt.body == (b"" if excess else body)


@pytest.mark.parametrize("status", ["200 OK", "302 Found\r\nLocation: /3/movie/551"])
def test_a_body_that_is_too_large_is_not_read_to_its_end(
    status: str, make_client: MakeClient
) -> None:
    pieces, piece = 64, b"x" * (1 << 20)
    sent: list[bool] = []

    def floods(link: Link) -> None:
        link.request()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {pieces * len(piece)}\r\n\r\n"
        link.send(head.encode())
        sent.extend(takewhile(bool, (link.send(piece) for _ in range(pieces))))

    with RawServer(floods) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))
        server.wait_for("closed", 1)

    assert attempt.fault is Fault.TOO_LARGE
    assert len(sent) < pieces


def test_continuing_without_end_times_out(make_client: MakeClient) -> None:
    """http.client reads over any number of them, and each keeps its time-out from passing."""

    def goes_on(link: Link) -> None:
        link.request()
        link.drip(50, b"HTTP/1.1 100 Continue\r\n\r\n")

    with RawServer(goes_on) as server:
        client = make_client(server.origin, timeout_seconds=0.4)
        attempt = client.attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.fault is Fault.TIMED_OUT


@pytest.mark.parametrize(
    ("credential", "etag"),
    [
        (Credential("a-known-key", is_token=False), '"x"'),
        (Credential("a-token", is_token=True), ""),
    ],
)
def test_an_answer_that_repeats_the_credential_goes_no_further(
    make_client: MakeClient, credential: Credential, etag: str
) -> None:
    body = b'{"id":550}' if etag else f'{{"id":550,"you":"{credential.secret}"}}'.encode()
    header = f'ETag: "{credential.secret}"'
    with RawServer(answers_always(answer(body, header))) as server:
        client = make_client(server.origin, credential=credential)
        attempt = client.attempt(target(f"{server.origin}/3/movie/550"))

    assert (attempt.fault, attempt.body, attempt.etag) == (Fault.ECHO, b"", "")


@pytest.mark.parametrize(("length", "is_kept"), [(200, True), (201, False)])
def test_an_etag_without_measure_is_left_out(
    make_client: MakeClient, length: int, *, is_kept: bool
) -> None:
    etag = "e" * length
    with RawServer(answers_always(answer(b'{"id":550}', f"ETag: {etag}"))) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.etag == (etag if is_kept else "")


def test_a_gzip_bomb_is_too_large(make_client: MakeClient) -> None:
    bomb = gzip.compress(b"x" * (64 << 20), 9)
    with RawServer(answers_always(answer(bomb, "Content-Encoding: gzip"))) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.fault is Fault.TOO_LARGE


@pytest.mark.parametrize("framing", ["length", "end of connection"])
def test_a_dripping_body_is_cut_off_whatever_its_framing(
    framing: str, make_client: MakeClient
) -> None:
    def drips(link: Link) -> None:
        link.request()
        link.send(answer(b" " * 100, framed=framing == "length")[:-100])
        link.drip(40)

    with RawServer(drips) as server:
        started = time.monotonic()
        attempt = make_client(server.origin, timeout_seconds=0.5).attempt(
            target(f"{server.origin}/3/movie/550")
        )

    assert attempt.fault is Fault.TIMED_OUT
    assert attempt.body == b""
    assert time.monotonic() - started < 2.0


def test_dripping_headers_are_cut_off(make_client: MakeClient) -> None:
    def drips(link: Link) -> None:
        link.request()
        link.send(b"HTTP/1.1 200 OK\r\n")
        link.drip(40, b"X: y\r\n")

    with RawServer(drips) as server:
        started = time.monotonic()
        attempt = make_client(server.origin, timeout_seconds=0.5).attempt(
            target(f"{server.origin}/3/movie/550")
        )

    assert attempt.fault is Fault.TIMED_OUT
    assert time.monotonic() - started < 2.0


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


def test_an_early_hint_does_not_give_its_answer_to_the_next_url(make_client: MakeClient) -> None:
    """Else the answer of one URL, a little late, would be stored as that of another."""

    def hints(link: Link) -> None:
        for number in count(1):
            if not link.request():
                return
            if link.number > 1:
                link.send(answer(b'{"id":551}'))
            elif number == 1:
                link.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
            else:
                link.send(answer(b'{"id":550}'))

    with RawServer(hints) as server:
        client = make_client(server.origin)
        first = client.attempt(target(f"{server.origin}/3/movie/550"))
        second = client.attempt(target(f"{server.origin}/3/movie/551"))

    assert judge(first, URL).verdict is Verdict.AGAIN
    assert second.body != b'{"id":550}'


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
@pytest.mark.parametrize("headers", ["", "Content-Ty", "Content-Type: text/html\r\n"])
def test_an_answer_that_ends_within_its_headers_is_no_answer(
    headers: str, status: str, make_client: MakeClient
) -> None:
    """Else a lost connection would say that something does not exist."""
    with RawServer(answers_once(f"HTTP/1.1 {status}\r\n{headers}".encode())) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

    assert judge(attempt, URL).verdict is Verdict.AGAIN


def odd_answers() -> st.SearchStrategy[bytes]:
    """Answers that are anything from almost right to mere noise."""
    statuses = st.sampled_from(
        [b"HTTP/1.1 200 OK", b"HTTP/1.0 302 Found", b"HTTP/1.1 999", b"HTTP/9 200", b"ICY 200"]
    )
    names = st.sampled_from(
        [b"Location", b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Set-Cookie"]
    )
    known = st.sampled_from([b"gzip", b"chunked", b"5", b"-1", b"5,5", b"1,2", b"http://[", b"//["])
    headers = st.lists(
        st.tuples(names, known | st.binary(max_size=12)).map(b": ".join), max_size=3
    ).map(b"\r\n".join)
    bodies = st.sampled_from([b"", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"hello"])
    whole = st.tuples(statuses, headers, st.just(b""), bodies | st.binary(max_size=20))
    return st.binary(max_size=60) | whole.map(b"\r\n".join)


def test_whatever_a_server_says_comes_out_as_an_attempt(make_client: MakeClient) -> None:
    said = [b""]

    def says(link: Link) -> None:
        if link.request():
            link.send(said[0])

    with RawServer(says) as server:
        client = make_client(server.origin)

        @hypothesis_settings(max_examples=200, deadline=None)
        @given(odd_answers())
        def check(piece: bytes) -> None:
            said[0] = piece
            attempt = client.attempt(target(f"{server.origin}/3/movie/550"))
            assert attempt.fault is not None or attempt.status is not None
            assert 1 <= len(attempt.sent_at) <= 1 + REDIRECTS

        check()


def test_each_hop_within_the_origin_takes_a_permit(
    make_client: MakeClient, gate: CountingGate
) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            number = int(head.split()[1].rpartition(b"/")[2])
            link.send(redirect(f"{number + 1}") if number < REDIRECTS else answer(b"[]"))

    with RawServer(leads_on) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/0"))

        assert (attempt.status, attempt.body, attempt.fault) == (200, b"[]", None)
        assert gate.permits == len(server.requests) == len(attempt.sent_at) == 1 + REDIRECTS
        assert list(attempt.sent_at) == sorted(attempt.sent_at)
        assert server.connections == 1


@pytest.mark.parametrize(
    "status",
    [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ],
)
def test_all_kinds_of_redirect_are_followed_with_a_get(
    status: str, make_client: MakeClient
) -> None:
    def leads_on(link: Link) -> None:
        moved = answer(b"gone there", "Location: /3/tv/2#x", status=status)
        while head := link.request():
            link.send(moved if b"/3/movie/1" in head else answer(b"[2]"))

    with RawServer(leads_on) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

        assert attempt.body == b"[2]"
        assert server.requests[1].startswith(b"GET /3/tv/2 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:OTHER/3/movie/2",
        "HTTP://127.0.0.1:OTHER/3/movie/2",
        "//127.0.0.1:OTHER/3/movie/2",
        "///127.0.0.1:OTHER/3/movie/2",
        "http:\\\\127.0.0.1:OTHER\\3\\movie\\2",
        "/\\127.0.0.1:OTHER/3/movie/2",
        "\\\\127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT\\@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT@127.0.0.1:OTHER/3/movie/2",
        "http://x:y@127.0.0.1:PORT/3/movie/2",
        "http://127.0.0.1:PORT#@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT?@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT.example.test/3/movie/2",
        "http://2130706433:OTHER/3/movie/2",
        "http://0x7f.1:OTHER/3/movie/2",
        "http://localhost:PORT/3/movie/2",
        "http://127.1:PORT/3/movie/2",
        "https://127.0.0.1:PORT/3/movie/2",
        "//127.0.0.2:PORT/3/movie/2",
        "//127.0.0.2/3/movie/2",
        "http://127.0.0.1/3/movie/2",
        "http://[::1]:PORT/3/movie/2",
        "file:///etc/hostname",
        "file:/3/movie/2",
        "ftp://127.0.0.1:PORT/3/movie/2",
        "data:application/json,[]",
        "javascript:alert(1)",
        "http://[",
        "//[",
        "http://[::1/3/movie/2",
        "http://[v1.x]/3/movie/2",
        "http://127.0.0.1:99999999/3/movie/2",
        "http://127.0.0.1:x/3/movie/2",
        "http://\xff/3/movie/2",
        "/login",
        "/3/movie/../../login",
        "/3/movie/%2e%2e/2",
        "/3/movie/2 3",
        "/3/movie/\x01",
        "/3/movie/\x8d",
        "/3/movie/%",
        "/3/movie/" + "x" * 5000,
    ],
)
def test_no_spelling_of_another_place_is_followed(
    location: str, make_client: MakeClient, gate: CountingGate
) -> None:
    """Some of these spell our own origin in a way that it never spells itself."""
    with RawServer(answers_always()) as other:
        where = location.replace("OTHER", str(other.port))

        def sends_away(link: Link) -> None:
            while head := link.request():
                place = where.replace("PORT", str(server.port))
                link.send(redirect(place) if head.startswith(b"GET /3/movie/1 ") else answer())

        with RawServer(sends_away) as server:
            client = make_client(server.origin, other.origin)
            attempt = client.attempt(target(f"{server.origin}/3/movie/1"))

            assert other.connections == 0
            assert len(server.requests) == gate.permits == len(attempt.sent_at) == 1
            assert attempt.fault is Fault.REDIRECTED
            assert attempt.status == 302


def test_a_spelling_of_our_own_origin_is_followed(make_client: MakeClient) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            place = f"//127.0.0.1:{server.port}/3/movie/2?api_key=theirs&b=1&a=2"
            link.send(redirect(place) if b"/3/movie/1 " in head else answer(b"[]"))

    with RawServer(leads_on) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

        assert attempt.body == b"[]"
        assert server.requests[1].startswith(b"GET /3/movie/2?a=2&b=1 HTTP/1.1\r\n")


def test_a_redirect_that_is_no_ascii_stays_in_the_origin(make_client: MakeClient) -> None:
    with RawServer(answers_always(redirect("/3/movie/\xff\xfe"))) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

        assert attempt.fault in {Fault.REDIRECT_LOOP, Fault.REDIRECTED}
        assert all(head.startswith(b"GET /3/movie/") for head in server.requests)


@pytest.mark.parametrize(
    "piece",
    [
        answer(status="302 Found"),
        redirect(""),
        redirect("#"),
        redirect("http:"),
        redirect("http://"),
        redirect("/3/movie/1"),
    ],
)
def test_a_redirect_to_nowhere_or_itself_ends(
    piece: bytes, make_client: MakeClient, gate: CountingGate
) -> None:
    with RawServer(answers_always(piece)) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

    assert attempt.fault in {Fault.REDIRECT_LOOP, Fault.REDIRECTED}
    assert gate.permits == len(server.requests) <= 1 + REDIRECTS


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


@pytest.mark.parametrize("credential", [None, Credential("t0ken", is_token=True)])
def test_netrc_is_not_used(
    credential: Credential | None,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(answers_always()) as server:
        client = make_client(server.origin, credential=credential)
        client.attempt(target(f"{server.origin}/3/movie/550"))

        (head,) = server.requests
    assert b"Basic" not in head
    assert (b"Authorization: Bearer t0ken" in head) == (credential is not None)


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
    assert statistics["connections"] <= 32


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


def test_a_failing_limiter_is_raised_and_nothing_leaves(make_client: MakeClient) -> None:
    def fails() -> None:
        raise LimiterClosedError("the limiter was closed")

    with RawServer(answers_always()) as server:
        client = make_client(server.origin, through=WaitingGate(at_permit=fails))
        with pytest.raises(LimiterClosedError, match=r"^the limiter was closed$"):
            client.attempt(target(f"{server.origin}/3/movie/550"))

        server.wait_for("closed", 1)
        assert server.requests == []


# --- only if it changed -------------------------------------------------------------------------


def conditions(server: RawServer) -> list[str]:
    """Return the conditions of all requests, empty for one without."""
    found = []
    for head in server.requests:
        headers = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
        found.append("; ".join(value for name, _, value in headers if name == "If-None-Match"))
    return found


@pytest.mark.parametrize(
    ("etag", "is_sent"),
    [
        *[('W/"0123456789abcdef"', True), ('"a"', True), ('""', True), ('W/""', True)],
        *[("", False), ("a", False), ('"a', False), ('w/"a"', False), ('"a" ', False)],
        *[('"a", "b"', False), ("*", False), ('"\r\nX: y"', False), ('"ä"', False)],
        *[('"\x7f"', False), ('"a b"', False), ('"a"\n', False), ('W/"a""', False)],
    ],
)
def test_only_what_is_an_etag_for_sure_is_sent_back(
    make_client: MakeClient, etag: str, *, is_sent: bool
) -> None:
    with RawServer(answers_always()) as server:
        one = replace(target(f"{server.origin}/3/movie/550"), etag=etag)
        attempt = make_client(server.origin).attempt(one)

        assert conditions(server) == [etag if is_sent else ""]
    assert (attempt.status, attempt.fault) == (200, None)


def test_an_answer_that_nothing_changed_has_no_body_and_the_connection_is_used_again(
    make_client: MakeClient, stand_in: StandIn
) -> None:
    client, url = make_client(stand_in.origin), f"{stand_in.origin}/3/movie/550"
    first = client.attempt(target(url))

    again = [client.attempt(replace(target(url), etag=first.etag)) for _ in range(3)]
    stand_in.change({"revision": 1})
    changed = client.attempt(replace(target(url), etag=first.etag))

    assert [(one.status, one.body, one.etag, one.fault) for one in again] == [
        (304, b"", first.etag, None)
    ] * 3
    assert judge(again[0], URL, is_conditional=True).verdict is Verdict.UNCHANGED
    assert (changed.status, changed.etag != first.etag) == (200, True)
    assert stand_in.statistics()["connections"] == 1


@pytest.mark.parametrize(
    "head",
    [
        'HTTP/1.1 304 Not Modified\r\nETag: W/"2"\r\nContent-Length: 999\r\n\r\n',
        'HTTP/1.1 304 Not Modified\r\nETag: W/"2"\r\nContent-Encoding: gzip\r\n\r\n',
        'HTTP/1.1 304 Not Modified\r\nETag: W/"2"\r\nConnection: close\r\n\r\n',
    ],
)
def test_whatever_a_304_says_of_its_body_it_has_none(make_client: MakeClient, head: str) -> None:
    with RawServer(answers_always(head.encode())) as server:
        client = make_client(server.origin)
        one = replace(target(f"{server.origin}/3/movie/550"), etag='W/"1"')
        attempts = [client.attempt(one) for _ in range(2)]

    assert [(one.status, one.body, one.etag, one.fault) for one in attempts] == [
        (304, b"", 'W/"2"', None)
    ] * 2


def test_a_304_that_says_how_it_would_have_been_framed_is_whole(make_client: MakeClient) -> None:
    head = b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"
    with RawServer(answers_always(head)) as server:
        one = replace(target(f"{server.origin}/3/movie/550"), etag='W/"1"')
        attempt = make_client(server.origin, timeout_seconds=0.3).attempt(one)

    assert (attempt.status, attempt.fault) == (304, None)


def test_a_condition_goes_along_with_redirects_within_the_origin(make_client: MakeClient) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            link.send(redirect("/3/movie/551") if b"/movie/550" in head else answer(b'{"id":551}'))

    with RawServer(leads_on) as server:
        one = replace(target(f"{server.origin}/3/movie/550"), etag='"a"')
        attempt = make_client(server.origin).attempt(one)

        assert conditions(server) == ['"a"', '"a"']
    assert attempt.status == 200

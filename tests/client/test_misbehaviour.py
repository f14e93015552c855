"""Whatever a server does comes out as an attempt, and harms neither the next nor another URL."""

import time
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.client.asking import URL, MakeClient
from tests.client.servers import CountingGate, Link, RawServer, answer, answers_once
from tmdb_assets.client.session import REDIRECTS
from tmdb_assets.model import Fault
from tmdb_assets.retry import Verdict, judge
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.faults import KINDS
from tmdb_assets.standin.server import StandIn
from tmdb_assets.urls import target


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

"""How large an answer may be and how long it may take: what goes beyond is cut off."""

import gzip
import time
from itertools import takewhile

import pytest

from tests.client.asking import URL, MakeClient
from tests.client.servers import Link, RawServer, answer, answers_always, answers_once
from tmdb_assets.model import Fault
from tmdb_assets.retry import Verdict, judge
from tmdb_assets.urls import target


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


def test_a_gzip_bomb_is_too_large(make_client: MakeClient) -> None:
    bomb = gzip.compress(b"x" * (64 << 20), 9)
    with RawServer(answers_always(answer(bomb, "Content-Encoding: gzip"))) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.fault is Fault.TOO_LARGE


@pytest.mark.parametrize(("length", "is_kept"), [(200, True), (201, False)])
def test_an_etag_without_measure_is_left_out(
    make_client: MakeClient, length: int, *, is_kept: bool
) -> None:
    etag = "e" * length
    with RawServer(answers_always(answer(b'{"id":550}', f"ETag: {etag}"))) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.etag == (etag if is_kept else "")


def test_continuing_without_end_times_out(make_client: MakeClient) -> None:
    """http.client reads over any number of them, and each keeps its time-out from passing."""

    def goes_on(link: Link) -> None:
        link.request()
        link.drip(50, b"HTTP/1.1 100 Continue\r\n\r\n")

    with RawServer(goes_on) as server:
        client = make_client(server.origin, timeout_seconds=0.4)
        attempt = client.attempt(target(f"{server.origin}/3/movie/550"))

    assert attempt.fault is Fault.TIMED_OUT


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

import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.standin.asking import PATH, until, with_kind
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.faults import KINDS
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

Ask = Callable[..., Any]
Talk = Callable[..., Any]
WHOLE = answer_to(PATH, "").body
HALF = WHOLE[: len(WHOLE) // 2]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("401", 401, 7),
        ("429", 429, 25),
        ("500", 500, 11),
        ("502", 502, 43),
        ("503", 503, 9),
        ("504", 504, 24),
        ("error_44", 500, 44),
        ("error_in_200", 200, 21),
        ("suspended", 401, 10),
    ],
)
def test_an_error_has_its_status_and_the_code_of_tmdb(
    server: StandIn, ask: Ask, kind: str, status: int, code: int
) -> None:
    reply = ask(server.origin, with_kind(kind))

    said = json.loads(reply.body)
    assert (reply.status, said["status_code"], said["success"]) == (status, code, False)
    assert "retry-after" not in reply.headers
    assert server.statistics()["faults"] == {kind: 1}


@pytest.mark.parametrize("kind", ["429_retry_after", "503_retry_after"])
def test_retry_after_is_a_second(server: StandIn, ask: Ask, kind: str) -> None:
    reply = ask(server.origin, with_kind(kind))

    assert reply.status == int(kind[:3])
    assert reply.headers["retry-after"] == "1"


@pytest.mark.parametrize(("kind", "status"), [("html", 200), ("404_html", 404)])
def test_a_page_is_html(server: StandIn, ask: Ask, kind: str, status: int) -> None:
    reply = ask(server.origin, with_kind(kind))

    assert reply.status == status
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.body.startswith(b"<!DOCTYPE html>")


def test_an_empty_answer_has_no_body(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("empty"))

    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "0")


def test_bad_gzip_says_gzip_and_is_none(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("bad_gzip"))

    assert reply.headers["content-encoding"] == "gzip"
    with pytest.raises((zlib.error, gzip.BadGzipFile)):
        gzip.decompress(reply.body)


def test_a_reset_comes_before_any_byte(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("reset"))

    assert (seen.received, seen.ending) == (b"", "reset")


def test_a_reset_in_the_body_comes_after_half_of_it(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("reset_in_body"))

    assert b"content-length: %d\r\n" % len(WHOLE) in seen.received
    assert (seen.body, seen.ending) == (HALF, "reset")


def test_a_close_is_an_end_before_any_byte(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("close"))

    assert (seen.received, seen.ending) == (b"", "end")


def test_a_truncated_body_is_half_of_what_was_announced(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("truncated"))

    assert b"content-length: %d\r\n" % len(WHOLE) in seen.received
    assert (seen.body, seen.ending) == (HALF, "end")


def test_a_truncated_chunked_body_lacks_the_last_chunk(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("truncated_chunked"))

    assert b"transfer-encoding: chunked\r\n" in seen.received.lower()
    assert (seen.body, seen.ending) == (b"%x\r\n%b\r\n" % (len(HALF), HALF), "end")


def test_an_unframed_body_is_half_of_it_and_ends_with_the_connection(
    either_server: StandIn, talk: Talk
) -> None:
    seen = talk(either_server.origin, with_kind("truncated_unframed"))

    assert seen.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert seen.head.endswith(b"\r\nconnection: close")
    assert b"content-length" not in seen.head
    assert b"transfer-encoding" not in seen.head
    assert (seen.body, seen.ending) == (HALF, "end")
    assert until(lambda: either_server.statistics()["by_status"] == {"200": 1})


def test_a_reset_in_the_headers_cuts_one_of_them(either_server: StandIn, talk: Talk) -> None:
    seen = talk(either_server.origin, with_kind("reset_in_headers"))

    assert seen.received.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: ")
    assert seen.received.count(b"\r\n") == 1
    assert seen.ending == "reset"
    assert until(lambda: either_server.statistics()["by_status"] == {"200": 1})


def test_dripping_headers_come_a_byte_a_second(either_server: StandIn, talk: Talk) -> None:
    seen = talk(either_server.origin, with_kind("drip_headers"), patience=0.3, ends=b" d")

    assert seen.received == b"HTTP/1.1 200 OK\r\nx-drip: d"
    assert seen.ending == "silence"
    assert until(lambda: either_server.statistics()["by_status"] == {"200": 1})


def test_a_flood_of_interim_answers_lasts_as_long_as_the_client(either_server: StandIn) -> None:
    parts = urlsplit(either_server.origin)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as link:
        link.sendall(f"GET {with_kind('interim_flood')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b""
        started = time.monotonic()
        while received.count(b"\r\n\r\n") < 20:
            received += link.recv(100)
        span = time.monotonic() - started
        in_flight = either_server.statistics()["in_flight"]

    assert set(received.split(b"\r\n\r\n")[:20]) == {
        b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload"
    }
    assert 0.15 < span < 1.0
    assert in_flight == 1
    assert until(lambda: either_server.statistics()["by_status"] == {"none": 1})


def test_a_flood_of_headers_goes_before_a_good_body(either_server: StandIn, talk: Talk) -> None:
    seen = talk(
        either_server.origin, with_kind("header_flood"), patience=0.2, ends=b"\r\n0\r\n\r\n"
    )

    assert seen.head.count(b"\r\nx-flood: ") == 5000
    assert len(seen.head) > 65_536
    assert seen.body == b"%x\r\n%b\r\n0\r\n\r\n" % (len(WHOLE), WHOLE)


def test_a_gzip_bomb_is_small_and_unpacks_to_more_than_told(
    either_server: StandIn, ask: Ask
) -> None:
    reply = ask(either_server.origin, with_kind("gzip_bomb"))

    unpacked = gzip.decompress(reply.body)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 2_000
    assert len(unpacked) > 300_000
    assert json.loads(unpacked)["id"] == 1


def test_a_large_bomb_keeps_nobody_waiting_and_ends_with_its_client(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, huge_bytes=4 * 1024**3)) as server:
        parts = urlsplit(server.origin)
        with socket.create_connection((parts.hostname, parts.port), timeout=5) as link:
            link.sendall(f"GET {with_kind('gzip_bomb')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert link.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
            before = time.monotonic()
            assert ask(server.origin, PATH).body == WHOLE
            span = time.monotonic() - before
            in_flight = server.statistics()["in_flight"]
        is_over = until(lambda: server.statistics()["in_flight"] == 0)

    assert span < 0.5
    assert (in_flight, is_over) == (1, True)


def test_a_stalled_answer_is_silence(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("stall"), patience=0.2)

    assert (seen.received, seen.ending) == (b"", "silence")


def test_a_stalled_body_stops_after_its_half(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("stall_in_body"), patience=0.2, ends=HALF)

    assert (seen.body, seen.ending) == (HALF, "silence")


def test_a_dripping_body_comes_a_byte_a_second(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("drip"), patience=0.3, ends=WHOLE[:1])

    assert (seen.body, seen.ending) == (WHOLE[:1], "silence")


def test_a_huge_body_is_valid_json_and_larger_than_told(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("huge"))

    assert len(reply.body) > 300_000
    assert json.loads(reply.body)["id"] == 1
    assert "content-length" not in reply.headers


def test_a_kind_that_does_not_exist_is_a_clear_error(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("nope"))

    assert reply.status == 400
    assert "'nope' is no kind of misbehaviour" in json.loads(reply.body)["status_message"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_counted_and_leaves_the_server_able_to_answer(
    either_server: StandIn, ask: Ask, talk: Talk, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    talk(either_server.origin, with_kind(kind), patience=0.05)

    assert ask(either_server.origin, PATH).body == WHOLE
    assert either_server.statistics()["faults"] == {kind: 1}
    assert until(lambda: either_server.statistics()["in_flight"] == 0)
    assert not caplog.messages  # uvicorn's, when it is left with half an answer

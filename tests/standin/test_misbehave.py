import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.faults import KINDS
from tmdb_assets.standin.server import StandIn

Ask = Callable[..., Any]
Talk = Callable[..., Any]
PATH = "/3/movie/550"
WHOLE = answer_to(PATH, "").body
HALF = WHOLE[: len(WHOLE) // 2]


def with_kind(kind: str) -> str:
    return f"{PATH}?stand_in={kind}"


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


def test_bad_json_is_whole_for_http_and_broken_for_a_parser(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("bad_json"))

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert WHOLE.startswith(reply.body)
    with pytest.raises(ValueError, match="line 1"):
        json.loads(reply.body)


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


def test_a_stalled_answer_is_silence(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("stall"), patience=0.2)

    assert (seen.received, seen.ending) == (b"", "silence")


def test_a_stalled_body_stops_after_its_half(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("stall_in_body"), patience=0.2)

    assert (seen.body, seen.ending) == (HALF, "silence")


def test_a_dripping_body_comes_a_byte_a_second(server: StandIn, talk: Talk) -> None:
    seen = talk(server.origin, with_kind("drip"), patience=0.3)

    assert (seen.body, seen.ending) == (WHOLE[:1], "silence")


def test_a_huge_body_is_valid_json_and_larger_than_told(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("huge"))

    assert len(reply.body) > 300_000
    assert json.loads(reply.body)["id"] == 1
    assert "content-length" not in reply.headers


def test_a_redirect_to_the_same_origin_leads_to_the_answer(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, f"{PATH}?language=en&stand_in=redirect_same")
    location = reply.headers["location"]

    assert (reply.status, location) == (301, "/3/moved/movie/550?language=en")
    assert ask(server.origin, location).body == answer_to(PATH, "language=en").body


def test_a_redirect_elsewhere_leads_to_another_address(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("redirect_other"))

    port = urlsplit(server.origin).port
    assert reply.status == 302
    assert reply.headers["location"] == f"http://127.0.0.2:{port}{PATH}"


def test_a_redirect_loop_never_ends(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, f"{PATH}?language=en&stand_in=redirect_loop")
    again = ask(server.origin, reply.headers["location"])

    assert reply.status == again.status == 302
    assert again.headers["location"] == reply.headers["location"]


def test_a_kind_that_does_not_exist_is_a_clear_error(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("nope"))

    assert reply.status == 400
    assert "'nope' is no kind of misbehaviour" in json.loads(reply.body)["status_message"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_counted_and_leaves_the_server_able_to_answer(
    server: StandIn, ask: Ask, talk: Talk, kind: str
) -> None:
    talk(server.origin, with_kind(kind), patience=0.05)

    assert ask(server.origin, PATH).body == WHOLE
    assert server.statistics()["faults"] == {kind: 1}

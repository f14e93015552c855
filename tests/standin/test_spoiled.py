import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.asking import PATH, with_kind
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn

Ask = Callable[..., Any]
WHOLE = answer_to(PATH, "").body
SMALL_PATH = "/3/keyword/550"  # too small for the right answer to be in gzip


def unpacked(packed: bytes) -> tuple[bytes, bool]:
    """Return as much as there is, and whether the stream ended."""
    unpacker = zlib.decompressobj(wbits=31)
    return unpacker.decompress(packed), unpacker.eof


def test_bad_json_is_whole_for_http_and_broken_for_a_parser(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("bad_json"))

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert WHOLE.startswith(reply.body)
    with pytest.raises(ValueError, match="line 1"):
        json.loads(reply.body)


@pytest.mark.parametrize("kind", ["bad_gzip_crc", "cut_gzip", "gzip_no_trailer"])
@pytest.mark.parametrize("accept", ["gzip", "identity"])
def test_spoiled_gzip_is_whole_for_http_and_none_for_gzip(
    either_server: StandIn, ask: Ask, kind: str, accept: str
) -> None:
    reply = ask(either_server.origin, with_kind(kind), accept_encoding=accept)

    assert reply.status == 200
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert "transfer-encoding" not in reply.headers
    with pytest.raises((gzip.BadGzipFile, EOFError)):
        gzip.decompress(reply.body)


@pytest.mark.parametrize("path", [PATH, SMALL_PATH])
def test_only_the_checksum_of_a_bad_gzip_crc_is_wrong(server: StandIn, ask: Ask, path: str) -> None:
    body = ask(server.origin, with_kind("bad_gzip_crc", path)).body

    expected = answer_to(path, "").body
    assert zlib.decompress(body[10:-8], wbits=-15) == expected
    assert int.from_bytes(body[-8:-4], "little") ^ 1 == zlib.crc32(expected)
    assert int.from_bytes(body[-4:], "little") == len(expected)


@pytest.mark.parametrize("path", [PATH, SMALL_PATH])
def test_a_cut_gzip_unpacks_to_the_beginning(server: StandIn, ask: Ask, path: str) -> None:
    found, is_at_end = unpacked(ask(server.origin, with_kind("cut_gzip", path)).body)

    expected = answer_to(path, "").body
    assert expected.startswith(found)
    assert len(found) < len(expected)
    assert not is_at_end


@pytest.mark.parametrize("path", [PATH, SMALL_PATH])
def test_a_gzip_without_trailer_unpacks_to_everything(server: StandIn, ask: Ask, path: str) -> None:
    found, is_at_end = unpacked(ask(server.origin, with_kind("gzip_no_trailer", path)).body)

    assert (found, is_at_end) == (answer_to(path, "").body, False)


def test_deep_json_is_valid_and_nests_5000_arrays(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("deep_json"))

    assert (reply.status, reply.headers["content-type"][:16]) == (200, "application/json")
    assert b"[" * 5000 + b"]" * 5000 in reply.body
    flat = reply.body.replace(b"[" * 4999, b"").replace(b"]" * 4999, b"")
    assert json.loads(flat) == {"id": 550, "a": []}


def test_bad_utf8_is_json_in_another_encoding(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("bad_utf8"))

    assert reply.headers["content-type"] == "application/json;charset=utf-8"
    assert json.loads(reply.body.decode("latin-1")) == {"id": 550, "title": "café"}
    with pytest.raises(UnicodeDecodeError):
        json.loads(reply.body)


@pytest.mark.parametrize("accept", ["gzip", "identity"])
def test_a_wrong_id_is_the_next_one_and_all_else_as_usual(
    server: StandIn, ask: Ask, accept: str
) -> None:
    reply = ask(server.origin, with_kind("wrong_id"), accept_encoding=accept)

    body = gzip.decompress(reply.body) if accept == "gzip" else reply.body
    assert reply.status == 200
    assert json.loads(body) == {**json.loads(WHOLE), "id": 551}


@pytest.mark.parametrize("path", ["/3/movie/37", "/3/configuration", "/3/configuration/languages"])
def test_an_answer_without_an_id_cannot_have_a_wrong_one(
    server: StandIn, ask: Ask, path: str
) -> None:
    reply = ask(server.origin, with_kind("wrong_id", path))

    usual = answer_to(path, "")
    assert (reply.status, reply.body) == (usual.status, usual.body)


@pytest.mark.parametrize(
    ("query", "headers", "said", "etag"),
    [
        ("", {"authorization": "Bearer s3cret.a-b_c"}, "s3cret.a-b_c", '"s3cret.a-b_c"'),
        ("&api_key=0123abc", {}, "0123abc", '"0123abc"'),
        ("&api_key=2", {"authorization": "Bearer 1"}, "1 2", '"1%202"'),
        ("&api_key=%0d%0ax:%22y", {}, '\r\nx:"y', '"%0D%0Ax%3A%22y"'),
        ("", {}, "", '""'),
    ],
)
def test_an_echo_repeats_the_credential_in_body_and_etag(  # noqa: PLR0913 - one per column
    *,
    either_server: StandIn,
    ask: Ask,
    query: str,
    headers: dict[str, str],
    said: str,
    etag: str,
) -> None:
    reply = ask(either_server.origin, f"{with_kind('echo')}{query}", **headers)

    assert (reply.status, reply.headers["etag"]) == (200, etag)
    assert json.loads(reply.body) == {**json.loads(WHOLE), "you_sent": said}
    assert "s3cret" not in repr((either_server.statistics(), either_server.arrivals()))

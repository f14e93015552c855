import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPResponse
from urllib3.exceptions import DecodeError

from tmdb_assets.client.body import BodyTooLargeError, read, unpack

MOST = 1 << 20
TEXT = b'{"id":550,"title":"Fight Club"}' * 100


def response(data: bytes, encoding: str = "") -> HTTPResponse:
    headers = {"Content-Encoding": encoding} if encoding else {}
    return HTTPResponse(body=io.BytesIO(data), headers=headers, preload_content=False)


@given(text=st.binary(max_size=300), level=st.integers(0, 9))
def test_what_was_packed_comes_out_as_it_went_in(text: bytes, level: int) -> None:
    assert unpack(gzip.compress(text, level), MOST) == text


@given(texts=st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_members_follow_each_other(texts: list[bytes]) -> None:
    assert unpack(b"".join(map(gzip.compress, texts)), MOST) == b"".join(texts)


@given(cut=st.integers(1, len(gzip.compress(TEXT)) - 1))
def test_a_stream_that_ends_early_is_no_body(cut: int) -> None:
    with pytest.raises(DecodeError):
        unpack(gzip.compress(TEXT)[:-cut], MOST)


@given(place=st.integers(0, len(gzip.compress(TEXT)) - 1), change=st.integers(1, 255))
def test_a_changed_byte_never_changes_the_text_unnoticed(place: int, change: int) -> None:
    """A header has bytes that say nothing of the text; all others are covered by the CRC."""
    packed = bytearray(gzip.compress(TEXT))
    packed[place] ^= change
    try:
        text = unpack(bytes(packed), MOST)
    except (DecodeError, BodyTooLargeError):
        return
    assert text == TEXT


def test_what_follows_the_stream_is_not_read_over() -> None:
    with pytest.raises(DecodeError, match="broken gzip"):
        unpack(gzip.compress(TEXT) + b"and more", MOST)


@pytest.mark.parametrize(("most", "is_too_large"), [(len(TEXT), False), (len(TEXT) - 1, True)])
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP ", "x-gzip"])
def test_a_body_may_have_the_very_size_that_is_allowed(
    encoding: str, most: int, *, is_too_large: bool
) -> None:
    data = gzip.compress(TEXT) if "gzip" in encoding.lower() else TEXT
    if is_too_large:
        with pytest.raises(BodyTooLargeError):
            read(response(data, encoding), most)
    else:
        assert read(response(data, encoding), most) == TEXT


def test_a_packed_body_is_bounded_before_it_is_unpacked() -> None:
    with pytest.raises(BodyTooLargeError):
        read(response(b"\0" * 101, "gzip"), 100)


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "?"])
def test_a_packing_that_nobody_asked_for_is_not_guessed_at(encoding: str) -> None:
    with pytest.raises(DecodeError, match="not asked for"):
        read(response(zlib.compress(TEXT), encoding), MOST)


def test_nothing_is_nothing_also_when_it_is_said_to_be_packed() -> None:
    assert read(response(b"", "gzip"), MOST) == b""

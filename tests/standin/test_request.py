from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.request import Request, read_request


def request(query: str = "", **headers: str) -> Request:
    return read_request(
        {
            "method": "GET",
            "path": "/3/search/movie",
            "raw_path": b"/3/search/movie",
            "query_string": query.encode(),
            "scheme": "http",
            "server": ("127.0.0.1", 8731),
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
        }
    )


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_key_is_in_nothing_that_is_kept(key: str) -> None:
    read = request(f"query=x&api_key={key}&page=2")

    assert read.secrets == (key,)
    assert (read.query, read.url) == ("query=x&page=2", "/3/search/movie?query=x&page=2")
    assert key not in repr(read)


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "api%5Fkey", "session_id", "access_token"])
def test_a_credential_is_known_however_it_is_written(name: str) -> None:
    assert request(f"{name}=secret&page=2").url == "/3/search/movie?page=2"


def test_a_bearer_token_is_a_secret() -> None:
    assert request(authorization="Bearer abc").secrets == ("abc",)
    assert request(authorization="Basic abc").secrets == ()
    assert request(authorization="abc").secrets == ()


@given(st.text())
def test_a_query_comes_through_as_it_was_sent(value: str) -> None:
    query = f"query={quote(value)}&with_genres=1%2C2"

    assert request(query).query == query


def test_the_misbehaviour_asked_for_is_no_part_of_the_query() -> None:
    read = request("page=2&stand_in=503")

    assert (read.kind, read.query) == ("503", "page=2")
    assert read.url == "/3/search/movie?page=2&stand_in=503"


def test_gzip_is_noticed() -> None:
    assert request(accept_encoding="gzip, deflate").accepts_gzip
    assert not request(accept_encoding="identity").accepts_gzip

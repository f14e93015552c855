import re
from collections import Counter
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.rejection import RejectedLineError
from tmdb_assets.urls import (
    CREDENTIAL_PARAMETERS,
    Canonical,
    canonical,
    canonical_origin,
    file_name,
    is_loopback,
    is_tmdb,
    key,
    origin_of,
    target,
)

TMDB = "https://api.themoviedb.org"
ORIGINS = (TMDB, "http://127.0.0.1:8000", "http://[::1]:8000")

segments = st.text("abcXYZ019-_~.,:@!$'()*+; é雨", min_size=1, max_size=8).filter(
    lambda text: text not in {".", ".."}
)
words = st.text('aZ09-_.~,:|/?=&+% é雨"', max_size=8)
pairs = st.lists(st.tuples(words.filter(bool), words), max_size=5)
paths = st.lists(segments, min_size=1, max_size=4)


def joined(parts: list[str], parameters: list[tuple[str, str]]) -> str:
    path = "/".join(quote(part, safe="") for part in parts)
    query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters
    )
    return f"/3/{path}?{query}"


def url(line: str) -> str:
    return canonical(line, ORIGINS).url


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("https://api.themoviedb.org/3/movie/550", "/3/movie/550"),
        ("https://api.themoviedb.org/4/list/1", "/4/list/1"),
        ("/3/movie/550", "/3/movie/550"),
        ("/movie/550", "/3/movie/550"),
        ("/4/list/1", "/4/list/1"),
        (" \t/movie/550\r\n", "/3/movie/550"),
        ("HTTPS://API.TheMovieDB.org:443/3/movie/550", "/3/movie/550"),
        ("https://api.themoviedb.org./3/movie/550", "/3/movie/550"),
        ("/3/movie/550/", "/3/movie/550"),
        ("/3/movie/550#cast", "/3/movie/550"),
        ("/3/movie/550?", "/3/movie/550"),
        ("/3/movie/550?&&", "/3/movie/550"),
        ("/3/movie/550?=", "/3/movie/550"),
        ("/3/movie/550?b=2&a=1&a=0", "/3/movie/550?a=1&a=0&b=2"),
        ("https://api.themoviedb.org/3/x?a-b=1&a=1", "/3/x?a=1&a-b=1"),
        ("https://api.themoviedb.org/3/x?a=2&a=1", "/3/x?a=2&a=1"),
        ("/3/movie/550?a", "/3/movie/550?a="),
        ("/3/movie/550?append_to_response=credits%2cvideos", "?append_to_response=credits,videos"),
        ("/3/search/movie?query=star+wars", "/3/search/movie?query=star%20wars"),
        ("/3/search/movie?query=star%20wars", "/3/search/movie?query=star%20wars"),
        ("/3/search/movie?query=1%2B1", "/3/search/movie?query=1%2B1"),
        ("/3/search/movie?query=am%c3%a9lie", "/3/search/movie?query=am%C3%A9lie"),
        ("/3/search/movie?query=amélie", "/3/search/movie?query=am%C3%A9lie"),
        ("/3/search/movie?query=%ff%7E", "/3/search/movie?query=%FF~"),
        ("/3/discover/movie?with_genres=28|12", "/3/discover/movie?with_genres=28%7C12"),
        ("/3/%6dovie/550", "/3/movie/550"),
        ("/%33/movie/550", "/3/movie/550"),
    ],
)
def test_a_line_becomes_the_one_spelling_of_its_url(line: str, expected: str) -> None:
    assert url(line).endswith(expected)
    assert url(line).startswith(f"{TMDB}/")


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_allowed_origin_is_accepted(origin: str) -> None:
    assert url(f"{origin}/3/movie/550") == f"{origin}/3/movie/550"


@pytest.mark.parametrize("name", [*CREDENTIAL_PARAMETERS, "API_Key", "api%5Fkey", "%61pi_key"])
def test_a_credential_is_removed_and_noted(name: str) -> None:
    found = canonical(f"/3/movie/550?language=en&{name}=SECRET", ORIGINS)

    assert found == Canonical(f"{TMDB}/3/movie/550?language=en", had_credential=True)


@pytest.mark.parametrize("path", ["guest_session/abc/rated/movies", "Guest_Session/abc"])
def test_a_session_in_the_path_is_rejected_without_its_text(path: str) -> None:
    with pytest.raises(RejectedLineError, match="a credential inside the path") as caught:
        canonical(f"/3/{path}", ORIGINS)

    assert "abc" not in str(caught.value)


def test_an_empty_credential_is_removed_without_a_note() -> None:
    assert canonical("/3/movie/550?api_key=", ORIGINS) == (f"{TMDB}/3/movie/550", False)


@given(parts=paths, parameters=pairs)
def test_the_canonical_form_is_its_own_canonical_form(
    parts: list[str], parameters: list[tuple[str, str]]
) -> None:
    found = url(joined(parts, parameters))

    assert canonical(found, ORIGINS) == Canonical(found, had_credential=False)


@given(st.text("/34%.:?#&=+abAB2eEfF5cC\\ é\"'<@-_,", max_size=30), st.booleans())
def test_whatever_is_accepted_is_canonical_and_plain(text: str, absolute: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    try:
        found = url(f"{TMDB}/3/{text}" if absolute else f"/{text}")
    except RejectedLineError:
        return

    assert url(found) == found
    assert re.fullmatch(r"https://api\.themoviedb\.org/[34]/[\w.~,:%/?&=-]+", found, re.ASCII)
    assert not re.search(r"//|/\.{1,2}(?:/|$)|#|/$|%(?![0-9A-F]{2})", found[len("https://") :])


@given(
    parts=paths,
    parameters=pairs,
    name=st.sampled_from(sorted(CREDENTIAL_PARAMETERS)),
    at=st.integers(0, 5),
    upper=st.sets(st.integers(0, 20)),
)
def test_a_canonical_url_never_holds_a_credential(
    parts: list[str], parameters: list[tuple[str, str]], name: str, at: int, upper: set[int]
) -> None:
    spelled = "".join(c.upper() if i in upper else c for i, c in enumerate(name))
    line = joined(parts, [*parameters[:at], (spelled, "sEcReT0123"), *parameters[at:]])

    found = canonical(line, ORIGINS)

    assert found.had_credential
    assert "sEcReT0123" not in found.url
    assert found.url == url(joined(parts, parameters))


@given(parts=paths, parameters=st.dictionaries(words.filter(bool), words), data=st.data())
def test_spelling_does_not_matter(
    parts: list[str], parameters: dict[str, str], data: st.DataObject
) -> None:
    other = data.draw(st.permutations(list(parameters.items())))
    line = joined(parts, other)
    # every plain letter may also stand as an escape
    escaped = re.sub(
        r"(?<![%A-F0-9])[a-z](?=[^%]*$)",
        lambda hit: quoted(hit[0]) if data.draw(st.booleans()) else hit[0],
        line,
    )
    start = data.draw(st.sampled_from(["", TMDB, "https://API.themoviedb.ORG", f"{TMDB}:443"]))

    assert url(start + escaped) == url(joined(parts, list(parameters.items())))


def quoted(character: str) -> str:
    return f"%{ord(character):02x}"


@given(parts=paths, parameters=pairs)
def test_file_names_are_plain_and_stable(
    parts: list[str], parameters: list[tuple[str, str]]
) -> None:
    found = url(joined(parts, parameters))

    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,59}-[0-9a-f]{12}", file_name(found))
    assert target(found).name == file_name(url(found))
    assert target(found).url == found


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("/3/movie/550", "movie-550-"),
        ("/4/list/1", "v4-list-1-"),
        ("/3/tv/1399/season/1/episode/1?language=de", "tv-1399-season-1-episode-1-"),
        ("/3/Movie/550-Fight_Club", "movie-550-fight-club-"),
        ("/3/find/%E9%9B%A8", "find-"),
        ("/3/%E9%9B%A8", "url-"),
        ("/3/keyword/" + "x" * 99, "keyword-" + "x" * 52 + "-"),
    ],
)
def test_a_file_name_starts_with_the_readable_path(line: str, start: str) -> None:
    assert re.fullmatch(re.escape(start) + "[0-9a-f]{12}", file_name(url(line)))


def test_urls_that_differ_only_by_case_or_query_have_names_of_their_own() -> None:
    lines = [
        f"{path}?{name}={value}"
        for path in ("/3/movie/550", "/3/Movie/550", "/3/movie/550-a", "/3/movie-550/a")
        for name in ("language", "Language")
        for value in ("en", "EN", "en-US", "en_US", "")
    ]

    names = Counter(file_name(url(line)).lower() for line in lines)

    assert len(names) == len(lines)


def test_the_key_is_the_start_of_the_digest_in_the_name() -> None:
    found = url("/3/movie/550")

    assert len(key(found)) == 16
    assert file_name(found) == f"movie-550-{key(found).hex()[:12]}"


@pytest.mark.parametrize(
    ("origin", "loopback", "tmdb"),
    [
        (TMDB, False, True),
        ("https://api.tmdb.org:8443", False, True),
        ("http://127.0.0.1", True, False),
        ("http://127.9.9.9:8000", True, False),
        ("http://[::1]:8000", True, False),
        ("http://localhost:8000", True, False),
        ("http://127.0.0.1.nip.io", False, False),
        ("http://10.0.0.1", False, False),
        ("https://localhost.example.com", False, False),
    ],
)
def test_origins_are_told_apart(origin: str, *, loopback: bool, tmdb: bool) -> None:
    assert is_loopback(origin) is loopback
    assert is_tmdb(origin) is tmdb
    assert origin_of(f"{origin}/3/movie/550") == origin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPS://Api.TheMovieDb.org.:0443", TMDB),
        ("http://localhost:80", "http://localhost"),
        ("http://[0:0::1]:8000", "http://[::1]:8000"),
        ("https://tmdb_proxy:", "https://tmdb_proxy"),
    ],
)
def test_an_origin_has_one_spelling(text: str, expected: str) -> None:
    assert canonical_origin(text) == expected
    assert canonical_origin(expected) == expected


def test_on_a_stand_in_urls_of_tmdb_are_frozen_with_the_origin_of_the_stand_in() -> None:
    stand_in = "http://127.0.0.1:8731"

    assert canonical("https://api.themoviedb.org/3/movie/550", [stand_in]).url == (
        f"{stand_in}/3/movie/550"
    )


def test_without_a_stand_in_urls_of_tmdb_need_to_be_allowed() -> None:
    with pytest.raises(RejectedLineError):
        canonical("https://api.themoviedb.org/3/movie/550", ["https://mirror.example.org"])

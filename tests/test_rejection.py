import pytest

from tmdb_assets.rejection import RejectedLineError
from tmdb_assets.urls import canonical

TMDB = "https://api.themoviedb.org"
ORIGINS = (TMDB, "http://127.0.0.1:8000", "http://[::1]:8000")


@pytest.mark.parametrize(
    ("line", "reason", "remedy"),
    [
        ("https://example.com/3/movie/550", "the host 'example.com' is not", "ALLOWED_ORIGINS"),
        ("https://api.themoviedb.org.evil.com/3/movie/1", "is not allowed", "remove the line"),
        ("https://api.themoviedb.org\u3002evil/3/movie/1", "no valid host", "write https"),
        ("http://api.themoviedb.org/3/movie/550", "the origin 'http://api", f"write {TMDB}"),
        ("https://api.themoviedb.org:8443/3/movie/1", "origin 'https://api", f"write {TMDB}"),
        ("https://127.0.0.1/3/movie/1", "is not allowed", "write http://127.0.0.1:8000"),
        ("https://api.themoviedb.org:99999/3/movie/1", "no valid host", "write https"),
        ("https:///3/movie/550", "no valid host", "write https"),
        ("https://[::1/3/movie/550", "no valid host", "write https"),
        ("https://[1:2]/3/movie/550", "no valid host", "write https"),
        ("ftp://api.themoviedb.org/3/movie/550", "the scheme 'ftp'", "write https://"),
        ("file:///3/movie/550", "the scheme 'file'", "write https://"),
        ("https://me:pw@api.themoviedb.org/3/movie/1", "a user name", "remove all up to"),
        ("//api.themoviedb.org/3/movie/550", "without a scheme", "write https:"),
        ("api.themoviedb.org/3/movie/550", "without a scheme", "write https://"),
        ("movie/550", "not a URL", "start it with https://"),
        ("url", "not a URL", "start it with https://"),
        ("550", "not a URL", "start it with https://"),
        ("?language=en", "not a URL", "start it with https://"),
        ("", "not a URL", "start it with https://"),
        ('"https://api.themoviedb.org/3/movie/550"', "a quoted line", "without quotes"),
        ("<https://api.themoviedb.org/3/movie/550>", "a quoted line", "without quotes"),
        ("/3/movie\\550", "a backslash", "write /"),
        ("/3/movie/\x00550", "control character", "anew"),
        ("/3/movie/\u200b550", "an invisible", "anew"),
        ("/3/movie/\ud800550", "control character", "anew"),
        ("/3/movie/550%0a", "an encoded control character", "remove it"),
        ("/3/search?query=star wars", "white space", "%20"),
        ("/3/movie/550\t/3/movie/551", "white space", "one URL a line"),
        ("/3/movie/" + "5" * 1992, "longer than 2,000 characters", "less"),
        ("/3/movie/" + "é" * 400, "longer than 2,000 characters", "less"),
        ("/3/movie/../550", "a . or ..", "write the path out"),
        ("/3/movie/%2E%2e/550", "a . or ..", "write the path out"),
        ("/3/./550", "a . or ..", "write the path out"),
        ("/3/movie%2f550", "an encoded slash", "plainly"),
        ("/3/movie%5C550", "an encoded slash, backslash", "plainly"),
        ("/3/movie%3Fapi_key=1", "? or #", "plainly"),
        ("/3/movie//550", "an empty part", "remove it"),
        ("/3/movie/550//", "an empty part", "remove it"),
        ("/3/movie/%zz", "a % without two hex digits", "%25"),
        ("/3/movie/550?a=100%", "a % without two hex digits", "%25"),
        ("https://api.themoviedb.org/movie/550", "not under /3/ or /4/", "/3/movie/550"),
        ("https://api.themoviedb.org", "not under /3/ or /4/", "/3/movie/550"),
        ("https://api.themoviedb.org/30/movie", "not under /3/ or /4/", "/3/movie/550"),
        ("/5/movie/550", "not under /3/ or /4/", "/3/movie/550"),
        ("/", "not under /3/ or /4/", "/3/movie/550"),
        ("/3/", "nothing after /3/", "say what to fetch"),
        ("/3", "nothing after /3/", "say what to fetch"),
        ("https://api.themoviedb.org/4/?a=1", "nothing after /4/", "say what to fetch"),
        ("/3/movie/{movie_id}", "in the path", "fill in placeholders"),
        ("/3/movie/550&api_key=1", "in the path", "put ? before parameters"),
        ("/3/movie/550?language=en?api_key=1", "a credential inside", "separated by &"),
        ("/3/movie/550?u=%2Fx%253FAPI_KEY%253D1", "a credential inside", "separated by &"),
        ("/3/movie/550?api_key[]=1", "a credential inside", "separated by &"),
        ("https://api.themoviedb.org/3/x?a=1&my_api_key=1", "a credential inside", "by &"),
    ],
)
def test_a_bad_line_is_rejected_with_reason_and_remedy(line: str, reason: str, remedy: str) -> None:
    with pytest.raises(RejectedLineError) as caught:
        canonical(line, ORIGINS)

    assert reason in caught.value.reason
    assert remedy in caught.value.remedy
    assert str(caught.value) == f"{caught.value.reason}: {caught.value.remedy}"


@pytest.mark.parametrize(
    "start",
    [
        "https://example.com/3/x?api_key=",
        "http://api.themoviedb.org/3/x?api_key=",
        "movie/550?api_key=",
        "/3/movie//550?api_key=",
        "/3/movie/%zz?api_key=",
        "/3/x?b=?api_key=",
        "/3/x y?api_key=",
        "/3/movie/550&api_key=",
        "ftp://x/3/x?api_key=",
        "https://",
    ],
)
def test_a_rejection_never_shows_a_credential(start: str) -> None:
    with pytest.raises(RejectedLineError) as caught:
        canonical(f"{start}SECRET@x", ORIGINS)

    assert "secret" not in f"{caught.value!r} {caught.value}".lower()

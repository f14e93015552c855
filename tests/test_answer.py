import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.answer import MAX_DEPTH, NotAnAnswerError, check_asked, parse

ORIGIN = "https://api.themoviedb.org"


def nested(depth: int) -> bytes:
    return b'{"id":1,"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@given(
    document=st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_an_object_is_what_it_was(document: dict[str, object]) -> None:
    assert parse(json.dumps(document).encode()) == document


@given(cut=st.integers(1, 60))
def test_an_object_that_is_cut_anywhere_is_none(cut: int) -> None:
    body = b'{"id":550,"title":"Fight Club","genres":[{"id":18}],"adult":false}'

    with pytest.raises(NotAnAnswerError):
        parse(body[:-cut])


@pytest.mark.parametrize(("depth", "is_deep"), [(MAX_DEPTH, False), (MAX_DEPTH + 1, True)])
def test_nesting_has_a_bound(depth: int, *, is_deep: bool) -> None:
    if is_deep:
        with pytest.raises(NotAnAnswerError, match="nested too deeply"):
            parse(nested(depth))
    else:
        assert parse(nested(depth))


@pytest.mark.parametrize("depth", [5_000, 200_000])
def test_nesting_that_no_parser_follows_is_too_deep_as_well(depth: int) -> None:
    with pytest.raises(NotAnAnswerError, match="nested too deeply"):
        parse(nested(depth))


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "empty body"),
        (b" \n", "empty body"),
        (b"<html>", "HTML instead of JSON"),
        (b'{"a":NaN}', "invalid JSON"),
        (b'{"a":"\xff"}', "invalid JSON"),
        (b'\xef\xbb\xbf{"a":1}', "invalid JSON"),
        (b'{"a":1}{"a":1}', "invalid JSON"),
        (b"550", "JSON that is no TMDB answer"),
        (b"null", "JSON that is no TMDB answer"),
    ],
)
def test_what_is_no_answer_is_named_without_its_data(body: bytes, what: str) -> None:
    with pytest.raises(NotAnAnswerError) as caught:
        parse(body)

    assert str(caught.value) == what


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/3/movie/550", {"id": 550}),
        ("/3/movie/550?language=en", {"id": 550}),
        ("/3/movie/00550", {"id": 550}),
        ("/3/movie/tt0137523", {"id": 550}),  # an IMDb id is answered with TMDB's own
        ("/3/movie/550/credits", {"id": 550}),
        ("/3/tv/1399/season/1", {"id": 3624}),
        ("/3/tv/1399/season/1/images", {"id": 3624}),
        ("/3/company/1/movies", {"id": "1"}),
        ("/3/discover/movie", {"page": 1}),
        ("/3/configuration", {"images": {}}),
        ("/3/configuration/countries", []),
    ],
)
def test_an_answer_to_what_was_asked_passes(path: str, document: object) -> None:
    check_asked(document, f"{ORIGIN}{path}")


@pytest.mark.parametrize(
    "path", ["movie", "tv", "person", "collection", "company", "network", "keyword"]
)
@pytest.mark.parametrize("document", [{"id": 551}, {"id": "550"}, {"id": None}, {}])
def test_details_of_something_else_are_no_answer(path: str, document: object) -> None:
    with pytest.raises(NotAnAnswerError, match="another id"):
        check_asked(document, f"{ORIGIN}/3/{path}/550?language=en")


@pytest.mark.parametrize("path", ["/3/movie/550", "/3/movie/550/credits", "/3/discover/movie"])
def test_a_list_comes_only_where_lists_come(path: str) -> None:
    with pytest.raises(NotAnAnswerError, match="a list instead of an object"):
        check_asked([], f"{ORIGIN}{path}")

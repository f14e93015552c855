import gzip
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.parts import PARTS
from tmdb_assets.standin.sample import sample_lines

KINDS = ("movie", "tv", "person", "collection", "company", "network", "keyword")
NOT_FOUND = {
    "success": False,
    "status_code": 34,
    "status_message": "The resource you requested could not be found.",
}

# what is called with the very arguments a second time would come from the cache of answers
fresh: Callable[[str, str], Answer] = answer_to.__wrapped__


def present(number: int) -> int:
    return number + (number % 37 == 0)


def value_of(path: str, query: str = "") -> dict[str, object]:
    answer = answer_to(path, query)
    assert answer.status == 200, answer.body
    value = json.loads(answer.body)
    assert isinstance(value, dict)
    return value


def message_of(path: str, query: str = "") -> tuple[int, object]:
    answer = answer_to(path, query)
    return answer.status, json.loads(answer.body)["status_code"]


@given(st.sampled_from(KINDS), st.integers(1, 10**8).map(present))
def test_an_object_carries_the_id_that_was_asked_for(kind: str, number: int) -> None:
    assert value_of(f"/3/{kind}/{number}")["id"] == number


@given(
    st.sampled_from([(kind, name) for kind in KINDS for name in PARTS[kind]]),
    st.integers(1, 10**6).map(present),
)
def test_a_part_carries_the_id_of_its_object_but_for_three(
    part: tuple[str, str], number: int
) -> None:
    kind, name = part

    found = value_of(f"/3/{kind}/{number}/{name}")

    if name in {"changes", "recommendations", "similar"}:
        assert "id" not in found
    else:
        assert found["id"] == number


@given(st.sampled_from(KINDS), st.integers(0, 10**6))
def test_an_answer_is_made_the_same_way_every_time(kind: str, number: int) -> None:
    path = f"/3/{kind}/{number}"

    assert fresh(path, "language=de-DE") == fresh(path, "language=de-DE")


@given(st.text(), st.text())
def test_any_path_and_query_have_an_answer_in_json(path: str, query: str) -> None:
    answer = fresh(f"/3/{path}", query)

    assert answer.status in {200, 400, 404}
    json.loads(answer.body)


@given(st.sampled_from(KINDS), st.integers(0, 10**6).map(lambda number: number * 37))
def test_every_37th_id_is_absent(kind: str, number: int) -> None:
    answer = answer_to(f"/3/{kind}/{number}", "")

    assert answer.status == 404
    assert json.loads(answer.body) == NOT_FOUND


@pytest.mark.parametrize(
    "path",
    [
        "/3/movie/0",
        "/3/movie/abc",
        "/3/movie/-5",
        "/3/movie/٣",
        "/3/movie/12345678901234567890",
        "/3/movie/550/no_such_part",
        "/3/movie/74/credits",
        "/3/tv/1/season/99",
        "/3/tv/1/season/1/episode/99",
        "/3/nonsense/1",
        "/3/",
        "/4/nonsense",
        "/5/movie/550",
        "/",
    ],
)
def test_what_does_not_exist_is_a_404_with_code_34(path: str) -> None:
    assert message_of(path) == (404, 34)


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from hashlib import sha256; from tmdb_assets.standin.bodies import answer_to;"
        "print(sha256(answer_to('/3/movie/550', 'append_to_response=credits').body).hexdigest())"
    )

    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    here = answer_to("/3/movie/550", "append_to_response=credits").body
    assert there.strip() == sha256(here).hexdigest()


def test_details_have_the_size_of_real_ones_and_letters_beyond_ascii() -> None:
    bodies = [
        answer.body
        for line in sample_lines()
        if line.count("/") == 2 and (answer := answer_to(f"/3{line}", "")).status == 200
    ]

    assert min(map(len, bodies)) > 1000
    assert 1500 < statistics.fmean(map(len, bodies)) < 4000
    assert max(map(len, bodies)) < 6000
    assert sum(not body.isascii() for body in bodies) > 0.9 * len(bodies)


def test_credits_have_the_size_of_real_ones() -> None:
    sizes = [len(answer_to(f"/3/movie/{number}/credits", "").body) for number in range(1, 37)]

    assert min(sizes) > 5000
    assert max(sizes) < 22_000


def test_a_film_has_the_fields_of_a_film() -> None:
    film = value_of("/3/movie/550")

    assert {
        "adult", "backdrop_path", "belongs_to_collection", "budget", "genres", "homepage", "id",
        "imdb_id", "original_language", "original_title", "overview", "popularity", "poster_path",
        "production_companies", "production_countries", "release_date", "revenue", "runtime",
        "spoken_languages", "status", "tagline", "title", "video", "vote_average", "vote_count",
    } == set(film)  # fmt: skip


def test_parts_are_merged_under_their_names_without_an_id() -> None:
    film = value_of("/3/movie/550", "append_to_response=credits,watch/providers,nonsense,images")
    credits_alone = value_of("/3/movie/550/credits")

    assert {"credits", "watch/providers", "images"} <= set(film)
    assert "nonsense" not in film
    assert film["credits"] == {name: value for name, value in credits_alone.items() if name != "id"}
    assert film["id"] == 550


def test_seasons_can_be_appended_to_a_series() -> None:
    series = value_of("/3/tv/1399", "append_to_response=season/1,credits")

    assert series["season/1"] == value_of("/3/tv/1399/season/1")


def test_twenty_parts_may_be_appended_and_not_one_more() -> None:
    twenty = ",".join(["credits"] * 20)

    assert answer_to("/3/movie/550", f"append_to_response={twenty}").status == 200
    assert message_of("/3/movie/550", f"append_to_response={twenty},images") == (400, 27)


def test_a_film_can_be_asked_for_by_its_imdb_id() -> None:
    film = value_of("/3/movie/tt0000550")

    assert (film["id"], film["imdb_id"]) == (550, "tt0000550")
    assert value_of("/3/movie/tt0000550/credits") == value_of("/3/movie/550/credits")
    assert message_of("/3/movie/tt0000037") == (404, 34)


def test_a_language_marks_the_texts_and_leaves_the_facts() -> None:
    plain, german = value_of("/3/movie/550"), value_of("/3/movie/550", "language=de-DE")

    assert german["title"] == f"[de-DE] {plain['title']}"
    assert german["runtime"] == plain["runtime"]


@pytest.mark.parametrize(
    "path",
    [
        "/3/movie/popular",
        "/3/tv/top_rated",
        "/3/person/popular",
        "/3/discover/movie",
        "/3/discover/tv",
        "/3/search/movie",
        "/3/search/multi",
        "/3/trending/all/week",
        "/3/trending/person/day",
        "/3/movie/changes",
        "/3/movie/550/similar",
    ],
)
def test_list_endpoints_have_pages(path: str) -> None:
    page = value_of(path, "query=x&page=1")

    assert page["page"] == 1
    assert isinstance(page["results"], list)
    assert page["results"]
    assert {"total_pages", "total_results"} <= set(page)


def test_pages_differ_and_end() -> None:
    first = value_of("/3/search/movie", "query=x&page=1")
    last = value_of("/3/search/movie", "query=x&page=500")

    assert first["results"] != value_of("/3/search/movie", "page=2&query=x")["results"]
    assert value_of("/3/search/movie", "page=1&query=x") == first
    assert last["results"] == []


@pytest.mark.parametrize("page", ["0", "501", "-1", "x", "", "99999999999999999999"])
def test_a_page_out_of_bounds_is_error_22(page: str) -> None:
    assert message_of("/3/movie/popular", f"page={page}") == (400, 22)


@pytest.mark.parametrize(
    "path",
    [
        "/3/configuration",
        "/3/configuration/countries",
        "/3/configuration/jobs",
        "/3/configuration/languages",
        "/3/configuration/primary_translations",
        "/3/configuration/timezones",
        "/3/genre/movie/list",
        "/3/genre/tv/list",
        "/3/certification/movie/list",
        "/3/watch/providers/movie",
        "/3/watch/providers/regions",
        "/3/find/tt0000550",
        "/3/movie/latest",
        "/3/credit/52fe424ac3a36847f8012d01",
        "/3/review/52fe424ac3a36847f8012d01",
        "/3/tv/1399/season/1",
        "/3/tv/1399/season/0/credits",
        "/3/tv/1399/season/1/episode/2",
        "/3/tv/1399/season/1/episode/2/images",
        "/3/moved/movie/550",
        "/4/list/5",
    ],
)
def test_other_endpoints_have_an_answer(path: str) -> None:
    assert answer_to(path, "").status == 200


def test_a_list_and_the_details_agree_on_a_title() -> None:
    results = value_of("/3/movie/popular")["results"]
    assert isinstance(results, list)
    item = results[0]

    assert value_of(f"/3/movie/{item['id']}")["title"] == item["title"]


def test_an_answer_has_the_headers_of_tmdb_and_a_body_in_gzip() -> None:
    answer = answer_to("/3/movie/550", "")
    headers = dict(answer.headers)

    assert headers[b"content-type"] == b"application/json;charset=utf-8"
    assert headers[b"cache-control"] == b"public, max-age=28800"
    assert headers[b"vary"] == b"accept-encoding"
    assert headers[b"etag"].startswith(b'W/"')
    assert len(headers[b"etag"]) == 36
    assert answer.packed is not None
    assert gzip.decompress(answer.packed) == answer.body


def test_a_small_body_stays_uncompressed() -> None:
    assert answer_to("/3/keyword/1", "").packed is None

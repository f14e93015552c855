import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.parts import PARTS

DETAILS = {
    "movie": "/3/movie/550",
    "tv": "/3/tv/1399",
    "person": "/3/person/287",
    "season": "/3/tv/1399/season/2",
    "episode": "/3/tv/1399/season/2/episode/3",
}
ALL_PARTS = [(kind, name) for kind in DETAILS for name in PARTS[kind]]
LANGUAGES = (
    "",
    "language=de",
    "language=de-DE",
    "language=fr-FR&include_image_language=en,null",
    "include_image_language=null&include_video_language=de,null",
    "language=de-DE&include_video_language=fr",
)


def value_of(path: str, query: str = "") -> dict[str, Any]:
    answer = answer_to(path, query)
    assert answer.status == 200, answer.body
    value = json.loads(answer.body)
    assert isinstance(value, dict)
    return value


def spoken(value: dict[str, Any], *names: str) -> set[str | None]:
    return {one["iso_639_1"] for name in names for one in value[name]}


@pytest.mark.parametrize(("kind", "name"), ALL_PARTS)
@pytest.mark.parametrize("query", LANGUAGES)
def test_a_part_is_the_same_appended_and_alone_but_for_its_id(
    kind: str, name: str, query: str
) -> None:
    path = DETAILS[kind]
    whole = value_of(path, f"append_to_response={name}&{query}")
    alone = value_of(f"{path}/{name}", query)

    number = alone.pop("id", None)
    appended = whole[name]
    if (kind, name) == ("person", "tagged_images"):
        assert appended.pop("id") == number
    assert appended == alone


@pytest.mark.parametrize("kind", ["season", "episode"])
def test_parts_of_seasons_and_episodes_have_the_id_of_these(kind: str) -> None:
    path = DETAILS[kind]

    assert value_of(f"{path}/credits")["id"] == value_of(path)["id"] != 1399
    assert "id" not in value_of(path, "append_to_response=credits")["credits"]


@pytest.mark.parametrize("kind", ["movie", "tv", "person"])
def test_what_changed_on_an_object_has_no_id(kind: str) -> None:
    assert value_of(f"{DETAILS[kind]}/changes") == {"changes": []}


def test_images_are_of_the_language_alone_unless_more_are_included() -> None:
    names = ("backdrops", "logos", "posters")
    path = "/3/movie/551/images"

    assert spoken(value_of(path), *names) == {None, "en", "de", "fr"}
    assert spoken(value_of(path, "language=de-DE"), *names) == {"de"}
    more = value_of(path, "language=de-DE&include_image_language=en,null")
    assert spoken(more, *names) == {None, "en", "de"}
    assert spoken(value_of(path, "include_image_language=fr"), *names) == {"fr"}
    assert spoken(value_of(path, "language=cs"), *names) == set()


def test_videos_are_english_unless_another_language_is_asked_for() -> None:
    path = "/3/movie/6/videos"
    every = "include_video_language=de,fr,null"

    assert spoken(value_of(path), "results") == {"en"}
    assert spoken(value_of(path, "language=de-DE"), "results") == {"de"}
    assert spoken(value_of(path, every), "results") == {None, "en", "de", "fr"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/3/person/287/images", "profiles"),
        ("/3/tv/1399/season/1/episode/1/images", "stills"),
        ("/3/company/1/images", "logos"),
    ],
)
def test_portraits_stills_and_logos_belong_to_no_language(path: str, name: str) -> None:
    plain = value_of(path)

    assert spoken(plain, name) == {None}
    assert value_of(path, "language=en") == plain


@given(st.integers(1, 36))
def test_reviews_and_lists_have_pages_and_an_id(number: int) -> None:
    for name in ("reviews", "lists"):
        found = value_of(f"/3/movie/{number}/{name}")
        assert (found["id"], found["page"], found["total_pages"]) == (number, 1, 1)
        assert found["total_results"] == len(found["results"])


def test_a_network_of_a_series_is_shorter_than_its_own_details() -> None:
    short = value_of("/3/tv/1399")["networks"][0]
    whole = value_of(f"/3/network/{short['id']}")

    assert set(short) == {"id", "logo_path", "name", "origin_country"}
    assert set(whole) - set(short) == {"headquarters", "homepage"}
    assert short.items() <= whole.items()


def test_credits_of_all_episodes_list_roles_and_jobs() -> None:
    found = value_of("/3/tv/1399/aggregate_credits")

    for people, name, what in (("cast", "roles", "character"), ("crew", "jobs", "job")):
        for one in found[people]:
            assert not {what, "credit_id", "cast_id"} & set(one)
            assert [set(credit) for credit in one[name]] == [{"credit_id", what, "episode_count"}]
            assert one["total_episode_count"] == one[name][0]["episode_count"]
    assert all(one["department"] for one in found["crew"])


def test_a_person_has_no_original_name_and_is_translated_as_a_biography() -> None:
    assert "original_name" not in value_of("/3/person/287")
    for one in value_of("/3/person/287/translations")["translations"]:
        assert set(one["data"]) == {"biography", "name", "primary"}

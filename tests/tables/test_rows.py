"""Bodies made rows: what fits is taken, nothing is dropped, nothing is raised."""

import json
import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.tables.rows import Odd, Row, row_of
from tmdb_assets.tables.schema import TABLES
from tmdb_assets.tables.shapes import ByKey, Inside, Many, Shape, Struct
from tmdb_assets.tables.values import decode

TYPED = ("movies", "tv", "people")
ROOM = 100_000


def row(table: str, body: Any, room: int = ROOM) -> Row:
    """Make a row as it is made of a file: through JSON text."""
    decoded = decode(text_of(body))
    return row_of(table, decoded.document, is_plain=decoded.is_plain, room=room)


def text_of(body: Any) -> bytes:
    return json.dumps(body).replace("Infinity", "1e999").encode()


# --- nothing is dropped ---------------------------------------------------------------------------


def restored(table: str, made: Row) -> Any:
    """Put the columns and `other_fields` together to the body again."""
    shapes = {column.key: column.shape for column in TABLES[table] if column.key}
    body = {key: unpacked(value, shapes[key]) for key, value in made.fields.items()}
    for place, value in json.loads(made.other_fields or "{}").items():
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in place.split("/"))
        holder: Any = body
        for step in steps:
            holder = holder[int(step)] if isinstance(holder, list) else holder_of(holder, step)
        if isinstance(holder, list):
            holder[int(last)] = value
        else:
            holder[last] = value
    return body


def holder_of(holder: dict[str, Any], step: str) -> Any:
    if holder.get(step) is None:
        holder[step] = {}
    return holder[step]


def unpacked(value: Any, shape: Shape) -> Any:
    if value is None:
        return None
    match shape:
        case Inside(name, inner):
            return {name: unpacked(value, inner)}
        case Many(item):
            return [unpacked(one, item) for one in value]
        case Struct(fields):
            shapes = dict(fields)
            return {name: unpacked(one, shapes[name]) for name, one in value.items()}
        case ByKey(item):
            return {name: unpacked(one, item) for name, one in value.items()}
    return value


def bare(value: Any) -> Any:
    """Leave out what is the same to a table: what is null, empty days, and objects of nothing."""
    match value:
        case dict():
            inner = {key: bare(one) for key, one in value.items()}
            return {key: one for key, one in inner.items() if one is not None} or None
        case list():
            return [bare(one) for one in value]
        case float() if not math.isfinite(value):
            return str(value)
        case "":
            return None
    return value


def known_names(shape: Shape) -> set[str]:
    match shape:
        case Struct(fields):
            return {name for name, _ in fields}.union(*(known_names(one) for _, one in fields))
        case Inside(name, inner):
            return {name} | known_names(inner)
        case Many(item) | ByKey(item):
            return known_names(item)
    return set()


def names_of(table: str) -> st.SearchStrategy[str]:
    known = {column.key for column in TABLES[table] if column.key}
    known |= set().union(*(known_names(column.shape) for column in TABLES[table]))
    strange = ("", "~", "/", "a/b", "~1", "url", "batch", "other_fields", "watch_providers", "ID")
    return st.sampled_from(sorted(known)) | st.sampled_from(strange) | st.text(max_size=3)


HALVES = st.sampled_from(["\ud800", "a\udfffb", "\ude00\ud83d"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400, 2**53 + 1])
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["", "1999-10-15", "1999-02-29", "1999-10-15T00:00:00.000Z", "x\0y", "😀"])
    | HALVES
)


def documents(names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=20,
    )


def later(shape: Shape) -> st.SearchStrategy[Any]:
    """Return the same as `like`, made when it is needed."""
    return st.deferred(lambda: like(shape))


@cache
def like(shape: Shape) -> st.SearchStrategy[Any]:
    """Return values that nearly have a shape: something is wrong here and there."""
    match shape:
        case Struct(fields):
            known = {name: later(one) for name, one in fields}
            good: Any = st.fixed_dictionaries({}, optional={**known, "new/field~": SCALARS})
        case Many(item):
            good = st.lists(later(item), max_size=3)
        case ByKey(item):
            good = st.dictionaries(st.sampled_from(["DE", "", "\ud800"]), like(item), max_size=2)
        case Inside(name, inner):
            good = st.fixed_dictionaries({}, optional={name: like(inner), "id": SCALARS})
        case _:
            good = SCALARS
    return st.one_of(good, good, good, SCALARS)


@cache
def bodies(table: str) -> st.SearchStrategy[Any]:
    columns = {column.key: like(column.shape) for column in TABLES[table] if column.key}
    near = st.sets(st.sampled_from(sorted(columns)), max_size=4).flatmap(
        lambda keys: st.fixed_dictionaries({key: columns[key] for key in sorted(keys)})
    )
    names = names_of(table)
    return near | st.dictionaries(names, documents(names), max_size=5)


CASES = st.sampled_from(TYPED).flatmap(lambda table: st.tuples(st.just(table), bodies(table)))
ROOMS = st.integers(0, 300) | st.just(ROOM)


@given(CASES, ROOMS)
def test_columns_and_other_fields_give_the_body_back(case: tuple[str, Any], room: int) -> None:
    table, body = case

    made = row(table, body, room)

    assert bare(restored(table, made)) == bare(json.loads(text_of(body)))
    assert (made.other_fields is None) <= (not made.odd)
    json.dumps(made.fields, ensure_ascii=False, allow_nan=False).encode()  # DuckDB can read it


@given(CASES, ROOMS)
def test_a_plain_body_makes_the_same_row_at_a_closer_look(case: tuple[str, Any], room: int) -> None:
    table, body = case
    decoded = decode(text_of(body))
    if decoded.is_plain:
        quick = row_of(table, decoded.document, is_plain=True, room=room)
        again = row_of(table, decoded.document, is_plain=True, room=room)  # its shapes are known

        assert quick == again == row_of(table, decoded.document, is_plain=False, room=room)


@given(CASES, ROOMS)
def test_places_take_no_more_than_their_room_and_the_names_of_the_body(
    case: tuple[str, Any], room: int
) -> None:
    table, body = case

    places = json.loads(row(table, body, room).other_fields or "{}").keys()

    inner = [place for place in places if "/" in place]
    assert sum(len(place) + 40 for place in inner[:-1]) <= room
    assert len(places) - len(inner) <= len(body)


@given(CASES, ROOMS)
def test_the_room_alters_neither_columns_nor_what_is_odd(case: tuple[str, Any], room: int) -> None:
    table, body = case

    narrow, wide = row(table, body, room), row(table, body)

    assert narrow.fields == wide.fields
    assert (narrow.odd, narrow.more_odd) == (wide.odd, wide.more_odd)
    assert narrow.weight == wide.weight


# --- what the stand-in answers has columns --------------------------------------------------------

PARTS = {
    "movies": (
        "/3/movie/550",
        (
            "alternative_titles,credits,external_ids,images,keywords,lists,recommendations,"
            "release_dates,reviews,similar,translations,videos,watch/providers"
        ),
    ),
    "tv": (
        "/3/tv/1399",
        (
            "alternative_titles,content_ratings,credits,episode_groups,external_ids,"
            "images,keywords,recommendations,reviews,screened_theatrically,similar,translations,videos,"
            "watch/providers"
        ),
    ),
    "people": (
        "/3/person/287",
        "combined_credits,external_ids,images,movie_credits,tagged_images,tv_credits",
    ),
}


@pytest.mark.parametrize("table", TYPED)
def test_whole_details_with_all_that_can_be_appended_are_columns(table: str) -> None:
    path, parts = PARTS[table]
    body = json.loads(answer_to(path, f"append_to_response={parts}").body)
    for name in ("networks", *(["original_name"] if table == "people" else [])):
        body.pop(name, None)  # the stand-in's have more than TMDB's

    made = row(table, body)

    assert made.odd == ()
    assert made.other_fields is None
    assert made.fields.keys() == body.keys()


def test_networks_and_credits_of_all_episodes_are_columns() -> None:
    person = {"id": 1, "name": "A", "gender": 0, "adult": False, "total_episode_count": 3}
    role = {"character": "B", "credit_id": "5", "episode_count": 3}
    job = {"job": "Writer", "credit_id": "6", "episode_count": 3}
    body = {
        "id": 1,
        "networks": [{"id": 2, "logo_path": None, "name": "C", "origin_country": "US"}],
        "aggregate_credits": {
            "cast": [{**person, "order": 0, "roles": [role]}],
            "crew": [{**person, "department": "Writing", "jobs": [job]}],
        },
    }

    made = row("tv", body)

    assert (made.fields, made.other_fields, made.odd) == (body, None, ())


# --- what does not fit ----------------------------------------------------------------------------

ODD: dict[str, tuple[str, Any, str]] = {
    "text for a number": ("runtime", "90", "text instead of a whole number"),
    "a fraction": ("runtime", 90.5, "a number instead of a whole number"),
    "true for a number": ("runtime", True, "true or false instead of a whole number"),
    "beyond 64 bits": ("revenue", 2**63, "a number beyond 64 bits"),
    "below 64 bits": ("revenue", -(2**63) - 1, "a number beyond 64 bits"),
    "too many digits": ("popularity", 2**53 + 1, "a number of more than 15 digits"),
    "an endless number": ("popularity", 10**400, "a number beyond 64 bits"),
    "text for a fraction": ("popularity", "9", "text instead of a number"),
    "a number for text": ("title", 1917, "a number instead of text"),
    "half of a character": ("title", "\ud83d", "text with half of a character"),
    "a number for a flag": ("adult", 0, "a number instead of true or false"),
    "no day": ("release_date", "1999-02-29", "no day of the calendar"),
    "a day without dashes": ("release_date", "19991015", "no day of the calendar"),
    "a number for a day": ("release_date", 1999, "a number instead of a day"),
    "an object for a list": ("genres", {"id": 1}, "an object instead of a list"),
    "a list for an object": ("credits", [1], "a list instead of an object"),
    "text for a map": ("watch/providers", "none", "text instead of an object"),
}


@pytest.mark.parametrize(("name", "value", "reason"), ODD.values(), ids=ODD)
def test_a_value_of_another_type_is_null_kept_and_named(name: str, value: Any, reason: str) -> None:
    made = row("movies", {"id": 1, name: value, "status": "Released"})

    place = name.replace("/", "~1")
    assert made.fields == {"id": 1, name: None, "status": "Released"}
    assert json.loads(made.other_fields or "") == {place: value}
    assert made.odd == (Odd(place, reason),)


def test_a_number_that_no_json_has_is_kept_as_text() -> None:
    decoded = decode(b'{"id": 1, "popularity": -1e999}')

    made = row_of("movies", decoded.document, is_plain=decoded.is_plain, room=ROOM)

    assert made.fields["popularity"] is None
    assert json.loads(made.other_fields or "") == {"popularity": "-inf"}


def test_places_tell_where_in_the_body_something_was() -> None:
    cast = [{"id": 1, "order": 0}, {"id": 2, "order": "first", "new": [1]}, "nobody"]
    body = {"id": 1, "credits": {"cast": cast, "guest~stars": []}, "a/b": None}

    made = row("movies", body)

    assert made.fields["credits"] == {"cast": [*cast[:1], {"id": 2, "order": None}, None]}
    assert json.loads(made.other_fields or "") == {
        "credits/cast/1/order": "first",
        "credits/cast/1/new": [1],
        "credits/cast/2": "nobody",
        "credits/guest~0stars": [],
        "a~1b": None,
    }
    assert [odd.place for odd in made.odd] == ["credits/cast/1/order", "credits/cast/2"]


def test_a_list_with_too_many_odd_places_is_kept_whole_under_its_own() -> None:
    cast = [{"id": number, "new": 1} for number in range(10)]
    body = {"id": 1, "credits": {"cast": cast, "new": 2}, "videos": {"new": 3}}

    made = row("movies", body, 200)

    assert made.fields["credits"] == {"cast": [{"id": number} for number in range(10)]}
    assert json.loads(made.other_fields or "") == {
        "credits/cast": cast,
        "credits/new": 2,
        "videos/new": 3,
    }


def test_only_the_first_hundred_odd_values_of_a_body_are_named() -> None:
    made = row("movies", {"id": 1, "genres": [1] * 250, "runtime": "x"})

    assert [odd.place for odd in made.odd] == [f"genres/{number}" for number in range(100)]
    assert made.more_odd == 151


def test_the_place_of_an_odd_value_ends_after_200_letters() -> None:
    made = row("movies", {"id": 1, "watch/providers": {"results": {"k" * 500: 1}}})

    assert [len(odd.place) for odd in made.odd] == [200]


def test_items_of_lists_weigh_what_their_columns_take() -> None:
    ints, texts = 8, 16
    body = {
        "id": 1,
        "origin_country": ["DE", None],
        "genres": [{}, None, 5],
        "release_dates": {"results": [{"release_dates": [{}]}]},
        "watch/providers": {"results": {"DE": {}}},
    }
    dates = (texts + 16) + (8 + ints + 3 * texts + 16)

    assert row("movies", body).weight == (
        2 * texts + 3 * (ints + texts) + dates + texts + (texts + 5 * 16)
    )


def test_empty_days_are_null_and_not_odd() -> None:
    seasons = [{"id": 1, "air_date": ""}, {"id": 2, "air_date": None}]

    made = row("tv", {"id": 1, "first_air_date": "", "seasons": seasons})

    assert made.fields["first_air_date"] is None
    assert made.fields["seasons"] == [{"id": 1, "air_date": None}, {"id": 2, "air_date": None}]
    assert (made.odd, made.other_fields) == ((), None)


def test_moments_are_those_of_tmdb_or_odd() -> None:
    moments = ["1999-10-15T00:00:00.000Z", "", "1999-13-15T00:00:00.000Z", "1999-10-15", 5]
    countries = [{"release_dates": [{"release_date": moment} for moment in moments]}]

    made = row("movies", {"id": 1, "release_dates": {"results": countries}})

    taken = made.fields["release_dates"][0]["release_dates"]
    assert [one["release_date"] for one in taken] == [moments[0], None, None, None, None]
    wrong = "no moment like 1999-10-15T00:00:00.000Z"
    assert [odd.reason for odd in made.odd] == [wrong, wrong, "a number instead of a moment"]


def test_whole_numbers_fit_where_fractions_belong_and_the_other_way_round() -> None:
    made = row("movies", {"id": 1, "popularity": 7, "runtime": 90.0})

    assert made.fields == {"id": 1, "popularity": 7, "runtime": 90}
    assert made.odd == ()


def test_lists_with_an_odd_item_keep_the_places_of_the_others() -> None:
    made = row("tv", {"id": 1, "episode_run_time": [50, "60", None, 70]})

    assert made.fields["episode_run_time"] == [50, None, None, 70]
    assert json.loads(made.other_fields or "") == {"episode_run_time/1": "60"}


def test_a_field_named_as_a_column_of_ours_takes_nothing_from_it() -> None:
    made = row("movies", {"id": 1, "url": "x", "other_fields": 2, "watch_providers": {}})

    assert made.fields == {"id": 1}
    assert json.loads(made.other_fields or "") == {
        "url": "x",
        "other_fields": 2,
        "watch_providers": {},
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[NaN]", b"\xff", b"[" * 100_000, b"{}x"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(body)

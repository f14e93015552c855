"""How each URL gets back from TMDB's answer to many what is its own."""

import json
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.combinable import DETAILS, combinable, made, whole_of
from tmdb_assets.combine import split

MOVIE, CREDITS, IMAGES = "/3/movie/550", "/3/movie/550/credits", "/3/movie/550/images"
SIMILAR, PROVIDERS = "/3/movie/550/similar", "/3/movie/550/watch/providers"
WITHOUT_ID = {"changes", "recommendations", "similar"}


def parts_of(body: bytes | str, *paths: str) -> list[bytes | None]:
    """Return what each of these paths gets of one answer, in their order."""
    content = body if isinstance(body, bytes) else body.encode()
    found = dict(split(content, whole_of(*paths)))
    return [found[one] for one in made(*paths)]


def test_each_part_is_of_tmdb_s_own_bytes() -> None:
    body = (
        '{ "adult":false,\n"credits" : {"cast": [1.0, 1e5 ,-0.0],  "crew":\t[]} ,'
        '"budget":12345678901234567890,"id" :\n550 ,"title":"Ä\\u00e4\\/\\"" ,'
        '"watch/providers": { } }'
    )

    movie, cast, providers = parts_of(body, MOVIE, CREDITS, PROVIDERS)

    assert movie == (
        '{"adult":false,"budget":12345678901234567890,"id":550,"title":"Ä\\u00e4\\/\\""}'.encode()
    )
    assert cast == b'{"id":550,"cast": [1.0, 1e5 ,-0.0],  "crew":\t[]}'
    assert providers == b'{"id":550}'


@pytest.mark.parametrize(
    "raw",
    ["1.0", "1e5", "1E+05", "-0.0", "-0", "12345678901234567890", "0.1000", "1e400", "1.5e-7"],
)
def test_numbers_stay_as_they_were_written(raw: str) -> None:
    body = f'{{"id":550,"popularity":{raw},"credits":{{"x":{raw}}}}}'

    assert parts_of(body, MOVIE, CREDITS) == [
        f'{{"id":550,"popularity":{raw}}}'.encode(),
        f'{{"id":550,"x":{raw}}}'.encode(),
    ]


@pytest.mark.parametrize(
    "template",
    ['{{"id":{id},{rest}}}', '{{{rest},"id":{id}}}', '{{"a":1,"id": {id} ,{rest}}}'],
)
@pytest.mark.parametrize("raw", ["550", '"5ef"', "1.0", "null", '{"a":1}'])
def test_the_id_goes_with_every_part_wherever_it_stands(template: str, raw: str) -> None:
    body = template.format(id=raw, rest='"images":{"stills":[]},"credits":{"cast":[]}')

    _, cast, stills = parts_of(body, MOVIE, CREDITS, IMAGES)

    assert cast == f'{{"id":{raw},"cast":[]}}'.encode()
    assert stills == f'{{"id":{raw},"stills":[]}}'.encode()


def test_what_has_an_id_of_its_own_or_never_one_stays_as_it_is() -> None:
    body = '{"id":287,"tagged_images":{"page":1,"id":287},"changes":{"changes":[]}}'
    alike = '{"id":550,"similar":{ "page":1},"credits":{"cast":[],"id":7}}'

    assert parts_of(body, *(f"/3/person/287/{one}" for one in ("tagged_images", "changes"))) == [
        b'{"page":1,"id":287}',
        b'{"changes":[]}',
    ]
    assert parts_of(alike, SIMILAR, CREDITS) == [b'{ "page":1}', b'{"cast":[],"id":7}']


def test_of_an_answer_without_an_id_only_what_needs_none_can_be_taken() -> None:
    body = '{"credits":{"cast":[]},"similar":{"page":1},"images":{"id":1}}'

    assert parts_of(body, MOVIE, CREDITS, SIMILAR, IMAGES) == [
        b"{}",
        None,
        b'{"page":1}',
        b'{"id":1}',
    ]


def test_of_a_name_that_comes_twice_the_last_counts_as_for_every_reader() -> None:
    body = '{"id":1,"id":550,"a":1,"credits":{"cast":[]},"a":2,"credits":{"cast":[7],"cast":[8]}}'

    movie, cast = parts_of(body, MOVIE, CREDITS)

    assert movie is not None
    assert cast is not None
    assert json.loads(movie) == {"id": 550, "a": 2}
    assert json.loads(cast) == {"id": 550, "cast": [8]}


def test_what_was_appended_but_not_asked_for_stays_with_the_thing() -> None:
    body = '{"id":550,"credits":{"cast":[]},"images":{"stills":[]}}'

    assert parts_of(body, MOVIE, CREDITS) == [
        b'{"id":550,"images":{"stills":[]}}',
        b'{"id":550,"cast":[]}',
    ]


def test_a_thing_without_anything_is_an_empty_object() -> None:
    assert parts_of(' {"credits":{}}\n', MOVIE, CREDITS) == [b"{}", None]
    assert parts_of(" { }\n", MOVIE, CREDITS) == [b"{}", None]


@pytest.mark.parametrize(
    "appended",
    [
        *("[]", "null", "7", '"x"', "true", "[{}]"),
        '{"status_code":34,"status_message":"The resource you requested could not be found."}',
        '{"success":false,"status_code":34,"status_message":"no"}',
        '{"status_message":""}',
    ],
)
def test_what_is_no_answer_of_its_own_has_to_be_asked_for_alone(appended: str) -> None:
    for name, path in (("credits", CREDITS), ("similar", SIMILAR)):
        assert parts_of(f'{{"id":550,"{name}":{appended}}}', MOVIE, path) == [b'{"id":550}', None]


def test_an_error_without_words_has_to_be_asked_for_alone_too() -> None:
    body = '{"id":550,"credits":{"success":false}}'

    assert parts_of(body, MOVIE, CREDITS) == [b'{"id":550}', None]


@pytest.mark.parametrize("name", ["credits ", "Credits", "watch", "providers", "cr\\u0000edits"])
def test_a_name_that_is_alike_is_another(name: str) -> None:
    movie, cast = parts_of(f'{{"id":550,"{name}":{{"cast":[]}}}}', MOVIE, CREDITS)

    assert cast is None
    assert movie is not None
    assert set(json.loads(movie)) == {"id", json.loads(f'"{name}"')}


def test_names_may_be_written_in_escapes() -> None:
    body = '{"\\u0069d":550,"\\u0063redits":{"cast":[]},"watch\\/providers":{"results":{}}}'

    assert parts_of(body, CREDITS, PROVIDERS) == [
        b'{"id":550,"cast":[]}',
        b'{"id":550,"results":{}}',
    ]


def test_an_empty_name_is_one_like_any_other() -> None:
    body = '{"":1,"id":550,"credits":{"":2}}'

    assert parts_of(body, MOVIE, CREDITS) == [b'{"":1,"id":550}', b'{"id":550,"":2}']


@pytest.mark.parametrize("name", ["\\ud800", "\\u00e4", "a\\/b"])
def test_names_of_the_thing_stay_as_they_were_written(name: str) -> None:
    assert parts_of(f'{{"{name}":1,"id":550,"credits":{{}}}}', MOVIE, CREDITS) == [
        f'{{"{name}":1,"id":550}}'.encode(),
        b'{"id":550}',
    ]


def test_an_answer_of_some_depth_is_taken_apart() -> None:
    deep = "[" * 98 + "]" * 98

    assert parts_of(f'{{"id":550,"credits":{{"x":{deep}}}}}', CREDITS, IMAGES) == [
        f'{{"id":550,"x":{deep}}}'.encode(),
        None,
    ]


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('abÄ"\\/\n', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
_members = st.dictionaries(
    st.sampled_from(["a", "b", "Ä", '"', "\\", "results", "cast", "crew", "\n"]), _values
)
_layouts = st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ":\t"), ("\r\n,", ": ")])


@settings(max_examples=50)
@given(
    kind=st.sampled_from(sorted(DETAILS)),
    detail=_members,
    number=st.integers() | st.text(max_size=3),
    data=st.data(),
    separators=_layouts,
    ensure_ascii=st.booleans(),
    blanks=st.sampled_from(["", "\n", " \t\r\n"]),
)
def test_splitting_gives_each_what_it_would_have_had_by_itself(  # noqa: PLR0913 - what varies
    *,
    kind: str,
    detail: dict[str, object],
    number: object,
    data: st.DataObject,
    separators: tuple[str, str],
    ensure_ascii: bool,
    blanks: str,
) -> None:
    base = DETAILS[kind]
    names = data.draw(st.lists(st.sampled_from(combinable(base)), min_size=1, unique=True))
    parts = {name: data.draw(_members) for name in names}
    members = [("id", number), *detail.items(), *parts.items()]
    mixed = dict(data.draw(st.permutations(members)))
    text = json.dumps(mixed, ensure_ascii=ensure_ascii, separators=separators)
    paths = [base, *(f"{base}/{name}" for name in names)]

    found = [
        None if body is None else json.loads(body)
        for body in parts_of(f"{blanks}{text}{blanks}", *paths)
    ]

    alone = [part if name in WITHOUT_ID else {"id": number, **part} for name, part in parts.items()]
    assert found == [{"id": number, **detail}, *alone]
    assert [json.dumps(one, sort_keys=True) for one in found] == [
        json.dumps(one, sort_keys=True) for one in ({"id": number, **detail}, *alone)
    ]


@settings(max_examples=50)
@given(detail=_members, number=st.integers(), part=_members, separators=_layouts)
def test_every_value_in_a_part_is_a_slice_of_the_answer(
    detail: dict[str, object],
    number: int,
    part: dict[str, object],
    separators: tuple[str, str],
) -> None:
    body = json.dumps({**detail, "id": number, "credits": part}, separators=separators)
    raw = json.dumps(part, separators=separators)
    assume(part)

    (cast, _) = parts_of(body, CREDITS, IMAGES)

    assert cast == f'{{"id":{number},{raw[1:]}'.encode()
    assert re.sub(r"^\{\"id\":-?[0-9]+,", "{", cast.decode()) in body

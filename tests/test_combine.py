"""Which URLs are asked for together, and how each gets back from TMDB's answer what is its own."""

import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tmdb_assets.combine import APPENDED_AT_MOST, Grouping, group_of, itself, requests_for, split
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.urls import canonical, target

TMDB = "https://api.themoviedb.org"

DETAILS = {
    "movie": "/3/movie/550",
    "movie by its id at IMDb": "/3/movie/tt0137523",
    "tv": "/3/tv/1399",
    "season": "/3/tv/1399/season/1",
    "special season": "/3/tv/1399/season/0",
    "episode": "/3/tv/1399/season/1/episode/2",
    "person": "/3/person/287",
    "collection": "/3/collection/10",
    "company": "/3/company/25",
}
SUB_RESOURCES = (
    *("aggregate_credits", "alternative_names", "alternative_titles", "changes"),
    *("combined_credits", "content_ratings", "credits", "episode_groups", "external_ids"),
    *("images", "keywords", "movie_credits", "recommendations", "release_dates"),
    *("screened_theatrically", "similar", "tagged_images", "translations", "tv_credits"),
    *("videos", "watch/providers"),
)
WITHOUT_ID = {"changes", "recommendations", "similar"}


def made(*paths: str, origin: str = TMDB) -> tuple[Target, ...]:
    """Return the targets of canonical paths."""
    return tuple(target(canonical(f"{origin}{path}", [origin]).url) for path in paths)


def asked(*paths: str, origin: str = TMDB) -> list[str]:
    """Return path and query of what is asked for these, combined."""
    requests = requests_for(made(*paths, origin=origin), {}, combined=True)
    return [request.url.removeprefix(origin) for request in requests]


def whole_of(*paths: str) -> Target:
    """Return the one request for all of these."""
    (whole,) = requests_for(made(*paths), {}, combined=True)
    assert len(whole.parts) == len(paths)
    return whole


def parts_of(body: bytes | str, *paths: str) -> list[bytes | None]:
    """Return what each of these paths gets of one answer, in their order."""
    content = body if isinstance(body, bytes) else body.encode()
    found = dict(split(content, whole_of(*paths)))
    return [found[one] for one in made(*paths)]


def combinable(base: str) -> list[str]:
    """Return the sub-resources of a thing that are asked for together with it."""
    alone = group_of(f"{TMDB}{base}")
    return [name for name in SUB_RESOURCES if group_of(f"{TMDB}{base}/{name}") == alone]


# --- what goes together -------------------------------------------------------------------------


def test_a_thing_and_what_hangs_on_it_take_one_request() -> None:
    paths = ("/3/movie/550", "/3/movie/550/credits", "/3/movie/550/watch/providers")

    assert asked(*paths) == [
        "/3/movie/550?append_to_response=credits,watch%2Fproviders",
    ]
    assert whole_of(*paths).parts == made(*paths)


@pytest.mark.parametrize("base", DETAILS.values(), ids=DETAILS)
def test_all_that_hangs_on_one_thing_fits_into_one_request(base: str) -> None:
    names = combinable(base)
    paths = [base, *(f"{base}/{name}" for name in names)]

    (request,) = requests_for(made(*paths), {}, combined=True)

    assert names
    assert len(request.parts) == len(paths) <= APPENDED_AT_MOST
    assert canonical(request.url, [TMDB]).url == request.url
    assert request == Target(request.url, target(request.url).name, parts=request.parts)


def test_what_a_thing_does_not_have_is_asked_for_alone() -> None:
    unknown = [
        *("/3/movie/550/aggregate_credits", "/3/movie/550/lists", "/3/movie/550/reviews"),
        *("/3/movie/550/rating", "/3/movie/550/account_states", "/3/movie/550/watch"),
        *("/3/tv/1399/season/1/episode/2/credits/x", "/3/tv/1399/season", "/3/tv/1399/season/x"),
        *("/3/tv/1399/reviews", "/3/tv/1399/release_dates", "/3/tv/tt0944947/credits"),
        *("/3/tv/1399/season/1/changes", "/3/tv/1399/season/1/episode/2/recommendations"),
        *("/3/person/287/credits", "/3/company/25/movies", "/3/network/49/images"),
        *("/3/keyword/1721/movies", "/3/collection/10/translations", "/3/movie/popular"),
        *("/3/movie/550/Credits", "/3/Movie/550/credits", "/3/movie/-550/credits"),
        *("/4/movie/550/credits", "/3/movie/550/recommendations/x", "/3/movie/tt/credits"),
        *("/3/person/nm0000093/images", f"/3/movie/{10**18}/credits"),
    ]

    for path in unknown:
        assert group_of(f"{TMDB}{path}") == f"{TMDB}{path}"
    assert asked("/3/movie/550", *unknown) == ["/3/movie/550", *unknown]


def test_pages_and_what_appends_by_itself_are_asked_for_alone() -> None:
    paths = [
        *("/3/movie/550", "/3/movie/550?append_to_response=credits"),
        *("/3/movie/550/similar?page=1", "/3/movie/550/similar?language=de&page=2"),
        *("/3/movie/550?append_to_response=", "/3/movie/550/recommendations?page="),
    ]

    assert sorted(asked(*paths)) == sorted(one.url.removeprefix(TMDB) for one in made(*paths))


def test_only_the_same_parameters_go_together() -> None:
    paths = [
        *("/3/movie/550?language=de", "/3/movie/550/images?language=de"),
        *("/3/movie/550/images?include_image_language=en,null&language=de", "/3/movie/550/videos"),
        *("/3/movie/550/credits?language=de&language=fr", "/3/movie/550?language=fr&language=de"),
        *("/3/movie/550?Page=2", "/3/movie/550/videos?Page=2"),
    ]

    assert asked(*paths) == [
        "/3/movie/550?append_to_response=images&language=de",
        "/3/movie/550/images?include_image_language=en,null&language=de",
        "/3/movie/550/videos",
        "/3/movie/550/credits?language=de&language=fr",
        "/3/movie/550?language=fr&language=de",
        "/3/movie/550?Page=2&append_to_response=videos",
    ]


def test_things_with_other_numbers_seasons_or_origins_do_not_go_together() -> None:
    paths = [
        *("/3/movie/550/credits", "/3/movie/551/credits", "/3/tv/550/credits"),
        *("/3/movie/tt0000550/credits", "/3/movie/0550/credits", "/3/person/550/images"),
        *("/3/tv/550/season/1/credits", "/3/tv/550/season/2/credits"),
        *("/3/tv/550/season/1/episode/1/credits", "/3/tv/550/season/1/episode/2/credits"),
    ]
    other = canonical("http://127.0.0.1:8731/3/movie/550", ["http://127.0.0.1:8731"]).url

    assert asked(*paths) == paths
    assert group_of(other) != group_of(f"{TMDB}/3/movie/550/credits")
    assert group_of(f"{other}/credits") == group_of(other)


def test_groups_come_in_the_order_of_their_first_url_and_parts_in_that_of_the_batch() -> None:
    paths = ["/3/movie/2/images", "/3/movie/1", "/3/tv/popular", "/3/movie/2", "/3/movie/1/images"]

    requests = requests_for(made(*paths), {}, combined=True)

    assert [one.url.removeprefix(TMDB) for one in requests] == [
        "/3/movie/2?append_to_response=images",
        "/3/movie/1?append_to_response=images",
        "/3/tv/popular",
    ]
    assert requests[0].parts == made("/3/movie/2/images", "/3/movie/2")


def test_what_is_alone_in_its_group_is_asked_for_as_it_stands() -> None:
    (single,) = made("/3/movie/550/credits?language=de")

    assert requests_for([single], {}, combined=True) == [single]


def test_unless_told_so_nothing_is_combined() -> None:
    targets = made("/3/movie/550", "/3/movie/550/credits")

    assert requests_for(targets, {}, combined=False) == list(targets)


def test_without_the_thing_itself_what_hangs_on_it_is_still_asked_for_together() -> None:
    whole = whole_of("/3/movie/550/credits", "/3/movie/550/images")

    assert whole.url == f"{TMDB}/3/movie/550?append_to_response=credits,images"
    assert itself(whole) is None
    assert itself(whole_of("/3/movie/550/credits", "/3/movie/550")) == made("/3/movie/550")[0]


def test_urls_that_would_be_too_long_together_are_asked_for_alone() -> None:
    query = f"?language={'x' * 1900}"
    paths = [
        f"/3/tv/1399{query}",
        *(f"/3/tv/1399/{one}{query}" for one in combinable("/3/tv/1399")),
    ]

    for request in requests_for(made(*paths), {}, combined=True):
        assert canonical(request.url, [TMDB]).url == request.url


_names = st.sampled_from(SUB_RESOURCES)
_bases = st.sampled_from([*DETAILS.values(), "/3/movie/551", "/3/tv/1399/season/2", "/3/list/7"])
_queries = st.lists(
    st.tuples(
        st.sampled_from(["language", "include_image_language", "page", "b", "a-b", "ä"]),
        st.sampled_from(["de", "en,null", "x+y", "%2F", "ü", ""]),
    ).map("=".join),
    max_size=3,
).map("&".join)
_paths = st.builds(
    lambda base, name, query: f"{base}{name and '/' + name}{query and '?' + query}",
    _bases,
    st.just("") | _names,
    _queries,
)


@settings(max_examples=60)
@given(paths=st.lists(_paths, max_size=40))
def test_each_target_is_asked_for_exactly_once_by_a_canonical_url(paths: list[str]) -> None:
    targets = list(dict.fromkeys(made(*paths)))

    requests = requests_for(targets, {}, combined=True)

    parts = [part for one in requests for part in one.parts or (one,)]
    assert sorted(parts, key=lambda one: one.url) == sorted(targets, key=lambda one: one.url)
    grouping = Grouping()
    for one in targets:
        grouping.add(one.url)
    assert grouping.requests == len(requests)
    for request in requests:
        assert canonical(request.url, [TMDB]).url == request.url
        assert len(request.parts) in {0, *range(2, APPENDED_AT_MOST + 1)}
        assert len({group_of(part.url) for part in request.parts or (request,)}) == 1


def test_a_grouping_numbers_groups_in_the_order_of_their_first_url() -> None:
    grouping = Grouping()
    paths = ["/movie/1", "/movie/2/credits", "/movie/1/images", "/movie/popular", "/movie/2"]

    numbers = [grouping.add(f"{TMDB}/3{path}") for path in paths]

    assert numbers == [0, 1, 0, 2, 1]
    assert grouping.requests == 3


# --- conditions ---------------------------------------------------------------------------------


def stored(one: Target, etag: str = 'W/"1"', combined_with: str = "") -> Outcome:
    """Return the outcome of a body that is there."""
    return Outcome(
        url=one.url,
        name=one.name,
        outcome=OutcomeKind.FETCHED,
        status=200,
        reason="",
        attempts=1,
        bytes=2,
        sha256="44",
        etag=etag,
        sent_at=(1.0,),
        seconds=0.1,
        as_of=1.0,
        combined_with=combined_with,
    )


def etag_of(
    targets: Sequence[Target], *former: Outcome, combined: bool = True, first: int = 0
) -> str:
    """Return the condition of the first request for these targets."""
    known = {one.url: one for one in former}
    return requests_for(targets, known, combined=combined)[first].etag


def test_what_came_alone_is_asked_for_if_it_changed_since() -> None:
    (one,) = made("/3/movie/550")

    assert etag_of([one], stored(one)) == 'W/"1"'
    assert etag_of([one], stored(one), combined=False) == 'W/"1"'
    assert etag_of([one], stored(one, etag="")) == ""
    assert etag_of([one]) == ""


def test_what_came_with_others_is_asked_for_alone_without_a_condition() -> None:
    one, _ = targets = made("/3/movie/550", "/3/movie/550/credits")
    (whole,) = requests_for(targets, {}, combined=True)

    assert etag_of([one], stored(one, combined_with=whole.url)) == ""
    assert etag_of(targets, stored(one, combined_with=whole.url), combined=False) == ""


def test_what_came_with_this_very_request_is_asked_for_if_it_changed_since() -> None:
    one, other = targets = made("/3/movie/550", "/3/movie/550/credits")
    (whole,) = requests_for(targets, {}, combined=True)
    former = stored(one, combined_with=whole.url), stored(other, combined_with=whole.url)

    assert etag_of(targets, *former) == 'W/"1"'
    assert requests_for(targets, {one.url: one for one in former}, combined=True) == [
        Target(whole.url, whole.name, 'W/"1"', targets)
    ]


def test_a_condition_has_to_hold_for_every_part() -> None:
    one, other = targets = made("/3/movie/550", "/3/movie/550/credits")
    (whole,) = requests_for(targets, {}, combined=True)
    good = stored(one, combined_with=whole.url)

    for bad in (
        stored(other, 'W/"2"', whole.url),
        stored(other, "", whole.url),
        stored(other),
        stored(other, combined_with=f"{whole.url},images"),
    ):
        assert etag_of(targets, good, bad) == ""
        assert etag_of(targets, bad, good) == ""
    assert etag_of(targets, good) == ""
    assert etag_of(targets, stored(one), stored(other)) == ""
    assert etag_of(targets, stored(one, "", whole.url), stored(other, "", whole.url)) == ""


# --- taking an answer apart ---------------------------------------------------------------------

MOVIE, CREDITS, IMAGES = "/3/movie/550", "/3/movie/550/credits", "/3/movie/550/images"
SIMILAR, PROVIDERS = "/3/movie/550/similar", "/3/movie/550/watch/providers"


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

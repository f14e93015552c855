"""Which URLs are asked for together, and under which condition."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.combinable import DETAILS, SUB_RESOURCES, TMDB, combinable, made, whole_of
from tests.made_outcome import made_outcome
from tmdb_assets.combine import APPENDED_AT_MOST, Grouping, group_of, itself, requests_for
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.urls import canonical, target


def asked(*paths: str, origin: str = TMDB) -> list[str]:
    """Return path and query of what is asked for these, combined."""
    requests = requests_for(made(*paths, origin=origin), {}, combined=True)
    return [request.url.removeprefix(origin) for request in requests]


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
    assert [*grouping.requests()] == [len(one.parts) or 1 for one in requests]
    for request in requests:
        assert canonical(request.url, [TMDB]).url == request.url
        assert len(request.parts) in {0, *range(2, APPENDED_AT_MOST + 1)}
        assert len({group_of(part.url) for part in request.parts or (request,)}) == 1


def test_a_grouping_numbers_groups_in_the_order_of_their_first_url() -> None:
    grouping = Grouping()
    paths = ["/movie/1", "/movie/2/credits", "/movie/1/images", "/movie/popular", "/movie/2"]

    numbers = [grouping.add(f"{TMDB}/3{path}") for path in paths]

    assert numbers == [0, 1, 0, 2, 1]
    assert [*grouping.requests()] == [2, 2, 1]


def test_more_than_tmdb_appends_takes_further_requests() -> None:
    grouping = Grouping()
    for _ in range(2 * APPENDED_AT_MOST + 1):
        grouping.add(f"{TMDB}/3/movie/1")

    assert [*grouping.requests()] == [APPENDED_AT_MOST, APPENDED_AT_MOST, 1]


# --- conditions ---------------------------------------------------------------------------------


def stored(one: Target, etag: str = 'W/"1"', combined_with: str = "") -> Outcome:
    """Return the outcome of a body that is there."""
    kind = OutcomeKind.FETCHED
    return made_outcome(one, kind, b"{}", 1.0, etag=etag, combined_with=combined_with)


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

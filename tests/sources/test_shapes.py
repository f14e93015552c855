from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Settings
from tmdb_assets.sources.kinds import KINDS, kind_named
from tmdb_assets.sources.shapes import Wish, shape_of, split_names
from tmdb_assets.urls import canonical

MakeSettings = Callable[..., Settings]
TMDB = "https://api.themoviedb.org"


def urls(make_settings: MakeSettings, kind: str, wish: Wish, number: int = 550) -> list[str]:
    return list(shape_of(kind_named(kind), wish, make_settings()).urls(number))


def refusal(make_settings: MakeSettings, kind: str, wish: Wish, **variables: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        shape_of(kind_named(kind), wish, make_settings(**variables))
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_alone_is_its_details(make_settings: MakeSettings, kind: str) -> None:
    assert urls(make_settings, kind, Wish()) == [f"{TMDB}/3/{kind}/550"]


def test_parts_are_appended_in_the_order_given_each_once(make_settings: MakeSettings) -> None:
    wish = Wish(("credits", "keywords", "credits"), parameters=("language=de-DE",))

    assert urls(make_settings, "movie", wish) == [
        f"{TMDB}/3/movie/550?append_to_response=credits,keywords&language=de-DE"
    ]


def test_separate_parts_are_urls_of_their_own(make_settings: MakeSettings) -> None:
    wish = Wish(("credits", "watch/providers"), separate=True, parameters=("language=de-DE",))

    assert urls(make_settings, "movie", wish) == [
        f"{TMDB}/3/movie/550?language=de-DE",
        f"{TMDB}/3/movie/550/credits?language=de-DE",
        f"{TMDB}/3/movie/550/watch/providers?language=de-DE",
    ]


def test_seasons_can_be_appended_to_series_alone(make_settings: MakeSettings) -> None:
    wish = Wish(("season/1", "season/2"))

    assert urls(make_settings, "tv", wish) == [
        f"{TMDB}/3/tv/550?append_to_response=season/1,season/2".replace(
            "/1,season/2", "%2F1,season%2F2"
        )
    ]
    assert "'season/1' is no sub-resource of movie: take from" in refusal(
        make_settings, "movie", wish
    )


KIND_AND_PARTS = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.lists(st.sampled_from(sorted(KINDS[kind].parts)), unique=True, min_size=1)
    )
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(KIND_AND_PARTS, st.booleans(), st.integers(1, 2**63 - 1))
def test_every_url_is_canonical(
    make_settings: MakeSettings,
    kind_and_parts: tuple[str, list[str]],
    separate: bool,  # noqa: FBT001 - hypothesis hands it in
    number: int,
) -> None:
    kind, parts = kind_and_parts
    wish = Wish(tuple(parts), separate, ("language=de-DE", "include_image_language=en,null"))

    for url in urls(make_settings, kind, wish, number):
        assert canonical(url, [TMDB]) == (url, False)


@pytest.mark.parametrize(
    ("kind", "wish", "words"),
    [
        ("movie", Wish(("credit",)), "'credit' is no sub-resource of movie: take from"),
        ("person", Wish(("credits",)), "is no sub-resource of person: take from changes, comb"),
        ("movie", Wish((), separate=True), "nothing stands alone without sub-resources"),
        ("tv", Wish(tuple(f"season/{one}" for one in range(21))), "21 sub-resources are more"),
        ("movie", Wish(parameters=("language",)), "not of the form name=value"),
        ("movie", Wish(parameters=("=de",)), "not of the form name=value"),
        ("movie", Wish(parameters=("language=",)), "not of the form name=value"),
        ("movie", Wish(parameters=("append_to_response=credits",)), "name what to append"),
        ("movie", Wish(parameters=("region=a&b=c",)), "the value of 'region' holds white space"),
        ("movie", Wish(parameters=("region=a b",)), "the value of 'region' holds white space"),
        ("movie", Wish(parameters=("region=%zz",)), "these parameters make no URL: a % without"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    make_settings: MakeSettings, kind: str, wish: Wish, words: str
) -> None:
    assert words in refusal(make_settings, kind, wish)


@pytest.mark.parametrize(
    "parameter",
    ["api_key=sn7Qa0wLrXc3Zk9", "API_KEY=sn7Qa0wLrXc3Zk9", "region=xsn7qa0wlrxc3zk9x"],
)
def test_a_credential_is_refused_and_not_quoted(
    make_settings: MakeSettings, parameter: str
) -> None:
    wish = Wish(parameters=(parameter,))
    said = refusal(make_settings, "movie", wish, TMDB_API_KEY="sn7Qa0wLrXc3Zk9")

    assert "a parameter is a credential: leave it out" in said
    assert "sn7qa0" not in (said + repr(wish)).lower()


def test_a_kind_without_an_export_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(ConfigurationError, match="exports no ids of 'season': take one of movie,"):
        kind_named("season")


def test_names_are_split_at_commas() -> None:
    assert split_names(("a, b", "c,", "")) == ("a", "b", "c")
    assert split_names("a,b") == ("a", "b")

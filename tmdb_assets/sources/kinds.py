"""What TMDB has ids of: the kinds, their exports, and the sub-resources that each has. Pure.

The tables follow "Daily ID Exports" and the reference in TMDB's developer documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tmdb_assets.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of things with ids.

    Attributes:
        name: as it stands in paths: `/3/<name>/<id>`.
        export: name of its daily export.
        adult_export: name of the one with adult titles or persons; empty if there is none.
        has_popularity: whether a line of the export has one.
        has_video: whether a line says that it is no film proper.
        parts: sub-resources that can be appended or asked for by a path of their own.
    """

    name: str
    export: str
    adult_export: str = ""
    has_popularity: bool = False
    has_video: bool = False
    parts: frozenset[str] = frozenset()


_SHOWN = frozenset(
    {
        *("alternative_titles", "changes", "credits", "external_ids", "images", "keywords"),
        *("lists", "recommendations", "reviews", "similar", "translations", "videos"),
        "watch/providers",
    }
)
_TV = frozenset({"aggregate_credits", "content_ratings", "episode_groups", "screened_theatrically"})
_PERSON = frozenset(
    {
        *("changes", "combined_credits", "external_ids", "images", "movie_credits"),
        *("tagged_images", "translations", "tv_credits"),
    }
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                "movie",
                "movie_ids",
                "adult_movie_ids",
                has_popularity=True,
                has_video=True,
                parts=_SHOWN | {"release_dates"},
            ),
            Kind(
                "tv",
                "tv_series_ids",
                "adult_tv_series_ids",
                has_popularity=True,
                parts=_SHOWN | _TV,
            ),
            Kind("person", "person_ids", "adult_person_ids", has_popularity=True, parts=_PERSON),
            Kind("collection", "collection_ids", parts=frozenset({"images", "translations"})),
            Kind("network", "tv_network_ids", parts=frozenset({"alternative_names", "images"})),
            Kind("keyword", "keyword_ids", parts=frozenset({"movies"})),
            Kind(
                "company",
                "production_company_ids",
                parts=frozenset({"alternative_names", "images"}),
            ),
        )
    }
)
"""All kinds that have a daily export, by name."""

CHANGING = ("movie", "tv", "person")
"""Kinds whose changes TMDB lists."""


def kind_named(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        ConfigurationError: there is no export of it.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise ConfigurationError(
            f"TMDB exports no ids of {name[:80]!r}: take one of {', '.join(KINDS)}"
        )
    return kind

"""Things of TMDB and what hangs on them: the paths that may be asked for together."""

from tmdb_assets.combine import group_of, requests_for
from tmdb_assets.model import Target
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


def made(*paths: str, origin: str = TMDB) -> tuple[Target, ...]:
    """Return the targets of canonical paths."""
    return tuple(target(canonical(f"{origin}{path}", [origin]).url) for path in paths)


def whole_of(*paths: str) -> Target:
    """Return the one request for all of these."""
    (whole,) = requests_for(made(*paths), {}, combined=True)
    assert len(whole.parts) == len(paths)
    return whole


def combinable(base: str) -> list[str]:
    """Return the sub-resources of a thing that are asked for together with it."""
    alone = group_of(f"{TMDB}{base}")
    return [name for name in SUB_RESOURCES if group_of(f"{TMDB}{base}/{name}") == alone]

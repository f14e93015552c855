"""The tables and their columns: one declaration that checks, Parquet, DuckDB and pages follow.

A change of any column or shape needs a new `SCHEMA_VERSION`: tables of an older one are made anew.
"""

from dataclasses import dataclass
from types import MappingProxyType

from tmdb_assets.tables import parts
from tmdb_assets.tables.shapes import ByKey, Scalar, Shape, scalar, sql_type

SCHEMA_VERSION = 1
"""Of the columns, and of what is made of a body."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: name of its field in TMDB's body; empty where the column is ours.
    """

    name: str
    shape: Shape
    description: str
    key: str = ""

    @property
    def type(self) -> str:
        """DuckDB's name of its type."""
        return sql_type(self.shape)


def _theirs(text: str, **nested: tuple[Shape, str]) -> tuple[Column, ...]:
    """Return columns from lines `name:kind description`, then nested ones."""
    lines = (line.split(maxsplit=1) for line in text.strip().splitlines())
    heads = ((*head.split(":"), description) for head, description in lines)
    plain = (Column(name, scalar(kind), description, name) for name, kind, description in heads)
    inner = (Column(name, shape, words, name) for name, (shape, words) in nested.items())
    return (*plain, *inner)


def _ours(name: str, shape: Shape, description: str) -> Column:
    return Column(name, shape, description)


URL = _ours("url", Scalar.TEXT, "canonical URL that was asked for, without credentials")
PARAMETERS = _ours(
    "parameters",
    ByKey(Scalar.TEXT),
    "parameters of the URL, decoded: parameters['page']; of a repeated one the last",
)
FETCHED_AT = _ours("fetched_at", Scalar.MOMENT, "when this was fetched, or confirmed, last")
LIST = _ours("list", Scalar.TEXT, "name of the URL list")
BATCH = _ours("batch", Scalar.TEXT, "name of the batch, which is the partition")
ODD = _ours(
    "other_fields",
    Scalar.TEXT,
    "JSON object of what has no column here, by its place in the body: 'credits/cast/0/x'",
)
_BEFORE = (
    URL,
    PARAMETERS,
    _ours("language", Scalar.TEXT, "parameter language of the URL, NULL without one"),
    FETCHED_AT,
)
_AFTER = (LIST, BATCH, ODD)

_SHARED = """
overview:text text about it, in the language asked for
original_language:text ISO 639-1 code of the language it was made in
status:text such as Released or Ended
tagline:text slogan
homepage:text web site
popularity:number TMDB's own figure, of the day it was fetched
vote_average:number mean of the votes, 0 to 10
vote_count:int how many voted
adult:flag whether it is pornographic
softcore:flag whether it is softcore pornography
poster_path:text path of its poster, to follow https://image.tmdb.org/t/p/original
backdrop_path:text path of its background picture
origin_country:text* ISO 3166-1 codes of where it comes from
"""
_MOVIE = f"""
id:int TMDB's number of the movie
imdb_id:text number at IMDb
title:text title in the language asked for
original_title:text title in the original language
release_date:day first release
runtime:int minutes, 0 if unknown
budget:int US dollars, 0 if unknown
revenue:int US dollars, 0 if unknown
video:flag whether it is a video, not a film
{_SHARED.strip()}
"""
_TV = f"""
id:int TMDB's number of the series
name:text name in the language asked for
original_name:text name in the original language
type:text such as Scripted or Documentary
first_air_date:day first broadcast
last_air_date:day last broadcast so far
in_production:flag whether it goes on
number_of_seasons:int seasons without specials
number_of_episodes:int episodes without specials
episode_run_time:int* minutes
languages:text* ISO 639-1 codes
{_SHARED.strip()}
"""
_PERSON = """
id:int TMDB's number of the person
imdb_id:text number at IMDb
name:text name
also_known_as:text* other names
biography:text text about the person, in the language asked for
birthday:day day of birth
deathday:day day of death
place_of_birth:text place of birth
gender:int 0 not set, 1 female, 2 male, 3 non-binary
known_for_department:text such as Acting
homepage:text web site
popularity:number TMDB's own figure, of the day it was fetched
adult:flag whether known for pornography
softcore:flag whether known for softcore pornography
profile_path:text path of the portrait, to follow https://image.tmdb.org/t/p/original
"""


def _appended(shape: Shape) -> tuple[Shape, str]:
    return shape, "there if append_to_response asked for it"


_OF_BOTH = {
    "genres": (parts.GENRES, "genres"),
    "production_companies": (parts.COMPANIES, "companies that made it"),
    "production_countries": (parts.COUNTRIES, "countries it was made in"),
    "spoken_languages": (parts.LANGUAGES, "languages spoken in it"),
    "credits": _appended(parts.CREDITS),
    "external_ids": _appended(parts.EXTERNAL_IDS),
    "images": _appended(parts.images("backdrops", "logos", "posters")),
    "videos": _appended(parts.VIDEOS),
    "reviews": _appended(parts.REVIEWS),
    "lists": _appended(parts.LISTS),
}
_WATCH = Column(
    "watch_providers",
    parts.WATCH_PROVIDERS,
    "where to watch it, by country: watch_providers['DE'].flatrate; source: JustWatch; "
    "there if append_to_response asked for watch/providers",
    "watch/providers",
)

_MOVIE_COLUMNS = _theirs(
    _MOVIE,
    belongs_to_collection=(parts.COLLECTION, "collection that it is a part of"),
    **_OF_BOTH,
    keywords=_appended(parts.keywords("keywords")),
    release_dates=_appended(parts.RELEASE_DATES),
    alternative_titles=_appended(parts.alternative_titles("titles")),
    translations=_appended(
        parts.translations("title:text overview:text tagline:text homepage:text runtime:int")
    ),
    recommendations=_appended(parts.SIMILAR_MOVIES),
    similar=_appended(parts.SIMILAR_MOVIES),
)
_TV_COLUMNS = _theirs(
    _TV,
    created_by=(parts.CREATORS, "who created it"),
    networks=(parts.COMPANIES, "networks that broadcast it first"),
    seasons=(parts.SEASONS, "its seasons, specials as number 0"),
    last_episode_to_air=(parts.EPISODE, "last episode so far"),
    next_episode_to_air=(parts.EPISODE, "next episode"),
    **_OF_BOTH,
    aggregate_credits=_appended(parts.AGGREGATE_CREDITS),
    keywords=_appended(parts.keywords("results")),
    content_ratings=_appended(parts.CONTENT_RATINGS),
    alternative_titles=_appended(parts.alternative_titles("results")),
    translations=_appended(
        parts.translations("name:text overview:text tagline:text homepage:text")
    ),
    recommendations=_appended(parts.SIMILAR_SERIES),
    similar=_appended(parts.SIMILAR_SERIES),
    episode_groups=_appended(parts.EPISODE_GROUPS),
    screened_theatrically=_appended(parts.SCREENED),
)
_PERSON_COLUMNS = _theirs(
    _PERSON,
    combined_credits=_appended(parts.works(movies=True, series=True)),
    movie_credits=_appended(parts.works(movies=True, series=False)),
    tv_credits=_appended(parts.works(movies=False, series=True)),
    external_ids=_appended(parts.EXTERNAL_IDS),
    images=_appended(parts.images("profiles")),
    tagged_images=_appended(parts.TAGGED_IMAGES),
    translations=_appended(parts.translations("biography:text name:text primary:flag")),
)
_RESPONSES = (
    URL,
    _ours("path", Scalar.TEXT, "path of the URL, without the version: movie/550/credits"),
    PARAMETERS,
    FETCHED_AT,
    LIST,
    BATCH,
    _ours("body", Scalar.TEXT, "JSON text as received: body->>'$.results[0].title'"),
)
_OUTCOMES = (
    URL,
    _ours("name", Scalar.TEXT, "name of the file of its body, without .json"),
    _ours("outcome", Scalar.TEXT, "fetched, absent (an answer), failed or purged"),
    _ours("status", Scalar.INTEGER, "last HTTP status, NULL if no answer came"),
    _ours("reason", Scalar.TEXT, "why, empty if fetched"),
    _ours("attempts", Scalar.INTEGER, "requests that left for it in its last run"),
    _ours("bytes", Scalar.INTEGER, "size of the stored body, 0 if none"),
    _ours("sha256", Scalar.TEXT, "digest of the stored body in hex, empty if none"),
    _ours("etag", Scalar.TEXT, "as the server sent it, empty if none"),
    _ours("sent_at", scalar("moment*"), "when each of the requests left"),
    _ours("seconds", Scalar.NUMBER, "duration of the last attempt"),
    _ours("as_of", Scalar.MOMENT, "when the stored body, or the answer, was fetched last"),
    _ours("combined_with", Scalar.TEXT, "URL whose request brought it too, empty if its own did"),
    LIST,
    BATCH,
)

TABLES = MappingProxyType(
    {
        "movies": (*_BEFORE, *_MOVIE_COLUMNS, _WATCH, *_AFTER),
        "tv": (*_BEFORE, *_TV_COLUMNS, _WATCH, *_AFTER),
        "people": (*_BEFORE, *_PERSON_COLUMNS, *_AFTER),
        "responses": _RESPONSES,
        "outcomes": _OUTCOMES,
    }
)
"""The columns of every table, in their order."""

DESCRIPTIONS = MappingProxyType(
    {
        "movies": "details of movies: /3/movie/550, also with append_to_response",
        "tv": "details of series: /3/tv/1399, also with append_to_response",
        "people": "details of persons: /3/person/287, also with append_to_response",
        "responses": "bodies of all other URLs as they were received",
        "outcomes": "how every URL ended",
    }
)
"""What each table holds."""

TYPED = MappingProxyType({"movie": "movies", "tv": "tv", "person": "people"})
"""Which table has the details of a kind, by its name in TMDB's paths."""

NEWEST = MappingProxyType(
    {name: "as_of" if name == "outcomes" else "fetched_at" for name in TABLES}
)
"""The column that says which row of a URL is the newest."""


def documented(table: str) -> list[tuple[str, str, str]]:
    """Return name, type and description of every column of a table."""
    return [(column.name, column.type, column.description) for column in TABLES[table]]

"""Shapes of what is nested in TMDB's details: genres, credits, images and the like.

From TMDB's reference and from recorded answers of 2017 to 2026. What is not named here is not lost:
it stays in the column `other_fields`.
"""

from tmdb_assets.tables.shapes import ByKey, Inside, Many, Shape, struct

_PERSON = (
    "id:int name:text original_name:text gender:int known_for_department:text "
    "popularity:number profile_path:text adult:flag softcore:flag "
)
_CAST = "credit_id:text character:text order:int "
_CREW = "credit_id:text department:text job:text "
_ANY_ITEM = (
    "id:int overview:text original_language:text popularity:number vote_average:number "
    "vote_count:int genre_ids:int* poster_path:text backdrop_path:text adult:flag softcore:flag "
    "media_type:text "
)
_MOVIE_ITEM = "title:text original_title:text release_date:day video:flag "
_TV_ITEM = "name:text original_name:text first_air_date:day origin_country:text* "
_IMAGE = (
    "file_path:text width:int height:int aspect_ratio:number iso_639_1:text iso_3166_1:text "
    "vote_average:number vote_count:int"
)
_ROLE = "credit_id:text episode_count:int "

GENRES = Many(struct("id:int name:text"))
COMPANIES = Many(struct("id:int name:text logo_path:text origin_country:text"))
COUNTRIES = Many(struct("iso_3166_1:text name:text"))
LANGUAGES = Many(struct("iso_639_1:text english_name:text name:text"))
COLLECTION = struct("id:int name:text poster_path:text backdrop_path:text")
CREATORS = Many(
    struct("id:int credit_id:text name:text original_name:text gender:int profile_path:text")
)
EPISODE = struct(
    "id:int name:text overview:text air_date:day season_number:int episode_number:int "
    "episode_type:text runtime:int show_id:int production_code:text still_path:text "
    "vote_average:number vote_count:int"
)
SEASONS = Many(
    struct(
        "id:int name:text overview:text air_date:day season_number:int episode_count:int "
        "poster_path:text vote_average:number"
    )
)

CREDITS = struct(
    "",
    cast=Many(struct(_PERSON + _CAST + "cast_id:int")),
    crew=Many(struct(_PERSON + _CREW)),
)
AGGREGATE_CREDITS = struct(
    "",
    cast=Many(
        struct(
            _PERSON + "order:int total_episode_count:int",
            roles=Many(struct(_ROLE + "character:text")),
        )
    ),
    crew=Many(
        struct(
            _PERSON + "department:text total_episode_count:int",
            jobs=Many(struct(_ROLE + "job:text")),
        )
    ),
)


def works(*, movies: bool, series: bool) -> Shape:
    """Return the shape of what a person took part in."""
    item = _ANY_ITEM + _MOVIE_ITEM * movies + _TV_ITEM * series
    more = "episode_count:int first_credit_air_date:day " * series
    return struct(
        "",
        cast=Many(struct(item + _CAST + more)),
        crew=Many(struct(item + _CREW + more)),
    )


def _paged(item: Shape, more: str = "") -> Shape:
    return struct(f"{more} page:int total_pages:int total_results:int", results=Many(item))


SIMILAR_MOVIES = _paged(struct(_ANY_ITEM + _MOVIE_ITEM))
SIMILAR_SERIES = _paged(struct(_ANY_ITEM + _TV_ITEM))
TAGGED_IMAGES = _paged(
    struct(
        f"id:text image_type:text media_type:text {_IMAGE}",
        media=struct(_ANY_ITEM + _MOVIE_ITEM + _TV_ITEM),
    ),
    "id:int",
)


def images(*names: str) -> Shape:
    """Return the shape of a sub-resource `images` with these kinds of them."""
    return struct("", **{name: Many(struct(_IMAGE)) for name in names})


def keywords(name: str) -> Shape:
    """Return the shape of keywords; a movie and a series name the list differently."""
    return Inside(name, Many(struct("id:int name:text")))


def alternative_titles(name: str) -> Shape:
    """Return the shape of alternative titles; a movie and a series name the list differently."""
    return Inside(name, Many(struct("iso_3166_1:text title:text type:text")))


def translations(data: str) -> Shape:
    """Return the shape of translations whose texts are these."""
    names = "iso_3166_1:text iso_639_1:text name:text english_name:text"
    return Inside("translations", Many(struct(names, data=struct(data))))


EXTERNAL_IDS = struct(
    "imdb_id:text wikidata_id:text facebook_id:text instagram_id:text twitter_id:text "
    "tiktok_id:text youtube_id:text tvdb_id:int tvrage_id:int freebase_id:text freebase_mid:text"
)
VIDEOS = Inside(
    "results",
    Many(
        struct(
            "id:text name:text key:text site:text type:text size:int official:flag "
            "published_at:moment iso_639_1:text iso_3166_1:text"
        )
    ),
)
RELEASE_DATES = Inside(
    "results",
    Many(
        struct(
            "iso_3166_1:text",
            release_dates=Many(
                struct(
                    "release_date:moment type:int certification:text note:text iso_639_1:text "
                    "descriptors:text*"
                )
            ),
        )
    ),
)
CONTENT_RATINGS = Inside("results", Many(struct("iso_3166_1:text rating:text descriptors:text*")))
_OFFERS = Many(struct("provider_id:int provider_name:text display_priority:int logo_path:text"))
WATCH_PROVIDERS = Inside(
    "results",
    ByKey(
        struct("link:text", **dict.fromkeys(("flatrate", "rent", "buy", "ads", "free"), _OFFERS))
    ),
)
REVIEWS = _paged(
    struct(
        "id:text author:text content:text created_at:moment updated_at:moment url:text",
        author_details=struct("name:text username:text avatar_path:text rating:number"),
    )
)
EPISODE_GROUPS = Inside(
    "results",
    Many(
        struct(
            "id:text name:text description:text type:int episode_count:int group_count:int",
            network=struct("id:int name:text logo_path:text origin_country:text"),
        )
    ),
)
SCREENED = Inside("results", Many(struct("id:int season_number:int episode_number:int")))
LISTS = _paged(
    struct(
        "id:int name:text description:text favorite_count:int item_count:int list_type:text "
        "iso_639_1:text iso_3166_1:text poster_path:text"
    )
)

"""Made-up list endpoints: pages of films, series and persons, configuration, genres and the like.

`find` answers for a path that names no single object. Pages past the last one are empty, as TMDB's.
"""

import re
from collections.abc import Callable, Mapping

from tmdb_assets.standin import words
from tmdb_assets.standin.details import movie_item, person_item, tv_item
from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.smallthings import (
    JsonObject,
    collection_item,
    company_item,
    exists,
    keyword,
    present_id,
)

PAGE_SIZE = 20
PAGES_AT_MOST = 500

Item = Callable[[int], JsonObject]

_MOVIE_LISTS = frozenset({"now_playing", "popular", "top_rated", "upcoming"})
_TV_LISTS = frozenset({"airing_today", "on_the_air", "popular", "top_rated"})
_ITEMS: dict[str, Item] = {
    "collection": collection_item,
    "company": company_item,
    "keyword": keyword,
    "movie": movie_item,
    "person": person_item,
    "tv": tv_item,
}


def _any_item(number: int) -> JsonObject:
    kind = ("movie", "tv", "person")[number % 3]
    return {**_ITEMS[kind](number), "media_type": kind}


def _pages_of(name: str, query: str) -> int:
    if name.startswith("search/"):
        return Dice("pages", name, query).between(1, 4)
    return PAGES_AT_MOST


def page_of(item: Item, name: str, query: str, page: int) -> JsonObject:
    """Return a page of a list endpoint.

    Args:
        item: makes an entry.
        name: path below the version, such as `movie/popular`.
        query: what else was asked, in a fixed order, without the page.
        page: from 1.
    """
    pages = _pages_of(name, query)
    dice = Dice("page", name, query, page)
    results = [item(present_id(dice)) for _ in range(PAGE_SIZE)] if page <= pages else []
    return {
        "page": page,
        "results": results,
        "total_pages": pages,
        "total_results": pages * PAGE_SIZE,
    }


def item_of(name: str) -> Item | None:
    """Return what makes an entry of the list endpoint, None if it is none."""
    head, _, tail = name.partition("/")
    if (head, tail) == ("person", "popular"):
        return person_item
    if (head == "movie" and tail in _MOVIE_LISTS) or name == "discover/movie":
        return movie_item
    if (head == "tv" and tail in _TV_LISTS) or name == "discover/tv":
        return tv_item
    if head == "search":
        return _any_item if tail == "multi" else _ITEMS.get(tail)
    return _trending_item(name) if head == "trending" else None


def _trending_item(name: str) -> Item | None:
    match name.split("/"):
        case [_, "all", "day" | "week"]:
            return _any_item
        case [_, "movie" | "tv" | "person" as kind, "day" | "week"]:
            return _ITEMS[kind]
    return None


def _configuration() -> JsonObject:
    sizes = ["w45", "w92", "w154", "w185", "w300", "original"]
    kinds = ("backdrop", "logo", "poster", "profile", "still")
    return {
        "change_keys": ["adult", "air_date", "budget", "cast", "genres", "overview", "title"],
        "images": {
            "base_url": "http://image.stand-in.example/t/p/",
            "secure_base_url": "https://image.stand-in.example/t/p/",
            **{f"{kind}_sizes": sizes for kind in kinds},
        },
    }


def _providers() -> JsonObject:
    dice = Dice("providers")
    return {
        "results": [
            {
                "display_priority": place,
                "logo_path": dice.picture(),
                "provider_id": place + 1,
                "provider_name": f"Ciné{noun}",
            }
            for place, noun in enumerate(words.NOUNS)
        ]
    }


def _jobs() -> list[JsonObject]:
    departments = sorted({department for department, _ in words.JOBS})
    return [
        {"department": name, "jobs": [job for of, job in words.JOBS if of == name]}
        for name in departments
    ]


def _languages() -> list[JsonObject]:
    return [
        {"english_name": english, "iso_639_1": code, "name": own}
        for code, english, own in words.LANGUAGES
    ]


def _countries() -> list[JsonObject]:
    return [
        {"english_name": name, "iso_3166_1": code, "native_name": name}
        for code, name in words.COUNTRIES
    ]


def _genres() -> JsonObject:
    return {"genres": [{"id": number, "name": name} for number, name in words.GENRES]}


def _certifications() -> JsonObject:
    ratings = [
        {"certification": name, "meaning": "Made up.", "order": order}
        for order, name in enumerate(("0", "12", "16"))
    ]
    return {"certifications": {code: ratings for code, _ in words.COUNTRIES}}


_FIXED: Mapping[str, Callable[[], object]] = {
    "certification/movie/list": _certifications,
    "certification/tv/list": _certifications,
    "configuration": _configuration,
    "configuration/countries": _countries,
    "configuration/jobs": _jobs,
    "configuration/languages": _languages,
    "configuration/primary_translations": lambda: [
        f"{code}-{code.upper()}" for code, _, _ in words.LANGUAGES
    ],
    "configuration/timezones": lambda: [
        {"iso_3166_1": code, "zones": ["Etc/UTC"]} for code, _ in words.COUNTRIES
    ],
    "genre/movie/list": _genres,
    "genre/tv/list": _genres,
    "watch/providers/movie": _providers,
    "watch/providers/regions": lambda: {"results": _countries()},
    "watch/providers/tv": _providers,
}


def fixed(name: str) -> object | None:
    """Return what an endpoint without ids and pages answers, or None if it is none of those."""
    maker = _FIXED.get(name)
    return maker() if maker else None


def found_by(external_id: str) -> JsonObject:
    """Return what `find` answers: the film of that IMDb id, if it exists, and nothing else."""
    is_imdb = re.fullmatch(r"tt[0-9]{1,9}", external_id)
    number = int(external_id[2:]) if is_imdb else 0
    films = [{**movie_item(number), "media_type": "movie"}] if exists(number) else []
    names = ("person_results", "tv_results", "tv_episode_results", "tv_season_results")
    return {"movie_results": films, **{name: [] for name in names}}

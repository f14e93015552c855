"""Made-up sub-resources: what hangs on a film, a series, a season, a person and so on.

`PARTS` tells which names there are for which kind. A part is made without the `id` that most have
when asked for by their own path: merged into details, TMDB leaves that out.
"""

from collections.abc import Callable
from functools import partial

from tmdb_assets.standin import words
from tmdb_assets.standin.details import movie_item, person_item, tv_item
from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.media import images, tagged_images, unspoken, videos
from tmdb_assets.standin.smallthings import JsonObject, keyword, present_id

Part = Callable[[Dice], JsonObject]

WITHOUT_ID = frozenset({"changes", "recommendations", "similar"})
"""Parts that have no id even when they are asked for by their own path."""

WITH_ID = frozenset({("person", "tagged_images")})
"""Kinds and parts that have their id even when they are appended."""


def _cast_member(dice: Dice, order: int) -> JsonObject:
    return {
        **person_item(present_id(dice)),
        "cast_id": order + 1,
        "character": words.name(dice),
        "credit_id": dice.hexadecimal(24),
        "order": order,
    }


def crew_member(dice: Dice) -> JsonObject:
    """Return one of a crew."""
    department, job = dice.pick(words.JOBS)
    return {
        **person_item(present_id(dice)),
        "credit_id": dice.hexadecimal(24),
        "department": department,
        "job": job,
    }


def _credits(dice: Dice) -> JsonObject:
    return {
        "cast": [_cast_member(dice, order) for order in range(dice.between(12, 32))],
        "crew": [crew_member(dice) for _ in range(dice.between(6, 24))],
    }


def _over_episodes(member: JsonObject, name: str, what: str, dice: Dice) -> JsonObject:
    """Return a member with what it does as a list, each with its number of episodes."""
    credit = {"credit_id": member.pop("credit_id"), what: member.pop(what)}
    count = dice.between(1, 60)
    return {**member, name: [{**credit, "episode_count": count}], "total_episode_count": count}


def _aggregate_credits(dice: Dice) -> JsonObject:
    cast = [_cast_member(dice, order) for order in range(dice.between(10, 24))]
    for member in cast:
        del member["cast_id"]  # credits of a film have it
    crew = [crew_member(dice) for _ in range(dice.between(4, 12))]
    return {
        "cast": [_over_episodes(member, "roles", "character", dice) for member in cast],
        "crew": [_over_episodes(member, "jobs", "job", dice) for member in crew],
    }


def _works(items: tuple[str, ...], dice: Dice) -> JsonObject:
    """Return what a person took part in, of the kinds named."""
    cast: list[JsonObject] = []
    for _ in range(dice.between(5, 18)):
        kind = dice.pick(items)
        item = movie_item if kind == "movie" else tv_item
        part = {"character": words.name(dice), "credit_id": dice.hexadecimal(24)}
        cast.append({**item(present_id(dice)), **part, "media_type": kind})
    return {"cast": cast, "crew": []}


def _keywords(name: str, dice: Dice) -> JsonObject:
    return {name: [keyword(present_id(dice)) for _ in range(dice.between(3, 12))]}


def _external_ids(prefix: str, dice: Dice) -> JsonObject:
    return {
        "facebook_id": None,
        "imdb_id": f"{prefix}{dice.between(1, 9_999_999):07}",
        "instagram_id": None,
        "twitter_id": f"standin{dice.below(1000)}" if dice.chance(30) else None,
        "wikidata_id": f"Q{dice.between(1, 99_999_999)}",
    }


def _texts(name: str, dice: Dice) -> JsonObject:
    return {name: words.title(dice), "overview": words.story(dice, 1), "homepage": ""}


def _texts_of_person(dice: Dice) -> JsonObject:
    return {"biography": words.story(dice, 2), "name": words.name(dice), "primary": False}


def _translations(texts: Part, dice: Dice) -> JsonObject:
    translations = [
        {
            "data": texts(dice),
            "english_name": english,
            "iso_3166_1": code.upper(),
            "iso_639_1": code,
            "name": own,
        }
        for code, english, own in dice.some(words.LANGUAGES, dice.between(2, 8))
    ]
    return {"translations": translations}


def _alternative_titles(name: str, dice: Dice) -> JsonObject:
    titles = [
        {"iso_3166_1": code, "title": words.title(dice), "type": ""}
        for code, _ in dice.some(words.COUNTRIES, dice.below(6))
    ]
    return {name: titles}


def _alternative_names(dice: Dice) -> JsonObject:
    return {"results": [{"name": words.title(dice), "type": ""} for _ in range(dice.below(3))]}


def _release_dates(dice: Dice) -> JsonObject:
    results = [
        {
            "iso_3166_1": code,
            "release_dates": [
                {
                    "certification": dice.pick(("", "12", "16", "PG")),
                    "descriptors": [],
                    "iso_639_1": "",
                    "note": "",
                    "release_date": f"{dice.date(1950, 2026)}T00:00:00.000Z",
                    "type": dice.between(1, 6),
                }
            ],
        }
        for code, _ in dice.some(words.COUNTRIES, dice.between(2, 9))
    ]
    return {"results": results}


def _content_ratings(dice: Dice) -> JsonObject:
    chosen = dice.some(words.COUNTRIES, dice.between(1, 6))
    return {
        "results": [
            {"descriptors": [], "iso_3166_1": code, "rating": dice.pick(("12", "16", "TV-14"))}
            for code, _ in chosen
        ]
    }


def _watch_providers(dice: Dice) -> JsonObject:
    offers: JsonObject = {
        code: {
            "flatrate": [
                {
                    "display_priority": dice.below(30),
                    "logo_path": dice.picture(),
                    "provider_id": dice.between(1, 900),
                    "provider_name": f"Ciné{dice.pick(words.NOUNS)}",
                }
            ],
            "link": "https://stand-in.example/watch",
        }
        for code, _ in dice.some(words.COUNTRIES, dice.between(1, 9))
    }
    return {"results": offers}


def _reviews(dice: Dice) -> JsonObject:
    reviews = [
        {
            "author": words.name(dice),
            "content": words.story(dice, dice.between(2, 9)),
            "created_at": f"{dice.date(2010, 2026)}T08:00:00.000Z",
            "id": dice.hexadecimal(24),
            "url": "https://stand-in.example/review",
        }
        for _ in range(dice.below(4))
    ]
    return {"page": 1, "results": reviews, "total_pages": 1, "total_results": len(reviews)}


def _similar(kind: str, dice: Dice) -> JsonObject:
    item = movie_item if kind == "movie" else tv_item
    results = [item(present_id(dice)) for _ in range(20)]
    return {"page": 1, "results": results, "total_pages": 2, "total_results": 40}


def _lists(dice: Dice) -> JsonObject:
    found = [
        {
            "description": words.story(dice, 1),
            "favorite_count": 0,
            "id": dice.between(1, 9_000_000),
            "item_count": dice.between(1, 300),
            "iso_639_1": "en",
            "list_type": "movie",
            "name": words.title(dice),
            "poster_path": None,
        }
        for _ in range(dice.below(4))
    ]
    return {"page": 1, "results": found, "total_pages": 1, "total_results": len(found)}


def _nothing(name: str, dice: Dice) -> JsonObject:
    del dice
    return {name: []}


_COMMON: dict[str, Part] = {
    "changes": partial(_nothing, "changes"),
    "credits": _credits,
    "reviews": _reviews,
    "videos": videos,
    "watch/providers": _watch_providers,
}
_MOVIE: dict[str, Part] = {
    **_COMMON,
    "alternative_titles": partial(_alternative_titles, "titles"),
    "external_ids": partial(_external_ids, "tt"),
    "images": partial(images, ("backdrops", "logos", "posters")),
    "keywords": partial(_keywords, "keywords"),
    "lists": _lists,
    "recommendations": partial(_similar, "movie"),
    "release_dates": _release_dates,
    "similar": partial(_similar, "movie"),
    "translations": partial(_translations, partial(_texts, "title")),
}
_TV: dict[str, Part] = {
    **_COMMON,
    "aggregate_credits": _aggregate_credits,
    "alternative_titles": partial(_alternative_titles, "results"),
    "content_ratings": _content_ratings,
    "episode_groups": partial(_nothing, "results"),
    "external_ids": partial(_external_ids, "tt"),
    "images": partial(images, ("backdrops", "logos", "posters")),
    "keywords": partial(_keywords, "results"),
    "recommendations": partial(_similar, "tv"),
    "screened_theatrically": partial(_nothing, "results"),
    "similar": partial(_similar, "tv"),
    "translations": partial(_translations, partial(_texts, "name")),
}
_PERSON: dict[str, Part] = {
    "changes": partial(_nothing, "changes"),
    "combined_credits": partial(_works, ("movie", "tv")),
    "external_ids": partial(_external_ids, "nm"),
    "images": partial(unspoken, "profiles"),
    "movie_credits": partial(_works, ("movie",)),
    "tagged_images": tagged_images,
    "translations": partial(_translations, _texts_of_person),
    "tv_credits": partial(_works, ("tv",)),
}
_SEASON: dict[str, Part] = {
    **{name: _COMMON[name] for name in ("changes", "credits", "videos", "watch/providers")},
    "aggregate_credits": _aggregate_credits,
    "external_ids": partial(_external_ids, "tt"),
    "images": partial(images, ("posters",)),
    "translations": partial(_translations, partial(_texts, "name")),
}
_LOGOS = partial(unspoken, "logos")

PARTS: dict[str, dict[str, Part]] = {
    "movie": _MOVIE,
    "tv": _TV,
    "person": _PERSON,
    "season": _SEASON,
    "episode": {**_SEASON, "images": partial(unspoken, "stills")},
    "collection": {
        "images": partial(images, ("backdrops", "posters")),
        "translations": partial(_translations, partial(_texts, "title")),
    },
    "company": {"alternative_names": _alternative_names, "images": _LOGOS},
    "network": {"alternative_names": _alternative_names, "images": _LOGOS},
    "keyword": {"movies": partial(_similar, "movie")},
}
"""Name of each sub-resource of each kind, and what makes it."""

"""Made-up films, series and persons, each as TMDB's details and lists show it.

An object's facts follow from its kind and id alone, so a list and the details agree on a title;
a language only marks the texts. The small kinds are in `smallthings`, sub-resources (credits,
images, ...) in `parts`; which path means what is in `bodies`.
"""

from tmdb_assets.standin import words
from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.smallthings import (
    JsonObject,
    collection_item,
    company_item,
    network_item,
    present_id,
)


def _in_language(text: str, language: str) -> str:
    return f"[{language}] {text}" if language else text


def _votes(dice: Dice) -> JsonObject:
    return {
        "popularity": dice.between(100, 90_000) / 1000,
        "vote_average": dice.between(3_000, 9_000) / 1000,
        "vote_count": dice.between(0, 12_000),
    }


def movie_item(number: int, language: str = "") -> JsonObject:
    """Return a film as it stands in lists."""
    dice = Dice("movie", number)
    original = words.title(dice)
    return {
        "adult": False,
        "backdrop_path": dice.picture(),
        "genre_ids": [genre for genre, _ in dice.some(words.GENRES, dice.between(1, 4))],
        "id": number,
        "original_language": dice.pick(words.LANGUAGES)[0],
        "original_title": original,
        "overview": _in_language(words.story(dice, dice.between(2, 4)), language),
        "poster_path": dice.picture() if dice.chance(90) else None,
        "release_date": dice.date(1920, 2026),
        "title": _in_language(original, language),
        "video": False,
        **_votes(dice),
    }


def tv_item(number: int, language: str = "") -> JsonObject:
    """Return a series as it stands in lists."""
    dice = Dice("tv", number)
    original = words.title(dice)
    return {
        "adult": False,
        "backdrop_path": dice.picture(),
        "first_air_date": dice.date(1950, 2026),
        "genre_ids": [genre for genre, _ in dice.some(words.GENRES, dice.between(1, 3))],
        "id": number,
        "name": _in_language(original, language),
        "origin_country": [dice.pick(words.COUNTRIES)[0]],
        "original_language": dice.pick(words.LANGUAGES)[0],
        "original_name": original,
        "overview": _in_language(words.story(dice, dice.between(2, 4)), language),
        "poster_path": dice.picture() if dice.chance(90) else None,
        **_votes(dice),
    }


def person_item(number: int) -> JsonObject:
    """Return a person as it stands in lists and credits."""
    dice = Dice("person", number)
    name = words.name(dice)
    return {
        "adult": False,
        "gender": dice.below(4),
        "id": number,
        "known_for_department": "Acting" if dice.chance(60) else dice.pick(words.JOBS)[0],
        "name": name,
        "original_name": name,
        "popularity": dice.between(10, 60_000) / 1000,
        "profile_path": dice.picture() if dice.chance(70) else None,
    }


def _with_genres(item: JsonObject) -> JsonObject:
    """Return the item with `genres` as details have them, instead of a list's `genre_ids`."""
    ids = item.pop("genre_ids")
    names = [
        {"id": genre, "name": name}
        for genre, name in words.GENRES
        if isinstance(ids, list) and genre in ids
    ]
    return {**item, "genres": names}


def _companies(dice: Dice) -> list[JsonObject]:
    return [company_item(present_id(dice, 9_000)) for _ in range(dice.between(1, 4))]


def _countries(dice: Dice) -> list[JsonObject]:
    chosen = dice.some(words.COUNTRIES, dice.between(1, 3))
    return [{"iso_3166_1": code, "name": name} for code, name in chosen]


def _spoken(dice: Dice) -> list[JsonObject]:
    return [
        {"english_name": english, "iso_639_1": code, "name": own}
        for code, english, own in dice.some(words.LANGUAGES, dice.between(1, 3))
    ]


def movie(number: int, language: str = "") -> JsonObject:
    """Return a film's details."""
    dice = Dice("movie details", number)
    part = dice.chance(25)
    return {
        **_with_genres(movie_item(number, language)),
        "belongs_to_collection": collection_item(present_id(dice, 900)) if part else None,
        "budget": dice.below(2) * dice.between(1, 200) * 1_000_000,
        "homepage": f"https://stand-in.example/movie/{number}" if dice.chance(40) else "",
        "imdb_id": f"tt{number:07}" if dice.chance(80) else None,
        "overview": _in_language(words.story(dice, dice.between(4, 12)), language),
        "production_companies": _companies(dice),
        "production_countries": _countries(dice),
        "revenue": dice.below(2) * dice.between(1, 900) * 1_000_000,
        "runtime": dice.between(60, 190),
        "spoken_languages": _spoken(dice),
        "status": "Released",
        "tagline": words.sentence(dice) if dice.chance(70) else "",
    }


def season_count(number: int) -> int:
    """Return how many seasons a series has."""
    return 1 + number % 8


def episode_count(number: int, season: int) -> int:
    """Return how many episodes a season of a series has."""
    return 4 + (number + 3 * season) % 9


def episode(number: int, season: int, place: int) -> JsonObject:
    """Return an episode as it stands in its season."""
    dice = Dice("episode", number, season, place)
    return {
        "air_date": dice.date(1950, 2026),
        "episode_number": place,
        "episode_type": "standard",
        "id": number * 10_000 + season * 100 + place,
        "name": words.title(dice),
        "overview": words.story(dice, 1),
        "production_code": "",
        "runtime": dice.between(20, 60),
        "season_number": season,
        "show_id": number,
        "still_path": dice.picture() if dice.chance(60) else None,
        "vote_average": dice.tenths(3, 9),
        "vote_count": dice.below(400),
    }


def season_item(number: int, season: int) -> JsonObject:
    """Return a season as it stands in its series."""
    dice = Dice("season", number, season)
    return {
        "air_date": dice.date(1950, 2026),
        "episode_count": episode_count(number, season),
        "id": number * 100 + season,
        "name": f"Season {season}" if season else "Specials",
        "overview": words.story(dice, 1) if dice.chance(30) else "",
        "poster_path": dice.picture(),
        "season_number": season,
        "vote_average": dice.tenths(3, 9),
    }


def _creator(dice: Dice) -> JsonObject:
    person = person_item(present_id(dice))
    shown = ("id", "gender", "name", "original_name", "profile_path")
    return {"credit_id": dice.hexadecimal(24), **{key: person[key] for key in shown}}


def _length_of_tv(number: int) -> JsonObject:
    seasons = season_count(number)
    return {
        "last_episode_to_air": episode(number, seasons, episode_count(number, seasons)),
        "next_episode_to_air": None,
        "number_of_episodes": sum(episode_count(number, 1 + place) for place in range(seasons)),
        "number_of_seasons": seasons,
        "seasons": [season_item(number, 1 + place) for place in range(seasons)],
    }


def tv(number: int, language: str = "") -> JsonObject:
    """Return a series' details."""
    dice = Dice("tv details", number)
    return {
        **_with_genres(tv_item(number, language)),
        "created_by": [_creator(dice) for _ in range(dice.below(3))],
        "episode_run_time": [dice.between(20, 60)] if dice.chance(60) else [],
        "homepage": f"https://stand-in.example/tv/{number}" if dice.chance(40) else "",
        "in_production": dice.chance(20),
        "languages": [code for code, _, _ in dice.some(words.LANGUAGES, 2)],
        "last_air_date": dice.date(1990, 2026),
        "networks": [network_item(present_id(dice, 3_000))],
        "production_companies": _companies(dice),
        "production_countries": _countries(dice),
        "spoken_languages": _spoken(dice),
        "status": dice.pick(("Ended", "Returning Series", "Canceled")),
        "tagline": words.sentence(dice) if dice.chance(40) else "",
        "type": "Scripted",
        **_length_of_tv(number),
    }


def person(number: int, language: str = "") -> JsonObject:
    """Return a person's details."""
    dice = Dice("person details", number)
    item = person_item(number)
    del item["original_name"]  # credits and lists have it, details do not
    return {
        **item,
        "also_known_as": dice.some(words.ALIASES, dice.below(5)),
        "biography": _in_language(words.story(dice, dice.between(8, 22)), language),
        "birthday": dice.date(1900, 2005) if dice.chance(70) else None,
        "deathday": None,
        "homepage": None,
        "imdb_id": f"nm{number:07}" if dice.chance(80) else None,
        "place_of_birth": dice.pick(words.PLACES) if dice.chance(70) else None,
    }


def collection(number: int, language: str = "") -> JsonObject:
    """Return a collection's details."""
    dice = Dice("collection details", number)
    films = [movie_item(present_id(dice), language) for _ in range(dice.between(2, 8))]
    return {
        **collection_item(number),
        "overview": _in_language(words.story(dice, 2), language),
        "parts": films,
    }

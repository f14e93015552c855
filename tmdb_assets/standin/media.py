"""Made-up images and videos, and which of them a language shows; pure."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from tmdb_assets.standin import words
from tmdb_assets.standin.details import movie_item
from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.smallthings import JsonObject, present_id

_INCLUDES = MappingProxyType(
    {"images": "include_image_language", "videos": "include_video_language"}
)


def _image(dice: Dice, width: int, height: int) -> JsonObject:
    return {
        "aspect_ratio": round(width / height, 3),
        "file_path": dice.picture(),
        "height": height,
        "iso_639_1": dice.pick((None, "en", "de", "fr")),
        "vote_average": dice.tenths(0, 9),
        "vote_count": dice.below(40),
        "width": width,
    }


def unspoken(name: str, dice: Dice) -> JsonObject:
    """Return images that belong to no language, as portraits and stills do."""
    return {name: [{**image, "iso_639_1": None} for image in _shots(name, dice)]}


def images(names: tuple[str, ...], dice: Dice) -> JsonObject:
    """Return images of these names, such as posters, in several languages and in none."""
    return {name: _shots(name, dice) for name in names}


def _shots(name: str, dice: Dice) -> list[JsonObject]:
    shapes = {"backdrops": (1920, 1080), "stills": (1280, 720), "logos": (800, 310)}
    shape = shapes.get(name, (1000, 1500))
    return [_image(dice, *shape) for _ in range(dice.between(2, 12))]


def videos(dice: Dice) -> JsonObject:
    """Return videos in several languages and in none."""
    found = [
        {
            "id": dice.hexadecimal(24),
            "iso_3166_1": "US",
            "iso_639_1": dice.pick((None, "en", "en", "de", "fr")),
            "key": f"standin{dice.hexadecimal(4)}",
            "name": f"{words.title(dice)}: trailer",
            "official": dice.chance(80),
            "published_at": f"{dice.date(2008, 2026)}T12:00:00.000Z",
            "site": "YouTube",
            "size": 1080,
            "type": dice.pick(("Trailer", "Teaser", "Clip")),
        }
        for _ in range(dice.below(9))
    ]
    return {"results": found}


def in_languages(name: str, value: JsonObject, asked: Mapping[str, str]) -> JsonObject:
    """Return the images or videos in the languages that were asked for; other parts as they are.

    Without a language, images of all are shown, and videos in English, which is TMDB's default.

    Args:
        name: of the part.
        value: the part with images or videos of all languages.
        asked: the parameters: `language`, `include_image_language`, `include_video_language`.
    """
    parameter = _INCLUDES.get(name)
    if parameter is None:
        return value
    default = "en-US" if name == "videos" else ""
    language = asked.get("language", default)
    wanted = {one.strip() for one in asked.get(parameter, "").split(",") if one.strip()}
    if language:
        wanted.add(language[:2].lower())
    if not wanted:
        return value
    return {key: _spoken(things, wanted) for key, things in value.items()}


def _spoken(things: object, wanted: AbstractSet[str]) -> list[object]:
    found = things if isinstance(things, list) else []
    return [one for one in found if (one["iso_639_1"] or "null") in wanted]


def tagged_images(dice: Dice) -> JsonObject:
    """Return a page of images of films that a person is marked on."""
    found = [
        {
            **_image(dice, 1920, 1080),
            "image_type": "backdrop",
            "media": movie_item(present_id(dice)),
            "media_type": "movie",
        }
        for _ in range(dice.below(4))
    ]
    return {"page": 1, "results": found, "total_pages": 1, "total_results": len(found)}

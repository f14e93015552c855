"""Which answer a path has: the map from TMDB's paths to made-up objects.

`answer_to` is pure: the same path, query and world give the same bytes in every process. It knows
neither latency nor faults nor the cap. The last few thousand answers are kept, ready to send.
"""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import parse_qsl

from tmdb_assets.standin import answers, changes, details, lists, smallthings
from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.media import in_languages
from tmdb_assets.standin.parts import PARTS, WITH_ID, WITHOUT_ID, crew_member
from tmdb_assets.standin.smallthings import JsonObject
from tmdb_assets.standin.world import WORLD, World

MOVED = "moved/"
"""Paths below `/3/moved/` answer like those without it; redirects lead there."""

_APPEND = "append_to_response"
_APPENDED_AT_MOST = 20
_ID_DIGITS_AT_MOST = 9
_KEPT_ANSWERS = 4096

_DETAILS: dict[str, Callable[[int, str], JsonObject]] = {
    "collection": details.collection,
    "company": smallthings.company,
    "keyword": smallthings.keyword,
    "movie": details.movie,
    "network": smallthings.network,
    "person": details.person,
    "tv": details.tv,
}
_LATEST_ID = 1_500_001

# of portraits, stills and logos of companies TMDB shows all, whatever the language
_IN_NO_LANGUAGE = frozenset(
    (kind, "images") for kind in ("company", "episode", "network", "person")
)


class _AbsentError(Exception):
    """There is no such thing."""


class _InvalidError(Exception):
    """The request asks for what TMDB refuses: status, code and message."""


@lru_cache(maxsize=_KEPT_ANSWERS)
def answer_to(path: str, query: str, world: World = WORLD) -> Answer:
    """Return the answer to a request.

    Args:
        path: decoded, with the version: `/3/movie/550`.
        query: as sent, without credentials.
        world: the state of the data.
    """
    asked = dict(parse_qsl(query, keep_blank_values=True))
    try:
        return answers.found(_revised(_value_of(path, asked, world), world.revision))
    except _AbsentError:
        return answers.not_found()
    except _InvalidError as invalid:
        status, code, message = invalid.args
        return answers.error(status, code, message)


def _revised(value: object, revision: int) -> object:
    if revision and isinstance(value, dict):
        return {**value, "stand_in_revision": revision}
    return value


def _value_of(path: str, asked: dict[str, str], world: World) -> object:
    _, version, rest = f"{path}//".split("/", 2)
    name = rest.strip("/").removeprefix(MOVED)
    if version == "4":
        return _list_of_version_4(name)
    if version != "3":
        raise _AbsentError
    return _listed(name, asked, world) or _object(name.split("/"), asked)


def _list_of_version_4(name: str) -> JsonObject:
    kind, _, number = name.partition("/")
    if kind != "list":
        raise _AbsentError
    page = lists.page_of(details.movie_item, name, "", 1)
    return {**page, "id": _id(number), "name": f"List {number}", "public": True}


def _listed(name: str, asked: dict[str, str], world: World) -> object | None:
    """Return what an endpoint answers that names no single object, None if it is none."""
    fixed = lists.fixed(name)
    if fixed is not None:
        return fixed
    others = "&".join(f"{key}={value}" for key, value in sorted(asked.items()) if key != "page")
    match name.split("/"):
        case ["movie" | "tv" | "person" as kind, "changes"]:
            return _changes(kind, asked, world.changes_per_day)
        case ["movie" | "tv" | "person" as kind, "latest"]:
            return _DETAILS[kind](_LATEST_ID, "")
        case ["find", external_id]:
            return lists.found_by(external_id)
    item = lists.item_of(name)
    return lists.page_of(item, name, others, _page(asked)) if item else None


def _whole(text: str) -> int | None:
    """Return the number that the text is, None if it is no id, page or the like."""
    if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS_AT_MOST:
        return int(text)
    return None


def _page(asked: dict[str, str]) -> int:
    page = _whole(asked.get("page", "1"))
    if page is not None and 1 <= page <= lists.PAGES_AT_MOST:
        return page
    message = "Invalid page: Pages start at 1 and max at 500. They are expected to be an integer."
    raise _InvalidError(400, 22, message)


def _changes(kind: str, asked: dict[str, str], per_day: int) -> JsonObject:
    page = _page(asked)
    try:
        days = changes.window(asked.get("start_date"), asked.get("end_date"))
    except changes.BadDateError:
        message = "Invalid date: Format needs to be YYYY-MM-DD."
        raise _InvalidError(400, 23, message) from None
    except changes.BadRangeError:
        message = "Invalid date range: Should be a range no longer than 14 days."
        raise _InvalidError(422, 20, message) from None
    return changes.page_of(kind, days, page, per_day)


def _id(text: str) -> int:
    """Return the id of an object that exists."""
    number = _whole(text)
    if number is None or not smallthings.exists(number):
        raise _AbsentError
    return number


def _object(steps: list[str], asked: dict[str, str]) -> JsonObject:
    """Return an object, one of its parts, or a season or an episode."""
    match steps:
        case ["movie", imdb_id, *rest] if imdb_id.startswith("tt"):
            value = _object(["movie", str(_id(imdb_id[2:])), *rest], asked)
            return value if rest else {**value, "imdb_id": imdb_id}
        case ["credit" | "review" as kind, key] if key:
            return {"id": key, "media_type": "movie", **_small(kind, key)}
        case ["tv", text, "season", season, *rest]:
            return _season(_id(text), season, rest, asked)
        case [kind, text] if kind in _DETAILS:
            number = _id(text)
            value = _DETAILS[kind](number, asked.get("language", ""))
            return {**value, **_appended(kind, (number,), asked)}
        case [kind, text, *rest] if kind in _DETAILS:
            number = _id(text)
            return _single(kind, (number,), "/".join(rest), number, asked)
    raise _AbsentError


def _small(kind: str, key: str) -> JsonObject:
    member = crew_member(Dice(kind, key))
    if kind == "credit":
        return {"credit_type": "crew", "department": member["department"], "job": member["job"]}
    return {"author": member["name"], "content": "Made up by the stand-in.", "iso_639_1": "en"}


def _single(
    kind: str, key: tuple[int, ...], name: str, number: object, asked: dict[str, str]
) -> JsonObject:
    """Return a part as its own path has it: mostly with an id."""
    part = _part(kind, key, name, asked, _page(asked))
    return part if name in WITHOUT_ID else {"id": number, **part}


def _part(
    kind: str, key: tuple[int, ...], name: str, asked: dict[str, str], page: int = 1
) -> JsonObject:
    maker = PARTS.get(kind, {}).get(name)
    if maker is None:
        raise _AbsentError
    value = maker(Dice(kind, *key, name, page))
    if (kind, name) not in _IN_NO_LANGUAGE:
        value = in_languages(name, value, asked)
    return {**value, "page": page} if "page" in value else value


def _appended(kind: str, key: tuple[int, ...], asked: dict[str, str]) -> JsonObject:
    """Return the sub-resources to merge; names that do not exist are passed over, as TMDB does."""
    names = [name for name in asked.get(_APPEND, "").split(",") if name]
    if len(names) > _APPENDED_AT_MOST:
        message = "Too many append to response objects: The maximum number of remote calls is 20."
        raise _InvalidError(400, 27, message)
    known = PARTS.get(kind, {})
    appended: JsonObject = {
        name: {
            **({"id": key[0]} if (kind, name) in WITH_ID else {}),
            **_part(kind, key, name, asked),
        }
        for name in names
        if name in known
    }
    seasons = [name for name in names if kind == "tv" and name.startswith("season/")]
    for name in seasons:
        appended[name] = _season(key[0], name.removeprefix("season/"), [], {})
    return appended


def _within(text: str, last: int, first: int = 1) -> int:
    number = _whole(text)
    if number is None or not first <= number <= last:
        raise _AbsentError
    return number


def _season(series: int, text: str, rest: list[str], asked: dict[str, str]) -> JsonObject:
    season = _within(text, details.season_count(series), first=0)
    episodes = details.episode_count(series, season)
    match rest:
        case []:
            return {
                **_season_details(series, season),
                **_appended("season", (series, season), asked),
            }
        case ["episode", place, *more]:
            return _episode((series, season, _within(place, episodes)), more, asked)
    item = details.season_item(series, season)
    return _single("season", (series, season), "/".join(rest), item["id"], asked)


def _season_details(series: int, season: int) -> JsonObject:
    item = details.season_item(series, season)
    count = item.pop("episode_count")
    places = range(1, 1 + count if isinstance(count, int) else 1)
    episodes = [_with_crew((series, season, place)) for place in places]
    return {"_id": Dice("season", series, season).hexadecimal(24), "episodes": episodes, **item}


def _with_crew(key: tuple[int, int, int]) -> JsonObject:
    dice = Dice("crew", *key)
    crew = [crew_member(dice) for _ in range(2)]
    return {**details.episode(*key), "crew": crew, "guest_stars": []}


def _episode(key: tuple[int, int, int], rest: list[str], asked: dict[str, str]) -> JsonObject:
    value = _with_crew(key)
    if not rest:
        return {**value, **_appended("episode", key, asked)}
    return _single("episode", key, "/".join(rest), value["id"], asked)

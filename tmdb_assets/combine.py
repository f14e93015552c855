"""One request for many URLs: which URLs TMDB answers together, and their parts of its answer. Pure.

TMDB appends sub-resources of a movie, show, season, episode or the like to the answer about it
(`append_to_response`), up to twenty, and counts one request. What is appended has the shape that it
has by itself, but for its `id`. Sub-resources whose shape is known are named here; all others, and
URLs that have a page or append something themselves, are asked for alone.
"""

import json
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tmdb_assets.model import Outcome, Target
from tmdb_assets.urls import key, target

APPENDED_AT_MOST = 20
"""TMDB developer docs, 'Errors', code 27: "The maximum number of remote calls is 20"."""

_APPEND = "append_to_response"

_LONGEST = 1_600
"""Characters of a URL that can be asked for with others: all names to append take 300 more."""

_SHARED = {"credits", "external_ids", "images", "translations", "videos"}
_SHOWN = {"alternative_titles", "keywords", "recommendations", "similar", "watch/providers"}
_PARTS = {
    "movie": _SHARED | _SHOWN | {"changes", "release_dates"},
    "tv": _SHARED
    | _SHOWN
    | {"aggregate_credits", "changes", "content_ratings", "episode_groups"}
    | {"screened_theatrically"},
    "season": _SHARED | {"aggregate_credits", "watch/providers"},
    "episode": _SHARED,
    "person": {"changes", "combined_credits", "external_ids", "images", "movie_credits"}
    | {"tagged_images", "translations", "tv_credits"},
    "collection": {"images"},
    "company": {"alternative_names", "images"},
}
_WITHOUT_ID = frozenset({"changes", "recommendations", "similar"})
"""What has no id by itself either."""

_RESOURCE = re.compile(
    r"(https?://[^/]+/3/(?:(movie)/(?:tt)?[0-9]{1,18}|(person|collection|company)/[0-9]{1,18}"
    r"|(tv)/[0-9]{1,18}(?:(/season)/[0-9]{1,6}(?:(/episode)/[0-9]{1,6})?)?))"
    r"(?:/([a-z_/]+))?(?:\?(.*))?"
)


class _Resource(NamedTuple):
    """A URL taken apart: what it is about, its sub-resource (empty for the thing itself), query."""

    base: str
    part: str
    query: str


def group_of(url: str) -> str:
    """Return what is the same for all URLs that can be asked for together; else the URL itself."""
    resource = _resource(url)
    return url if resource is None else f"{resource.base}?{resource.query}"


def requests_for(
    pending: Sequence[Target], former: Mapping[str, Outcome], *, combined: bool
) -> list[Target]:
    """Return what to ask for: with conditions where a body is there, and together if it may be.

    A target that stands for several has them as `parts`.

    Args:
        pending: targets of one batch.
        former: outcomes of those whose body is there already, by URL.
        combined: whether what can be asked for together is.
    """
    asked = _combined(pending) if combined else pending
    return [_conditional(one, former) for one in asked]


def _combined(pending: Sequence[Target]) -> Iterator[Target]:
    groups: defaultdict[str, list[Target]] = defaultdict(list)
    for one in pending:
        groups[group_of(one.url)].append(one)
    for some in groups.values():
        for start in range(0, len(some), APPENDED_AT_MOST):
            parts = some[start : start + APPENDED_AT_MOST]
            yield parts[0] if len(parts) == 1 else _together(tuple(parts))


def _together(parts: tuple[Target, ...]) -> Target:
    resources = [_parsed(part.url) for part in parts]
    names = sorted(resource.part for resource in resources if resource.part)
    appended = f"{_APPEND}={','.join(names).replace('/', '%2F')}"
    pairs = [appended, *filter(None, resources[0].query.split("&"))]
    pairs.sort(key=lambda pair: pair.partition("=")[0])
    whole = target(f"{resources[0].base}?{'&'.join(pairs)}")
    return Target(whole.url, whole.name, parts=parts)


def _conditional(one: Target, former: Mapping[str, Outcome]) -> Target:
    """Return a target that is asked for only if it changed, where an earlier answer says how."""
    parts = one.parts or (one,)
    combined_with = one.url if one.parts else ""
    known = {
        (last.combined_with, last.etag) if (last := former.get(part.url)) else ("", "")
        for part in parts
    }
    with_url, etag = next(iter(known))
    if len(known) > 1 or with_url != combined_with or not etag:
        return one
    return Target(one.url, one.name, etag, one.parts)


def split(body: bytes, whole: Target) -> Iterator[tuple[Target, bytes | None]]:
    """Yield the parts of a combined target, each with the body that it would have had by itself.

    TMDB's own bytes, but for the `id` put before them and what is left out around them. None where
    the answer lacks the part: it has to be asked for alone.

    Args:
        body: a JSON object of TMDB, about `whole`.
        whole: with at least two parts.
    """
    text = body.decode()
    members = {name: (key_text, raw, value) for name, key_text, raw, value in _members(text)}
    names = {part.url: _parsed(part.url).part for part in whole.parts}
    for part in whole.parts:
        name = names[part.url]
        if name:
            yield part, _appended(name, members)
        else:
            appended = set(filter(None, names.values()))
            own = [
                f"{key_text}:{raw}"
                for name, (key_text, raw, _) in members.items()
                if name not in appended
            ]
            yield part, f"{{{','.join(own)}}}".encode()


def itself(whole: Target) -> Target | None:
    """Return the part of a combined target that is about the thing itself, if it is among them."""
    return next((part for part in whole.parts if not _parsed(part.url).part), None)


def _appended(name: str, members: Mapping[str, tuple[str, str, object]]) -> bytes | None:
    _, raw, value = members.get(name, ("", "", None))
    if not isinstance(value, dict) or "status_message" in value or value.get("success") is False:
        return None
    if name in _WITHOUT_ID or "id" in value:
        return raw.encode()
    if "id" not in members:
        return None
    rest = raw[1:].lstrip()
    return f'{{"id":{members["id"][1]}{"" if rest == "}" else ","}{rest}'.encode()


_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")


def _members(text: str) -> Iterator[tuple[str, str, str, object]]:
    """Yield name, text and value of each member of a JSON object; the text is known to be one."""
    position = _after_blanks(text, _after_blanks(text, 0) + 1)
    while text[position] != "}":
        begin = position
        name, position = _DECODER.raw_decode(text, position)
        key_text = text[begin:position]
        start = _after_blanks(text, _after_blanks(text, position) + 1)
        value, end = _DECODER.raw_decode(text, start)
        yield name, key_text, text[start:end], value
        position = _after_blanks(text, end)
        if text[position] == ",":
            position = _after_blanks(text, position + 1)


def _after_blanks(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


class Grouping:
    """Numbers the groups of many URLs; some hundred bytes for each group."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._sizes = array("q")

    def add(self, url: str) -> int:
        """Return the number of the group of a URL that was not there before; from 0 on."""
        number = self._numbers.setdefault(key(group_of(url)), len(self._sizes))
        if number == len(self._sizes):
            self._sizes.append(0)
        self._sizes[number] += 1
        return number

    def requests(self) -> Sequence[int]:
        """Return how many URLs each of the requests is for, in the order of the groups."""
        return array(
            "B",  # a byte each
            (
                min(APPENDED_AT_MOST, size - start)
                for size in self._sizes
                for start in range(0, size, APPENDED_AT_MOST)
            ),
        )


def _resource(url: str) -> _Resource | None:
    """Take a URL apart that can be asked for together with others; None for all else."""
    match = _RESOURCE.fullmatch(url)
    if match is None or len(url) > _LONGEST:
        return None
    base, *kinds, part, query = match.groups(default="")
    kind = [kind.strip("/") for kind in kinds if kind][-1]
    if part and part not in _PARTS[kind]:
        return None
    names = {pair.partition("=")[0] for pair in query.split("&")}
    return None if names & {_APPEND, "page"} else _Resource(base, part, query)


def _parsed(url: str) -> _Resource:
    resource = _resource(url)
    if resource is None:
        raise ValueError("a part of a combined target that cannot be combined")
    return resource

"""Which URLs one id makes: details with what is appended, or each sub-resource by itself. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Settings
from tmdb_assets.rejection import RejectedLineError
from tmdb_assets.sources.kinds import Kind
from tmdb_assets.urls import canonical

APPENDED_AT_MOST = 20
"""TMDB's bound on sub-resources in one request (its error 27)."""

_APPEND = "append_to_response"
_SEASON = re.compile(r"season/[0-9]{1,4}")
_PARAMETER = re.compile(r"([A-Za-z0-9_.-]{1,80})=(.*)", re.DOTALL)
_SAMPLE_ID = "1"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked about an id.

    Attributes:
        append: sub-resources, in the order in which they are asked for.
        separate: whether each of them is a URL of its own instead of being appended.
        parameters: `name=value` for every URL.
    """

    append: tuple[str, ...] = ()
    separate: bool = False
    parameters: tuple[str, ...] = field(default=(), repr=False)  # one may be a credential


@dataclass(frozen=True, slots=True)
class Shape:
    """URLs of one kind: all begin alike, then comes the id, then one of a few ends."""

    before: str
    ends: tuple[str, ...]

    def urls(self, number: int) -> Iterator[str]:
        """Yield the URLs of an id, that of its details first."""
        for end in self.ends:
            yield f"{self.before}{number}{end}"


def shape_of(kind: Kind, wish: Wish, settings: Settings) -> Shape:
    """Return the shape of the canonical URLs that are wished for.

    Raises:
        ConfigurationError: a sub-resource that the kind does not have, more than may be appended,
            or a parameter that cannot be one. No text of a value is in the message.
    """
    parts = _parts(kind, wish)
    query = [_checked(parameter) for parameter in wish.parameters]
    if parts and not wish.separate:
        query.append(f"{_APPEND}={','.join(parts)}")
    suffix = f"?{'&'.join(query)}" if query else ""
    paths = ["", *(f"/{part}" for part in parts)] if wish.separate else [""]
    start = f"/3/{kind.name}/"
    urls = [_canonical(f"{start}{_SAMPLE_ID}{path}{suffix}", settings) for path in paths]
    before = settings.origins[0] + start
    cut = len(before) + len(_SAMPLE_ID)
    return Shape(before, tuple(url[cut:] for url in urls))


def _parts(kind: Kind, wish: Wish) -> list[str]:
    if wish.separate and not wish.append:
        raise ConfigurationError(
            "nothing stands alone without sub-resources: name them, as in --append credits,images"
        )
    parts = list(dict.fromkeys(wish.append))
    for part in parts:
        if part not in kind.parts and not (kind.name == "tv" and _SEASON.fullmatch(part)):
            more = " and season/1 and so on" if kind.name == "tv" else ""
            raise ConfigurationError(
                f"{part[:80]!r} is no sub-resource of {kind.name}: "
                f"take from {', '.join(sorted(kind.parts))}{more}"
            )
    if len(parts) > APPENDED_AT_MOST and not wish.separate:
        raise ConfigurationError(
            f"{len(parts)} sub-resources are more than the {APPENDED_AT_MOST} that TMDB appends: "
            "take fewer, or have them separate"
        )
    return parts


def _checked(parameter: str) -> str:
    match = _PARAMETER.fullmatch(parameter)
    if match is None or not match[2]:
        raise ConfigurationError(
            "a parameter is not of the form name=value: write it as in language=de-DE"
        )
    if match[1] == _APPEND:
        raise ConfigurationError(f"{_APPEND} is no parameter to set: name what to append instead")
    if re.search(r"[&#?\s]", match[2]):
        raise ConfigurationError(
            f"the value of {match[1]!r} holds white space or one of & # ?: write it encoded"
        )
    return parameter


def _canonical(line: str, settings: Settings) -> str:
    try:
        found = canonical(line, settings.origins)
    except RejectedLineError as error:
        raise ConfigurationError(f"these parameters make no URL: {error}") from None
    secret = settings.credential.secret.lower() if settings.credential is not None else ""
    if found.had_credential or (secret and secret in unquote(found.url).lower()):
        raise ConfigurationError(
            "a parameter is a credential: leave it out, TMDB_READ_ACCESS_TOKEN is for that"
        )
    return found.url


def split_names(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names that stand in a text with commas, or in several."""
    texts = [text] if isinstance(text, str) else text
    return tuple(name for one in texts for part in one.split(",") if (name := part.strip()))

"""Single values: reading JSON so that they are kept, and what one takes, in which place. Pure."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from tmdb_assets.tables.shapes import Inside, Scalar, Shape, Struct

Where = tuple["Where", str | int] | None
"""The place of a value: that of what holds it, and its name or number there."""

HEAVIEST = 12 << 20
"""Bytes that the items of lists may take, by `width`, in what DuckDB reads at once.

Measured with DuckDB 2.0: it needs 51 MiB for a row of nothing, 16 bytes for one of dense JSON, and
4 to 9 bytes for one of these, because a list takes twice its room as it grows, and is copied.
"""

_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_INTEGERS = range(-(2**63), 2**63)
_DIGITS_WITHIN = 15  # so many, with the sign, fit in 64 bits and in a DOUBLE
_LAST_EXACT = 2.0**53
_HALF = "text with half of a character"
_BEYOND = "a number beyond 64 bits"
_NAMES = MappingProxyType(
    {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The JSON of a body.

    Attributes:
        is_plain: no number in it is so large that it may not fit, no text has half of a character.
    """

    document: Any
    is_plain: bool


class _SpecialError(Exception):
    """A number needs a closer look."""


def decode(body: bytes) -> Decoded:
    """Return the JSON of a body.

    Raises:
        ValueError: it is none.
    """
    try:
        return _decoded(body, body.decode())
    except RecursionError:
        raise ValueError("brackets without end") from None


def _decoded(body: bytes, text: str) -> Decoded:
    if not _HALF_CHARACTER.search(body):
        try:
            return Decoded(_QUICK.decode(text), is_plain=True)
        except _SpecialError:
            pass  # a closer look does it
    return Decoded(_CAREFUL.decode(text), is_plain=False)


def _small_integer(text: str) -> int:
    if len(text) > _DIGITS_WITHIN:
        raise _SpecialError
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _SpecialError
    return number


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_QUICK = json.JSONDecoder(
    parse_int=_small_integer, parse_float=_finite_number, parse_constant=_refuse
)
_CAREFUL = json.JSONDecoder(parse_constant=_refuse)


def json_text(value: object) -> str:
    """Return JSON that every reader takes: numbers that JSON does not have become text."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    except ValueError:
        return json.dumps(_speakable(value))
    return text


def _speakable(value: object) -> object:
    match value:
        case dict():
            return {key: _speakable(inner) for key, inner in value.items()}
        case list():
            return [_speakable(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
    return value


def instead(wanted: str, value: object) -> str:
    """Return why a value of another type than the `wanted` one does not fit."""
    return f"{_NAMES[type(value)]} instead of {wanted}"


def _integer(value: object) -> int:
    if type(value) is int:
        if value in _INTEGERS:
            return value
        raise ValueError(_BEYOND)
    if type(value) is float and value.is_integer() and abs(value) <= _LAST_EXACT:
        return int(value)
    raise ValueError(instead("a whole number", value))


def _number(value: object) -> float:
    if type(value) is not int and type(value) is not float:
        raise ValueError(instead("a number", value))
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(_BEYOND) from None
    if not math.isfinite(number):
        raise ValueError(_BEYOND)
    if number != value:
        raise ValueError("a number of more than 15 digits")
    return number


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError(instead("text", value))
    if not is_whole(value):
        raise ValueError(_HALF)
    return value


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError(instead("true or false", value))
    return value


def _day(value: object) -> str | None:
    if type(value) is not str:
        raise ValueError(instead("a day", value))
    if value and not _is_day(value):
        raise ValueError("no day of the calendar")
    return value or None


def _moment(value: object) -> str | None:
    if type(value) is not str:
        raise ValueError(instead("a moment", value))
    if value and not _is_moment(value):
        raise ValueError("no moment like 1999-10-15T00:00:00.000Z")
    return value or None


def is_whole(text: str) -> bool:
    """Say whether a text has no half of a character, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=16_384)
def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


@lru_cache(maxsize=4096)
def _is_moment(text: str) -> bool:
    try:
        return _MOMENT.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


FITS: Mapping[Scalar, tuple[frozenset[type], Callable[[Any], object]]] = MappingProxyType(
    {
        Scalar.INTEGER: (frozenset({int}), _integer),
        Scalar.NUMBER: (frozenset({int, float}), _number),
        Scalar.TEXT: (frozenset({str}), _text),
        Scalar.FLAG: (frozenset({bool}), _flag),
        Scalar.DAY: (frozenset(), _day),
        Scalar.MOMENT: (frozenset(), _moment),
    }
)
"""Python types that fit in a plain body, and what makes a value fit or raises ValueError."""

_WIDTHS: Mapping[Scalar, int] = MappingProxyType(
    {
        Scalar.INTEGER: 8,
        Scalar.NUMBER: 8,
        Scalar.TEXT: 16,
        Scalar.FLAG: 1,
        Scalar.DAY: 4,
        Scalar.MOMENT: 8,
    }
)
_LIST_WIDTH = 16


def width(shape: Shape) -> int:
    """Return the bytes of a value in DuckDB's memory, NULL or not, without letters and items."""
    match shape:
        case Scalar():
            return _WIDTHS[shape]
        case Struct(fields):
            return sum(width(inner) for _, inner in fields)
        case Inside(_, inner):
            return width(inner)
    return _LIST_WIDTH


def place(where: Where) -> str:
    """Return a place as text: a JSON pointer without its first slash."""
    steps = []
    while where is not None:
        where, step = where
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "/".join(reversed(steps))


def fitting(kind: Scalar, value: object) -> object:
    """Return a value as its column holds it, None if it cannot."""
    try:
        return None if value is None else FITS[kind][1](value)
    except ValueError:
        return None

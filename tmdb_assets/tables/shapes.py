"""Shapes of values: what a column holds, as data; `rows` checks against them, DuckDB stores them.

A shape is written as text, `"id:int name:text genre_ids:int*"`: names with kinds, a star for lists.
"""

from dataclasses import dataclass
from enum import StrEnum


class Scalar(StrEnum):
    """A single value; the value is DuckDB's name of the type."""

    INTEGER = "BIGINT"
    NUMBER = "DOUBLE"
    TEXT = "VARCHAR"
    FLAG = "BOOLEAN"
    DAY = "DATE"
    """TMDB writes "" for a day that it does not know."""
    MOMENT = "TIMESTAMP WITH TIME ZONE"
    """As TMDB writes it: 1999-10-15T00:00:00.000Z."""


@dataclass(frozen=True, slots=True)
class Struct:
    """An object with known fields, in the order of the type."""

    fields: tuple[tuple[str, "Shape"], ...]


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    item: "Shape"


@dataclass(frozen=True, slots=True)
class ByKey:
    """An object whose keys are data, such as countries."""

    value: "Shape"


@dataclass(frozen=True, slots=True)
class Inside:
    """What is all that an object has: TMDB's `{"results": [...]}`; the column is the list."""

    name: str
    inner: "Shape"


Shape = Scalar | Struct | Many | ByKey | Inside

_KINDS = {
    "int": Scalar.INTEGER,
    "number": Scalar.NUMBER,
    "text": Scalar.TEXT,
    "flag": Scalar.FLAG,
    "day": Scalar.DAY,
    "moment": Scalar.MOMENT,
}


def struct(text: str, **nested: Shape) -> Struct:
    """Return the struct of these scalar fields and lists, followed by the nested ones."""
    pairs = (field.split(":") for field in text.split())
    return Struct((*((name, scalar(kind)) for name, kind in pairs), *nested.items()))


def scalar(text: str) -> Shape:
    """Return the shape of a kind, or of a list of it if a star follows."""
    shape = _KINDS[text.removesuffix("*")]
    return Many(shape) if text.endswith("*") else shape


def sql_type(shape: Shape) -> str:
    """Return DuckDB's name of the type that holds a shape."""
    match shape:
        case Scalar():
            return shape.value
        case Struct(fields):
            inner = ", ".join(f'"{name}" {sql_type(field)}' for name, field in fields)
            return f"STRUCT({inner})"
        case Many(item):
            return f"{sql_type(item)}[]"
        case ByKey(value):
            return f"MAP(VARCHAR, {sql_type(value)})"
        case Inside(_, inner):
            return sql_type(inner)

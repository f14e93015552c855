"""A body made a row: what fits its column is taken, all else is kept with its place in it. Pure.

Nearly all objects of TMDB's have one of a few dozen shapes. So the keys and types of an object are
looked up first: where they were right before, its plain values are taken unseen. That holds as long
as no number is too large and no text is broken, which `values.decode` sees.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Protocol

from tmdb_assets.tables.schema import TABLES
from tmdb_assets.tables.shapes import ByKey, Inside, Many, Scalar, Shape, Struct
from tmdb_assets.tables.values import FITS, instead, is_whole, json_text

Object = dict[str, Any]
Where = tuple["Where", str | int] | None
"""The place of a value: that of what holds it, and its name or number there."""

_SHAPES_KEPT = 5000


@dataclass(frozen=True, slots=True)
class Odd:
    """What does not fit: its place in the body, empty for all of it, and why, without its data."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is made of a body.

    Attributes:
        fields: by the key of their column; JSON of the column's shape.
        other_fields: JSON object of all that no column takes, by place; None if there is nothing.
        odd: those of them that have a column, but are not of its type.
    """

    fields: Object
    other_fields: str | None
    odd: tuple[Odd, ...]


def row_of(table: str, body: Object, *, is_plain: bool) -> Row:
    """Return the row that the details of a movie, a series or a person make.

    Args:
        table: its name.
        body: the details; not changed, but the row may share parts of it.
        is_plain: as `decode` says.
    """
    aside = _Aside(is_plain)
    fields = _columns(table).take(body, None, aside)
    other = json_text(aside.values) if aside.values else None
    return Row(fields if isinstance(fields, dict) else {}, other, tuple(aside.odd))


class _Aside:
    """What of one body no column takes; filled as the nodes go through it."""

    def __init__(self, is_plain: bool) -> None:  # noqa: FBT001 - private
        self.is_plain = is_plain
        self.values: Object = {}
        self.odd: list[Odd] = []

    def keep(self, where: Where, value: object) -> None:
        self.values[place(where)] = value

    def misfit(self, where: Where, value: object, reason: str) -> None:
        self.keep(where, value)
        self.odd.append(Odd(place(where), reason))

    def other_kind(self, value: object, wanted: str, where: Where) -> object:
        """Keep what is no list or object; the column then is NULL."""
        if value is not None:
            self.misfit(where, value, instead(wanted, value))
        return None


def place(where: Where) -> str:
    """Return a place as text: a JSON pointer without its first slash."""
    steps = []
    while where is not None:
        where, step = where
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "/".join(reversed(steps))


class _Node(Protocol):
    """What takes the values of one shape.

    Attributes:
        plain: types whose every value it takes as it is, in a body that is plain.
    """

    plain: frozenset[type]

    def take(self, value: object, where: Where, aside: _Aside) -> object: ...


class _Value:
    """Takes single values."""

    def __init__(self, plain: frozenset[type], fit: Callable[[Any], object]) -> None:
        self.plain = plain | {NoneType}
        self._fit = fit

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if value is None:
            return None
        try:
            return self._fit(value)
        except ValueError as error:
            aside.misfit(where, value, str(error))
            return None


class _Object:
    """Takes objects with known fields."""

    plain = frozenset({NoneType})

    def __init__(self, fields: Mapping[str, _Node]) -> None:
        self._fields = fields
        self._nested: dict[tuple[object, ...], tuple[tuple[str, _Node], ...]] = {}

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if type(value) is not dict:
            return aside.other_kind(value, "an object", where)
        shape = (*value, *map(type, value.values()))
        nested = self._nested.get(shape) if aside.is_plain else None
        if nested is None:
            return self._examine(value, where, aside, shape)
        result = value
        for name, node in nested:
            old = value[name]
            new = node.take(old, (where, name), aside)
            if new is not old:
                if result is value:
                    result = value.copy()
                result[name] = new
        return result

    def _examine(
        self, value: Object, where: Where, aside: _Aside, shape: tuple[object, ...]
    ) -> Object:
        result: Object = {}
        nested = []
        for name, inner in value.items():
            node = self._fields.get(name)
            if node is None:
                aside.keep((where, name), inner)
                continue
            result[name] = node.take(inner, (where, name), aside)
            if type(inner) not in node.plain:
                nested.append((name, node))
        if value.keys() <= self._fields.keys() and len(self._nested) < _SHAPES_KEPT:
            self._nested[shape] = tuple(nested)
        return result


class _List:
    """Takes lists; what does not fit leaves a NULL at its place."""

    plain = frozenset({NoneType})

    def __init__(self, item: _Node) -> None:
        self._item = item

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if type(value) is not list:
            return aside.other_kind(value, "a list", where)
        if aside.is_plain and self._item.plain.issuperset(map(type, value)):
            return value
        take = self._item.take
        return [take(inner, (where, number), aside) for number, inner in enumerate(value)]


class _ByKey:
    """Takes objects whose keys are data."""

    plain = frozenset({NoneType})

    def __init__(self, value: _Node) -> None:
        self._value = value

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if type(value) is not dict:
            return aside.other_kind(value, "an object", where)
        taken = {}
        for key, inner in value.items():
            if aside.is_plain or is_whole(key):
                taken[key] = self._value.take(inner, (where, key), aside)
            else:
                aside.misfit((where, key), inner, "a key with half of a character")
        return taken


class _Inside:
    """Takes what is all that an object should have."""

    plain = frozenset({NoneType})

    def __init__(self, name: str, inner: _Node) -> None:
        self._name = name
        self._inner = inner

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if type(value) is not dict:
            return aside.other_kind(value, "an object", where)
        for name, inner in value.items():
            if name != self._name:
                aside.keep((where, name), inner)
        return self._inner.take(value.get(self._name), (where, self._name), aside)


def _node(shape: Shape) -> _Node:
    match shape:
        case Scalar():
            return _Value(*FITS[shape])
        case Struct(fields):
            return _Object({name: _node(inner) for name, inner in fields})
        case Many(item):
            return _List(_node(item))
        case ByKey(value):
            return _ByKey(_node(value))
        case Inside(name, inner):
            return _Inside(name, _node(inner))


@cache
def _columns(table: str) -> _Object:
    return _Object({column.key: _node(column.shape) for column in TABLES[table] if column.key})

"""A body made a row: what fits its column is taken, all else is kept with its place in it. Pure.

Nearly all objects of TMDB's have one of a few dozen shapes. So the keys and types of an object are
looked up first: where they were right before, its plain values are taken unseen. That holds as long
as no number is too large and no text is broken, which `values.decode` sees.

A body may be odd in a million places. The first hundred are named, and `other_fields` gets coarser
where places would take more room than the body, so the memory is a small multiple of its size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Protocol

from tmdb_assets.tables.schema import TABLES
from tmdb_assets.tables.shapes import ByKey, Inside, Many, Scalar, Shape, Struct
from tmdb_assets.tables.values import FITS, Where, instead, is_whole, json_text, place, width

Object = dict[str, Any]

_SHAPES_KEPT = 5000
_PLACE_COST = 40  # of a place, in letters: what Python takes for it beside its text
_PLACE_LETTERS = 200
_ODD_NAMED = 100


@dataclass(frozen=True, slots=True)
class Odd:
    """What does not fit: its place in the body, empty for all of it, and why, without its data.

    Of a place that is longer than 200 letters there are the first 200.
    """

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """What is made of a body.

    Attributes:
        fields: by the key of their column; JSON of the column's shape.
        other_fields: JSON object of all that no column takes, by place; None if there is nothing.
            Of too many places there is that of the list or object around them, with all of it.
        odd: the first hundred of those that have a column, but are not of its type.
        more_odd: how many more of them there are.
        weight: bytes that the items of its lists take in columns, empty or not.
    """

    fields: Object
    other_fields: str | None
    odd: tuple[Odd, ...]
    more_odd: int = 0
    weight: int = 0


def row_of(table: str, body: Object, *, is_plain: bool, room: int) -> Row:
    """Return the row that the details of a movie, a series or a person make.

    Args:
        table: its name.
        body: the details; not changed, but the row may share parts of it.
        is_plain: as `decode` says.
        room: letters that the places in `other_fields` may take, each with 40 more.
    """
    aside = _Aside(is_plain, room)
    fields = _columns(table).take(body, None, aside)
    other = json_text(aside.values) if aside.values else None
    taken = fields if isinstance(fields, dict) else {}
    return Row(taken, other, tuple(aside.odd), aside.more_odd, aside.weight)


class _Aside:
    """What of one body no column takes; filled as the nodes go through it.

    A place repeats all names above it, so a thousand of them may be far longer than the body. Once
    their room is used up, nothing more is kept. The list or object that ends next then gives up its
    places, and is kept whole under its own, if there is room for that; else the one around it does.
    The outermost fields always have room: their places are their names.

    Attributes:
        is_short: something was not kept; who is around it has to be, with `close`.
    """

    def __init__(self, is_plain: bool, room: int) -> None:  # noqa: FBT001 - private
        self.is_plain = is_plain
        self.values: Object = {}
        self.odd: list[Odd] = []
        self.more_odd = 0
        self.weight = 0
        self.is_short = False
        self._room = room

    def keep(self, where: Where, value: object) -> None:
        if self._room < 0 and where and where[0]:
            self.is_short = True
            return
        name = place(where)
        self.values[name] = value
        self._room -= len(name) + _PLACE_COST

    def close(self, where: Where, value: object, before: int) -> None:
        """Keep a list or object whole, if something in it is missing, and that makes room.

        Args:
            where: its place.
            value: itself.
            before: how many values had been kept when it began.
        """
        if not self.is_short or where is None:
            return
        while len(self.values) > before:
            name, _ = self.values.popitem()
            self._room += len(name) + _PLACE_COST
        self.is_short = False
        self.keep(where, value)

    def misfit(self, where: Where, value: object, reason: str) -> None:
        self.keep(where, value)
        if len(self.odd) < _ODD_NAMED:
            self.odd.append(Odd(place(where)[:_PLACE_LETTERS], reason))
        else:
            self.more_odd += 1

    def other_kind(self, value: object, wanted: str, where: Where) -> object:
        """Keep what is no list or object; the column then is NULL."""
        if value is not None:
            self.misfit(where, value, instead(wanted, value))
        return None


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
        if not nested:
            return value
        result = value
        before = len(aside.values)
        for name, node in nested:
            old = value[name]
            new = node.take(old, (where, name), aside)
            if new is not old:
                if result is value:
                    result = value.copy()
                result[name] = new
        if aside.is_short:
            aside.close(where, value, before)
        return result

    def _examine(
        self, value: Object, where: Where, aside: _Aside, shape: tuple[object, ...]
    ) -> Object:
        result: Object = {}
        nested = []
        before = len(aside.values)
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
        aside.close(where, value, before)
        return result


class _List:
    """Takes lists; what does not fit leaves a NULL at its place."""

    plain = frozenset({NoneType})

    def __init__(self, item: _Node, width: int) -> None:
        self._item = item
        self._width = width

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if type(value) is not list:
            return aside.other_kind(value, "a list", where)
        aside.weight += len(value) * self._width
        if aside.is_plain and self._item.plain.issuperset(map(type, value)):
            return value
        take = self._item.take
        before = len(aside.values)
        taken = [take(inner, (where, number), aside) for number, inner in enumerate(value)]
        aside.close(where, value, before)
        return taken


class _ByKey:
    """Takes objects whose keys are data."""

    plain = frozenset({NoneType})

    def __init__(self, value: _Node, width: int) -> None:
        self._value = value
        self._width = width

    def take(self, value: object, where: Where, aside: _Aside) -> object:
        if type(value) is not dict:
            return aside.other_kind(value, "an object", where)
        aside.weight += len(value) * self._width
        taken = {}
        before = len(aside.values)
        for key, inner in value.items():
            if aside.is_plain or is_whole(key):
                taken[key] = self._value.take(inner, (where, key), aside)
            else:
                aside.misfit((where, key), inner, "a key with half of a character")
        aside.close(where, value, before)
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
        before = len(aside.values)
        for name, inner in value.items():
            if name != self._name:
                aside.keep((where, name), inner)
        taken = self._inner.take(value.get(self._name), (where, self._name), aside)
        aside.close(where, value, before)
        return taken


def _node(shape: Shape) -> _Node:
    match shape:
        case Scalar():
            return _Value(*FITS[shape])
        case Struct(fields):
            return _Object({name: _node(inner) for name, inner in fields})
        case Many(item):
            return _List(_node(item), width(item))
        case ByKey(value):
            return _ByKey(_node(value), width(Scalar.TEXT) + width(value))
        case Inside(name, inner):
            return _Inside(name, _node(inner))


@cache
def _columns(table: str) -> _Object:
    return _Object({column.key: _node(column.shape) for column in TABLES[table] if column.key})

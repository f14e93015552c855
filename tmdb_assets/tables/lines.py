"""Outcomes and bodies as the JSON of rows: which table, and our own columns. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from tmdb_assets.model import Outcome
from tmdb_assets.tables.rows import Odd, row_of
from tmdb_assets.tables.schema import TABLES, TYPED
from tmdb_assets.tables.shapes import Scalar
from tmdb_assets.tables.values import HEAVIEST, decode, fitting

_DETAILS = re.compile(r"/3/(movie|tv|person)/[0-9]+")
_IDS = range(-(2**63), 2**63)
_LEAST_ROOM = 64 << 10  # letters for places, where a body has fewer itself
_PLAIN = tuple(
    (column.name, column.shape)
    for column in TABLES["outcomes"]
    if isinstance(column.shape, Scalar) and column.shape is not Scalar.MOMENT
)


@dataclass(frozen=True, slots=True)
class Context:
    """What all rows of a batch share."""

    batch: str
    list_name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "list_name", self.batch.rpartition("-")[0])


@dataclass(frozen=True, slots=True)
class Line:
    """A row on its way: the fields by the key of their column, or its name where it has none.

    `odd`, `more_odd` and `weight` are as `Row` has them.
    """

    table: str
    fields: Mapping[str, object]
    odd: tuple[Odd, ...] = ()
    more_odd: int = 0
    weight: int = 0


def table_of(url: str) -> str:
    """Return the table that has the body of a URL, as far as the URL tells."""
    match = _DETAILS.fullmatch(urlsplit(url).path)
    return TYPED[match[1]] if match else "responses"


def body_line(outcome: Outcome, body: bytes, context: Context) -> Line | None:
    """Return the row of a body; None if it is no JSON."""
    try:
        decoded = decode(body)
    except ValueError:
        return None
    table = table_of(outcome.url)
    url = urlsplit(outcome.url)
    parameters = dict(parse_qsl(url.query, keep_blank_values=True))
    ours = {
        "url": outcome.url,
        "parameters": parameters,
        "fetched_at": _moment(outcome.as_of),
        "list": context.list_name,
        "batch": context.batch,
    }
    odd: tuple[Odd, ...] = ()
    if table != "responses":
        document = decoded.document
        if _is_object_with_id(document):
            room = max(len(body), _LEAST_ROOM)
            row = row_of(table, document, is_plain=decoded.is_plain, room=room)
            if row.weight <= HEAVIEST:
                language = parameters.get("language")
                more = {"language": language, "other_fields": row.other_fields}
                fields = {**ours, **more, **row.fields}
                return Line(table, fields, row.odd, row.more_odd, row.weight)
            odd = (Odd("", "lists of more items than there is memory for"),)
        else:
            odd = (Odd("", "no object with an id within 64 bits"),)
    return Line("responses", {**ours, "path": url.path, "body": body.decode()}, odd)


def outcome_line(outcome: Outcome, context: Context) -> dict[str, object]:
    """Return the row of an outcome; what a hand made of it that no column can hold is NULL."""
    fields = {
        "url": outcome.url,
        "name": outcome.name,
        "outcome": outcome.outcome.value,
        "status": outcome.status,
        "reason": outcome.reason,
        "attempts": outcome.attempts,
        "bytes": outcome.bytes,
        "sha256": outcome.sha256,
        "etag": outcome.etag,
        "sent_at": [_moment(sent_at) for sent_at in outcome.sent_at],
        "seconds": outcome.seconds,
        "as_of": _moment(outcome.as_of),
        "combined_with": outcome.combined_with,
        "list": context.list_name,
        "batch": context.batch,
    }
    return {**fields, **{name: fitting(kind, fields[name]) for name, kind in _PLAIN}}


def _is_object_with_id(document: object) -> bool:
    if not isinstance(document, dict):
        return False
    number = document.get("id")
    return type(number) is int and number in _IDS


def _moment(seconds: float) -> str | None:
    """Return a moment as DuckDB reads it; 0 is none."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None

"""Made-up daily exports of ids: which there are, their lines, and what can be wrong with one; pure.

The same name, day and count give the same bytes in every process. Titles are those of the details.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, islice
from types import MappingProxyType

from tmdb_assets.standin import words
from tmdb_assets.standin.answers import HTML_TYPE, Answer, Header
from tmdb_assets.standin.dice import Dice
from tmdb_assets.standin.smallthings import (
    ABSENT_EVERY,
    collection_item,
    company_item,
    exists,
    keyword,
    network,
)

PREFIX = "/p/"
"""Where TMDB's other host has its files."""

DAYS_KEPT = 90

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "cut_gzip": "half of the gzip file, with a Content-Length that agrees",
        "cut_line": "whole gzip whose last line is cut",
        "html": "200 with an HTML page",
        "no_gzip": "the lines, not packed",
        "odd_lines": "lines whose id is null, text, huge, not there, or that of another line",
        "republished": "the same URL with other lines and another ETag",
        "short": "whole gzip with a tenth of the lines",
    }
)
"""What can be wrong with exports."""

_PATH = re.compile(r"/p/(?:moved/)?exports/([a-z_]+)_(\d\d)_(\d\d)_(\d{4})\.json\.gz")
_GZIP_TYPE: Header = (b"content-type", b"application/gzip")
_XML_TYPE: Header = (b"content-type", b"application/xml")
_GZIP_LEVEL = 3
_GZIP_FORMAT = 31  # what zlib calls a window of 32 KiB in gzip, not zlib's own format
_LINES_AT_ONCE = 10_000
_FIRST_ADULT_ID = 500_001
_BLOCK = 10
_SHUFFLED = (3, 0, 7, 1, 9, 4, 2, 8, 6, 5)
_ODD = (
    '{"id":null,"name":"no id"}',
    '{"id":"12","name":"text"}',
    '{"id":18446744073709551616,"name":"huge"}',
    '{"name":"not there"}',
    "[1]",
)


def _popularity(number: int, day: int) -> float:
    """Return a popularity as they are: few are high, and every day has another."""
    share = (number * 2_654_435_761 + day * 40_503) % 65_536 / 65_536
    return round(0.6 / (share + 0.01), 4)


def _flag(value: object) -> str:
    return "true" if value else "false"


def _film(number: int, day: int, *, adult: bool) -> str:
    is_adult = _flag(adult or number % 97 == 0)
    title = words.title(Dice("movie", number))
    return (
        f'{{"adult":{is_adult},"id":{number},"original_title":"{title}",'
        f'"popularity":{_popularity(number, day)},"video":{_flag(number % 23 == 0)}}}'
    )


def _series(number: int, day: int, *, adult: bool) -> str:
    start = '"adult":true,' if adult else ""
    name = words.title(Dice("tv", number))
    popularity = _popularity(number, day)
    return f'{{{start}"id":{number},"original_name":"{name}","popularity":{popularity}}}'


def _person(number: int, day: int, *, adult: bool) -> str:
    is_adult = _flag(adult or number % 89 == 0)
    name = words.name(Dice("person", number))
    popularity = _popularity(number, day)
    return f'{{"adult":{is_adult},"id":{number},"name":"{name}","popularity":{popularity}}}'


Line = Callable[..., str]


def _named(maker: Callable[[int], Mapping[str, object]]) -> Line:
    def line(number: int, day: int, *, adult: bool) -> str:
        del day, adult
        return f'{{"id":{number},"name":"{maker(number)["name"]}"}}'

    return line


_LINES: Mapping[str, Line] = MappingProxyType(
    {
        "movie_ids": _film,
        "tv_series_ids": _series,
        "person_ids": _person,
        "collection_ids": _named(collection_item),
        "tv_network_ids": _named(network),
        "keyword_ids": _named(keyword),
        "production_company_ids": _named(company_item),
        "adult_movie_ids": _film,
        "adult_tv_series_ids": _series,
        "adult_person_ids": _person,
    }
)
NAMES = tuple(_LINES)
"""The exports that there are."""


def _is_listed(number: int, day: int) -> bool:
    """Return whether a day's export has the id: not all that exist, and some that do not."""
    if (number * 7_919 + day * 104_729) % 199 == 0:
        return False
    return exists(number) or number % (10 * ABSENT_EVERY) == 0


def _numbers(first: int) -> Iterator[int]:
    """Yield all ids from the first on, not quite in order."""
    start = first
    while True:
        for place in _SHUFFLED:
            yield start + place
        start += _BLOCK


def lines_of(name: str, day: date, count: int) -> Iterator[str]:
    """Yield the lines of an export, without line feeds.

    Args:
        name: one of `NAMES`.
        day: any.
        count: how many.
    """
    ordinal, is_adult = day.toordinal(), name.startswith("adult_")
    line = _LINES[name]
    numbers = _numbers(_FIRST_ADULT_ID if is_adult else 1)
    listed = (number for number in numbers if _is_listed(number, ordinal))
    return (line(number, ordinal, adult=is_adult) for number in islice(listed, count))


def _text(name: str, day: date, count: int, fault: str | None) -> Iterator[str]:
    if fault == "short":
        count //= 10
    lines = lines_of(name, day, count)
    if fault == "odd_lines":
        first = next(lines, "{}")
        lines = chain((first, *_ODD, first), lines)
    if fault == "republished":
        lines = islice(lines_of(name, day, count + 3), 3, None)
    whole = (f"{line}\n" for line in lines)
    return _cut_at_end(whole) if fault == "cut_line" else whole


def _cut_at_end(lines: Iterator[str]) -> Iterator[str]:
    last = next(lines, "")
    for line in lines:
        yield last
        last = line
    yield last[: len(last) // 2]


def _packed(lines: Iterator[str]) -> bytes:
    """Return the lines in gzip, a few at a time: all of them at once are a hundred MiB."""
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_FORMAT)
    packed = bytearray()
    while piece := "".join(islice(lines, _LINES_AT_ONCE)):
        packed += packer.compress(piece.encode())
    return bytes(packed + packer.flush())


@lru_cache(maxsize=8)
def file_of(name: str, day: date, count: int, fault: str | None = None) -> Answer:
    """Return an export as it is served; its Content-Length is added on the wire.

    A million lines take several seconds.
    """
    if fault == "html":
        page = b"<!DOCTYPE html>\n<html><body>Please log in to this network</body></html>\n"
        return Answer(200, page, (HTML_TYPE,))
    text = _text(name, day, count, fault)
    body = "".join(text).encode() if fault == "no_gzip" else _packed(text)
    if fault == "cut_gzip":
        body = body[: len(body) // 2]
    etag = b'"%s"' % blake2b(body, digest_size=16).hexdigest().encode()
    made_at = datetime.combine(day, time(7, 20), UTC)
    modified = format_datetime(made_at, usegmt=True).encode()
    return Answer(200, body, (_GZIP_TYPE, (b"etag", etag), (b"last-modified", modified)))


def find(path: str, today: date, *, has_today: bool) -> tuple[str, date] | None:
    """Return name and day of the export at a path, None if nothing is there.

    Args:
        path: decoded.
        today: the newest day that there can be.
        has_today: whether today's was made already.
    """
    match = _PATH.fullmatch(path)
    if match is None or match[1] not in _LINES:
        return None
    try:
        day = date(int(match[4]), int(match[2]), int(match[3]))
    except ValueError:
        return None
    newest = today if has_today else today - timedelta(days=1)
    return (match[1], day) if today - timedelta(days=DAYS_KEPT) <= day <= newest else None


def denied() -> Answer:
    """Return what the store of files says of a file that is not there."""
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    )
    return Answer(403, body, (_XML_TYPE,))

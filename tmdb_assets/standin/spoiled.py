"""Answers that are whole for HTTP and wrong inside; pure.

What is in gzip here is sent in gzip whether or not the client takes it, since otherwise nothing
would be wrong with it. Where the object is to be one for the right thing, lest a client that looks
at ids sees nothing else, the id is that of the answer it replaces.
"""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import quote

from tmdb_assets.standin import answers
from tmdb_assets.standin.answers import JSON_TYPE, Answer, Header
from tmdb_assets.standin.wire import GZIP, length

DEPTH = 5_000
"""Arrays in one another, several times what Python's parser takes."""

_TRAILER_BYTES = 8  # CRC and length, four bytes each
_FLOOD: tuple[Header, ...] = ((b"x-flood", b"f" * 40),) * 5_000


def _object(answer: Answer) -> dict[str, object]:
    """Return the answer's JSON object, an empty one if it has none."""
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _id_as_json(answer: Answer) -> bytes:
    return json.dumps(_object(answer).get("id", 1)).encode()


def _plain(body: bytes) -> Answer:
    return Answer(200, body, (JSON_TYPE,))


def _in_gzip(packed: bytes) -> Answer:
    return Answer(200, packed, (JSON_TYPE, GZIP, length(len(packed))))


def _packed(answer: Answer) -> bytes:
    return answer.packed or gzip.compress(answer.body, mtime=0)


def _bad_gzip_crc(answer: Answer) -> Answer:
    packed = bytearray(_packed(answer))
    packed[-_TRAILER_BYTES] ^= 1
    return _in_gzip(bytes(packed))


def _cut_gzip(answer: Answer) -> Answer:
    packed = _packed(answer)
    return _in_gzip(packed[: len(packed) // 2])


def _gzip_no_trailer(answer: Answer) -> Answer:
    return _in_gzip(_packed(answer)[:-_TRAILER_BYTES])


def _bad_json(answer: Answer) -> Answer:
    return _plain(answer.body[: len(answer.body) * 2 // 3])


def _bad_utf8(answer: Answer) -> Answer:
    return _plain(b'{"id":%b,"title":"caf\xe9"}' % _id_as_json(answer))


def _deep_json(answer: Answer) -> Answer:
    nest = b"[" * DEPTH + b"]" * DEPTH
    return _plain(b'{"id":%b,"a":%b}' % (_id_as_json(answer), nest))


def _wrong_id(answer: Answer) -> Answer:
    found = _object(answer)
    number = found.get("id")
    return answers.found({**found, "id": number + 1}) if isinstance(number, int) else answer


def _header_flood(answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, *_FLOOD))


SPOILED: Mapping[str, Callable[[Answer], Answer]] = MappingProxyType(
    {
        "bad_gzip_crc": _bad_gzip_crc,
        "bad_json": _bad_json,
        "bad_utf8": _bad_utf8,
        "cut_gzip": _cut_gzip,
        "deep_json": _deep_json,
        "gzip_no_trailer": _gzip_no_trailer,
        "header_flood": _header_flood,
        "wrong_id": _wrong_id,
    }
)
"""Each kind, and what it makes of the answer that would have been given."""


def echo(answer: Answer, secrets: Sequence[str]) -> Answer:
    """Return the answer with the request's credentials in a value and, quoted, in the ETag."""
    said = " ".join(secrets)
    spoiled = answers.found({**_object(answer), "you_sent": said})
    etag = b'"%b"' % quote(said, safe="+/=").encode()  # a header cannot hold all that a query can
    return replace(spoiled, headers=(JSON_TYPE, (b"etag", etag)))

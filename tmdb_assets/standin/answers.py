"""What can be answered: status, headers and bytes, and TMDB's error envelopes.

Pure values. Which answer a request gets is decided in `app`; how it leaves is up to `wire`.
"""

import gzip
import json
from dataclasses import dataclass
from hashlib import blake2b

Header = tuple[bytes, bytes]

JSON_TYPE: Header = (b"content-type", b"application/json;charset=utf-8")
HTML_TYPE: Header = (b"content-type", b"text/html; charset=utf-8")
FROM_CDN: Header = (b"x-cache", b"Error from cloudfront")
_EIGHT_HOURS: Header = (b"cache-control", b"public, max-age=28800")
_VARY: Header = (b"vary", b"accept-encoding")
_GZIP_ABOVE_BYTES = 500
_GZIP_LEVEL = 3  # a third of the time of level 9, a tenth larger


@dataclass(frozen=True, slots=True)
class Answer:
    """A response before it is put on the wire.

    Attributes:
        body: not compressed.
        packed: the same body in gzip, or None where it is too small for that.
    """

    status: int
    body: bytes
    headers: tuple[Header, ...]
    packed: bytes | None = None


def cacheable(status: int, body: bytes, kind: Header = JSON_TYPE) -> Answer:
    """Return the body with the headers of something that caches may keep for eight hours."""
    etag = b'W/"%s"' % blake2b(body, digest_size=16).hexdigest().encode()
    headers = (kind, _EIGHT_HOURS, (b"etag", etag), _VARY)
    small = len(body) <= _GZIP_ABOVE_BYTES
    return Answer(
        status, body, headers, None if small else gzip.compress(body, _GZIP_LEVEL, mtime=0)
    )


def found(value: object) -> Answer:
    """Return the value as compact UTF-8 JSON with status 200."""
    return cacheable(200, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _envelope(code: int, message: str) -> bytes:
    envelope = {"success": False, "status_code": code, "status_message": message}
    return json.dumps(envelope, separators=(",", ":")).encode()


def error(status: int, code: int, message: str, *more: Header) -> Answer:
    """Return TMDB's error envelope, with more headers if need be."""
    return Answer(status, _envelope(code, message), (JSON_TYPE, *more))


def not_found() -> Answer:
    """Return the 404, which TMDB's CDN keeps for eight hours like anything else."""
    return cacheable(404, _envelope(34, "The resource you requested could not be found."))


def bad_key() -> Answer:
    """Return what TMDB says to a missing or wrong credential."""
    return error(401, 7, "Invalid API key: You must be granted a valid key.")


def over_limit(count: int, cap: int, retry_after: int | None = None) -> Answer:
    """Return the CDN's refusal of the request that was the `count`-th of its second.

    Args:
        count: requests in the second, this one included.
        cap: how many are allowed.
        retry_after: seconds for a Retry-After; TMDB's CDN was seen to send none.
    """
    message = f"Your request count ({count}) is over the allowed limit of ({cap})."
    envelope = {"status_code": 25, "status_message": message, "success": False}
    body = json.dumps(envelope, separators=(",", ":")).encode()
    headers = (JSON_TYPE, FROM_CDN)
    return Answer(429, body, headers if retry_after is None else (*headers, wait(retry_after)))


def wait(seconds: int) -> Header:
    """Return the header Retry-After."""
    return (b"retry-after", b"%d" % seconds)

"""Attempts of our choice: answers as TMDB gives them, and faults."""

import json

from tmdb_assets.model import Attempt, Fault


def answer(status: int, body: bytes = b"", etag: str = 'W/"new"', *, code: int = 0) -> Attempt:
    """Return an answer, with TMDB's error body if there is a code."""
    if code:
        body = json.dumps({"status_code": code, "status_message": "no"}).encode()
    return Attempt(status, body, etag, None, None, (), 0.25)


def error(status: int, code: int) -> Attempt:
    return answer(status, code=code)


def fault(kind: Fault) -> Attempt:
    return Attempt(None, b"", "", None, kind, (), 30.0)


OK = answer(200, b'{"id": 1}', 'W/"1"')
GONE, OFFLINE, BUSY = error(404, 34), error(503, 9), error(429, 25)
BAD_KEY, BAD_ID, INTERNAL = error(401, 7), error(500, 44), error(500, 11)
TIMED_OUT, TOO_LARGE = fault(Fault.TIMED_OUT), fault(Fault.TOO_LARGE)
NOT_MODIFIED = answer(304)

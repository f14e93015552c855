"""Conditional requests: what a client has already is not sent again; pure.

Whether TMDB's API does so is not proven, so a setting can turn it off.
"""

from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.request import Request

_OK = 200
_NOT_MODIFIED = 304
_KEPT = frozenset({b"cache-control", b"etag", b"last-modified", b"vary"})


def unless_known(answer: Answer, request: Request) -> Answer:
    """Return the answer, or a 304 if the request's `If-None-Match` has its ETag."""
    if not request.if_none_match or answer.status != _OK or request.method not in {"GET", "HEAD"}:
        return answer
    etag = dict(answer.headers).get(b"etag", b"").decode("latin-1")
    if not etag or not matches(request.if_none_match, etag):
        return answer
    kept = tuple(header for header in answer.headers if header[0] in _KEPT)
    return Answer(_NOT_MODIFIED, b"", kept)


def matches(if_none_match: str, etag: str) -> bool:
    """Tell whether an `If-None-Match` names an ETag; weak ones are as good as strong ones."""
    if if_none_match.strip() == "*":
        return True
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag.removeprefix("W/") in known

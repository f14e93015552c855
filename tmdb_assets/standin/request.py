"""What the stand-in reads from a request, with credentials apart from everything that is kept."""

from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from starlette.types import Scope

FAULT_PARAMETER = "stand_in"
"""Query parameter that asks for a kind of misbehaviour."""

_CREDENTIALS = frozenset(
    {
        "access_token",
        "api_key",
        "guest_session_id",
        "request_token",
        "session_id",
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, read.

    Attributes:
        path: decoded, without query.
        query: as sent, without credentials and without `stand_in`; what an answer goes by.
        url: path and query as sent, without credentials; what is recorded.
        kind: the misbehaviour that the URL itself asks for.
        origin: scheme, host and port that it came to.
        if_none_match: the header, empty if there is none.
        secrets: what it brings to prove itself; kept nowhere.
    """

    method: str
    path: str
    query: str
    url: str
    kind: str | None
    origin: tuple[str, str, int]
    accepts_gzip: bool
    if_none_match: str
    secrets: tuple[str, ...] = field(repr=False)


def _split(query: str) -> tuple[list[str], dict[str, str]]:
    """Return the parts of the query that may be kept, and the credentials in it."""
    kept: list[str] = []
    secrets: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        name = unquote_plus(name).lower()
        if name in _CREDENTIALS:
            secrets[name] = unquote_plus(value)
        else:
            kept.append(part)
    return kept, secrets


def read_request(scope: Scope) -> Request:
    """Read what uvicorn parsed."""
    kept, in_query = _split(scope["query_string"].decode("latin-1"))
    headers: dict[bytes, bytes] = dict(scope["headers"])
    path = scope["raw_path"].decode("latin-1")
    kinds = [part for part in kept if part.startswith(f"{FAULT_PARAMETER}=")]
    scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    found = (bearer if scheme == "Bearer" else "", in_query.get("api_key", ""))
    host, port = scope["server"][:2]
    return Request(
        method=scope["method"],
        path=scope["path"],
        query="&".join(part for part in kept if part not in kinds) if kinds else "&".join(kept),
        url=f"{path}?{'&'.join(kept)}" if kept else path,
        kind=kinds[-1].partition("=")[2] if kinds else None,
        origin=(scope["scheme"], host, port),
        accepts_gzip=b"gzip" in headers.get(b"accept-encoding", b""),
        if_none_match=headers.get(b"if-none-match", b"").decode("latin-1"),
        secrets=tuple(secret for secret in found if secret),
    )

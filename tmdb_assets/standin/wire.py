"""Putting an answer on the wire, whole or in pieces.

Framing is chunked unless a Content-Length is among the headers, as TMDB's answers are.
"""

from dataclasses import dataclass
from http.client import responses

from starlette.types import Send

from tmdb_assets.standin.answers import Answer, Header
from tmdb_assets.standin.connection import Connection
from tmdb_assets.standin.request import Request

GZIP: Header = (b"content-encoding", b"gzip")


def length(size: int) -> Header:
    """Return the header Content-Length."""
    return (b"content-length", b"%d" % size)


def status_line(status: int) -> bytes:
    """Return the first line of an answer."""
    return b"HTTP/1.1 %d %b\r\n" % (status, responses.get(status, "").encode())


def head(status: int, *headers: Header) -> bytes:
    """Return all that goes before a body, for what has to go round the ASGI server."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([status_line(status), *lines, b"\r\n"])


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the way back to its client."""

    request: Request
    connection: Connection
    _send: Send

    async def start(self, status: int, *headers: Header) -> None:
        """Send the status line and the headers."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, body: bytes, *, is_last: bool = False) -> bool:
        """Send a piece of the body; return whether the client is still there."""
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})
        return self.connection.is_open

    async def whole(self, answer: Answer) -> int:
        """Send the answer, in gzip if it has that and the client takes it; return its status."""
        if answer.packed is not None and self.request.accepts_gzip:
            await self.start(answer.status, *answer.headers, GZIP)
            await self.piece(answer.packed, is_last=True)
        else:
            await self.start(answer.status, *answer.headers)
            await self.piece(answer.body, is_last=True)
        return answer.status

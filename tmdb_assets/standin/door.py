"""Where bytes come in: uvicorn's HTTP protocol, made to stamp arrivals and to be cut off.

uvicorn makes one protocol per connection. This one notes when a request's first bytes came, before
anything is parsed, and hands the request together with its connection to `app`.
"""

import asyncio
from importlib.util import find_spec
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.importer import import_from_string

from tmdb_assets.standin.app import App
from tmdb_assets.standin.connection import Connection
from tmdb_assets.standin.control import PREFIX


class _Door(asyncio.Protocol):
    """Goes before one of uvicorn's protocols, whose `app` (the control routes) it wraps."""

    stand_in: App
    app: ASGIApp
    _control: ASGIApp
    _connection: Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connection = Connection(cast("asyncio.Transport", transport))
        self._control, self.app = self.app, self._handle
        if self.stand_in.is_over:  # accepted by the loop just before it stopped listening
            self._connection.abort()
        self.stand_in.connected()

    def data_received(self, data: bytes) -> None:
        self._connection.bytes_came()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.lost()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["path"].startswith(PREFIX):
                await self._control(scope, receive, send)
            else:
                await self.stand_in.answer(scope, send, self._connection)
        finally:
            self._connection.request_done()


def fastest_parser() -> str:
    """Return the name of uvicorn's protocol that parses fastest of those installed."""
    if find_spec("httptools"):
        return "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol"
    return "uvicorn.protocols.http.h11_impl:H11Protocol"


def door_to(app: App, parser: str) -> type[Any]:
    """Return the protocol that leads to the app.

    Args:
        app: what answers.
        parser: `module:class` of one of uvicorn's protocols.
    """
    return type("Door", (_Door, import_from_string(parser)), {"stand_in": app})

"""The control routes below `/stand-in/`: statistics, arrivals, reset, settings at run time.

They do not count as arrivals, have no latency and never misbehave.
"""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tmdb_assets.standin.app import App
from tmdb_assets.standin.settings import shown

PREFIX = "/stand-in/"


class Control:
    """The routes' functions over one `App`."""

    def __init__(self, app: App) -> None:
        self._app = app

    def routes(self) -> Starlette:
        """Return them as an ASGI application."""
        return Starlette(
            routes=[
                Route(f"{PREFIX}statistics", self._statistics, methods=["GET"]),
                Route(f"{PREFIX}arrivals", self._arrivals, methods=["GET"]),
                Route(f"{PREFIX}reset", self._reset, methods=["POST"]),
                Route(f"{PREFIX}settings", self._settings, methods=["GET", "PUT"]),
            ]
        )

    async def _statistics(self, _: Request) -> JSONResponse:
        return JSONResponse(self._app.statistics())

    async def _arrivals(self, _: Request) -> JSONResponse:
        return JSONResponse(self._app.arrivals())

    async def _reset(self, _: Request) -> JSONResponse:
        self._app.reset()
        return JSONResponse({"reset": True})

    async def _settings(self, request: Request) -> JSONResponse:
        if request.method == "PUT":
            try:
                changes = json.loads(await request.body())
                if not isinstance(changes, dict):
                    return _refused("send a JSON object of settings")
                self._app.change(changes)
            except ValueError as error:
                return _refused(str(error))
        return JSONResponse(shown(self._app.settings))


def _refused(why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=400)

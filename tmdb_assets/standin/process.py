"""The stand-in in a process of its own, for clients that should not share its interpreter."""

import http.client
import json
import multiprocessing
import ssl
from collections.abc import Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit

from tmdb_assets.standin.control import PREFIX
from tmdb_assets.standin.server import serve
from tmdb_assets.standin.settings import StandInSettings

_START_SECONDS = 30.0
_ASK_SECONDS = 60.0
_END_SECONDS = 5.0


def _child(settings: StandInSettings, parent: Connection) -> None:
    with parent:
        try:
            serve(settings, on_ready=parent.send)
        except (OSError, ValueError) as error:
            parent.send(error)


class StandInProcess:
    """A stand-in that answers from a process of its own for as long as the `with` lasts.

    A script that uses it needs the `if __name__ == "__main__"` that `multiprocessing` asks for.
    """

    def __init__(self, settings: StandInSettings) -> None:
        self._settings = settings
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_child, args=(settings, there), daemon=True)
        self._there = there
        self.origin = ""
        """Scheme, host and port, as URLs begin; known inside the `with`."""

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        self._process.start()
        self._there.close()
        try:
            answer = self._here.recv() if self._here.poll(_START_SECONDS) else None
        except EOFError:
            answer = None
        if not isinstance(answer, str):
            self.__exit__(None, None, None)
            raise answer or OSError("the process of the stand-in did not start")
        self.origin = answer
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._here.close()

    def statistics(self) -> dict[str, object]:
        """Return all counts."""
        return cast("dict[str, object]", self._ask("GET", "statistics"))

    def arrivals(self) -> list[tuple[float, str, int | None]]:
        """Return seconds since the start, path and query, and status of each arrival kept."""
        rows = cast("list[tuple[float, str, int | None]]", self._ask("GET", "arrivals"))
        return [(moment, url, status) for moment, url, status in rows]

    def reset(self) -> None:
        """Forget all that arrived; scripts and faults start anew."""
        self._ask("POST", "reset")

    def change(self, changes: Mapping[str, object]) -> None:
        """Replace settings from the next request on; ValueError if they are bad."""
        self._ask("PUT", "settings", json.dumps(dict(changes)))

    def _ask(self, method: str, name: str, body: str | None = None) -> object:
        connection = self._connection()
        try:
            connection.request(method, f"{PREFIX}{name}", body)
            response = connection.getresponse()
            answer = json.load(response)
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ValueError(answer["error"])
        return cast("object", answer)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.origin)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_ASK_SECONDS)
        context = ssl.create_default_context(cafile=self._settings.certfile)
        context.check_hostname = False
        return http.client.HTTPSConnection(host, port, timeout=_ASK_SECONDS, context=context)

"""The stand-in as a server: in a thread (`StandIn`) or until a signal ends it (`serve`).

Sockets, the event loop, its thread and its end are here; what is answered is decided in `app`.
uvicorn's own server is not used: its end waits for answers, and a stalled one never comes.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from email.utils import formatdate
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Self, TypeVar

from uvicorn import Config
from uvicorn.server import ServerState

from tmdb_assets.standin import samples
from tmdb_assets.standin.app import App
from tmdb_assets.standin.control import Control
from tmdb_assets.standin.door import door_to, fastest_parser
from tmdb_assets.standin.settings import StandInSettings

_BACKLOG = 2048
_OPEN_FILES = 8192
_PATIENCE_SECONDS = 10.0  # with the thread: for its start, an answer, its end
_END_SECONDS = 1.0
_SETTLE_SECONDS = 0.01  # lets the loop finish what it began: accepting, closing
_T = TypeVar("_T")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = f"cannot listen on port {port} of {host}: {error.strerror or error}"
        raise OSError(error.errno, reason) from error


def raise_open_file_limit() -> None:
    """Let this process open several thousand sockets, as far as the system lets it."""
    if not find_spec("resource"):
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return the faster event loop if it is installed."""
    maker = import_module("uvloop" if find_spec("uvloop") else "asyncio")
    loop: asyncio.AbstractEventLoop = maker.new_event_loop()
    return loop


class _Server:
    """A listening socket and all that answers on it; `run` blocks until `stop`."""

    def __init__(self, settings: StandInSettings, parser: str) -> None:
        recorded = samples.load(settings.samples) if settings.samples else samples.NO_SAMPLES
        self.app = App(settings, recorded)
        self._door = door_to(self.app, parser)
        self._config = Config(
            Control(self.app).routes(),
            http=self._door,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_seconds,
            ssl_certfile=settings.certfile,
            ssl_keyfile=settings.keyfile,
        )
        self._config.load()
        self._state = ServerState()
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener = _listen(settings.host, settings.port)
        scheme = "https" if self._config.is_ssl else "http"
        host, port = self._listener.getsockname()[:2]
        self.origin = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def run(self, on_ready: Callable[[], object]) -> None:
        """Answer until `stop`, or in the main thread until SIGINT or SIGTERM."""
        with self._listener, asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(self._serve(on_ready))

    def stop(self) -> None:
        """Make `run` return soon, whatever is in flight; callable from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)

    def ask(self, question: Callable[[], _T]) -> _T:
        """Return the answer to a question that is put in the event loop, or here if it ended."""
        if self._loop is None or self._loop.is_closed():
            return question()
        answer: Future[_T] = Future()

        def put() -> None:
            try:
                answer.set_result(question())
            except ValueError as error:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(put)
        return answer.result(_PATIENCE_SECONDS)

    async def _serve(self, on_ready: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._end.set)
        server = await self._loop.create_server(
            self._new_connection, sock=self._listener, ssl=self._config.ssl, backlog=_BACKLOG
        )
        on_ready()
        while not self._end.is_set():
            self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._end.wait()
        self.app.is_over = True
        self._loop.remove_reader(self._listener)  # closing amid an accept breaks asyncio's own loop
        await asyncio.sleep(_SETTLE_SECONDS)
        server.close()
        await self._drop_all()

    def _new_connection(self) -> asyncio.Protocol:
        door: asyncio.Protocol = self._door(self._config, self._state, {})
        return door

    async def _drop_all(self) -> None:
        for connection in list(self._state.connections):
            connection.transport.abort()
        tasks = list(self._state.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_END_SECONDS)
        await asyncio.sleep(_SETTLE_SECONDS)


class StandIn:
    """A stand-in that answers from a thread of this process for as long as the `with` lasts.

    Its methods may be called from any thread, and the counts also after the end.

    Args:
        settings: how it behaves; as TMDB does if None.
        parser: `module:class` of uvicorn's protocol; the fastest one installed if None.
    """

    def __init__(
        self, settings: StandInSettings | None = None, *, parser: str | None = None
    ) -> None:
        self._settings = settings or StandInSettings()
        self._parser = parser or fastest_parser()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)
        self._server: _Server
        self.origin = ""
        """Scheme, host and port, as URLs begin; known inside the `with`."""

    def _run(self) -> None:
        try:
            self._server.run(lambda: self._ready.set_result(None))
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def __enter__(self) -> Self:
        self._server = _Server(self._settings, self._parser)
        self.origin = self._server.origin
        self._thread.start()
        self._ready.result(_PATIENCE_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._thread.join(_PATIENCE_SECONDS)

    def statistics(self) -> dict[str, object]:
        """Return all counts, as `GET /stand-in/statistics` does."""
        return self._server.ask(self._server.app.statistics)

    def arrivals(self) -> list[tuple[float, str, int | None]]:
        """Return seconds since the start, path and query, and status of each arrival kept."""
        return self._server.ask(self._server.app.arrivals)

    def reset(self) -> None:
        """Forget all that arrived; scripts and faults start anew."""
        self._server.ask(self._server.app.reset)

    def change(self, changes: Mapping[str, object]) -> None:
        """Replace settings from the next request on.

        Raises:
            ValueError: a setting that cannot change while running, or a bad value.
        """
        self._server.ask(lambda: self._server.app.change(changes))


def serve(settings: StandInSettings, on_ready: Callable[[str], object] | None = None) -> None:
    """Answer until SIGINT or SIGTERM, then return; to be called in the main thread.

    Args:
        settings: how to behave.
        on_ready: is called with the origin once connections are accepted.

    Raises:
        OSError: the port is taken, or recorded responses or a certificate cannot be read.
        ValueError: the index of the recorded responses is bad.
    """
    raise_open_file_limit()
    server = _Server(settings, fastest_parser())
    server.run(lambda: on_ready(server.origin) if on_ready else None)

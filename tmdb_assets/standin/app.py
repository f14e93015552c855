"""What becomes of each request: counted, refused, misbehaved upon or answered, after its latency.

It goes by values and knows no sockets: `door` calls it with every request, `control` changes it at
run time. Bare of any framework, since it has to stay cheap at hundreds of requests a second. One
event loop owns an `App`.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.types import Scope, Send

from tmdb_assets.standin import answers, exports
from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.arrivals import Arrival, Ledger
from tmdb_assets.standin.bodies import MOVED, answer_to
from tmdb_assets.standin.conditions import unless_known
from tmdb_assets.standin.connection import Connection
from tmdb_assets.standin.faults import FaultPlan, check_kinds
from tmdb_assets.standin.file_host import FileHost
from tmdb_assets.standin.latency import Latency
from tmdb_assets.standin.misbehave import Task, misbehave
from tmdb_assets.standin.request import Request, read_request
from tmdb_assets.standin.samples import Samples
from tmdb_assets.standin.settings import StandInSettings, changed
from tmdb_assets.standin.wire import Exchange

REFUSAL_SECONDS = 0.06
"""What a refusal by the cap takes: the CDN says it, not TMDB."""

_MOVED_PATHS = (f"/3/{MOVED}", f"/4/{MOVED}")


class App:
    """The stand-in without its sockets.

    Attributes:
        settings: how it behaves at the moment.
        is_over: whether new connections are to be dropped, since the end has come.
    """

    def __init__(self, settings: StandInSettings, samples: Samples) -> None:
        self._samples = samples
        self._started = time.monotonic()
        self._started_at = datetime.now(UTC)
        self.settings = settings
        self.is_over = False
        self.reset()

    def _configure(self, settings: StandInSettings) -> None:
        self.settings = settings
        self._faults = FaultPlan(settings.share, settings.script)
        self._latency = Latency(settings.latency_seconds, settings.latency_variation, settings.seed)
        self._refusal_seconds = min(REFUSAL_SECONDS, settings.latency_seconds)

    def change(self, changes: Mapping[str, object]) -> None:
        """Replace settings from the next request on; faults start anew.

        Raises:
            ValueError: as `settings.changed`; nothing is changed then.
        """
        self._configure(changed(self.settings, changes))

    def reset(self) -> None:
        """Forget all that arrived, and let scripts and faults start anew."""
        self._ledger = Ledger(self._started, self._started_at)
        self._files = FileHost()
        self._configure(self.settings)

    def statistics(self) -> dict[str, object]:
        """Return all counts, ready for JSON."""
        report = self._ledger.report(self.settings.cap, self.settings.reference_cap)
        return {**report, **self._files.report()}

    def arrivals(self) -> list[tuple[float, str, int | None]]:
        """Return seconds since the start, path and query, and status of each arrival kept."""
        return self._ledger.arrivals()

    def connected(self) -> None:
        """Count a connection."""
        self._ledger.connections += 1

    async def answer(self, scope: Scope, send: Send, connection: Connection) -> None:
        """Handle a request from its arrival to the end of its answer."""
        request = read_request(scope)
        if request.path.startswith(exports.PREFIX):
            kind = request.kind or self._faults.scripted(request.path)
            await self._files.answer(Exchange(request, connection, send), self.settings, kind)
            return
        ledger = self._ledger
        cap = self.settings.reference_cap
        arrival = ledger.arrive(connection.request_moment(), request.url, cap)
        status = None
        try:
            exchange = Exchange(request, connection, send)
            status = await self._respond(exchange, arrival, ledger)
        finally:
            ledger.leave(arrival.number, status)

    async def _respond(self, exchange: Exchange, arrival: Arrival, ledger: Ledger) -> int | None:
        settings, request = self.settings, exchange.request
        if settings.cap is not None and arrival.in_second > settings.cap:
            ledger.refused += 1
            refusal = answers.over_limit(arrival.in_second, settings.cap, settings.retry_after)
            is_there = await exchange.connection.pause(self._refusal_seconds)
            return await exchange.whole(refusal) if is_there else None
        refusal_or_none = self._refusal(request, arrival)
        kind = None if refusal_or_none else self._kind(request)
        if not await exchange.connection.pause(self._latency.of(arrival.number)):
            return None
        answer = refusal_or_none or self._answer(request)
        if kind is None:
            if settings.honours_conditions:
                answer = unless_known(answer, request)
            return await exchange.whole(answer)
        ledger.misbehave(kind)
        return await misbehave(kind, Task(exchange, answer, settings.huge_bytes))

    def _refusal(self, request: Request, arrival: Arrival) -> Answer | None:
        """Return why the request gets no answer of its own, None if it gets one."""
        settings = self.settings
        if settings.refuse_after is not None and arrival.number >= settings.refuse_after:
            return answers.bad_key()
        if settings.token is not None and settings.token not in request.secrets:
            return answers.bad_key()
        if request.method not in {"GET", "HEAD"}:
            return answers.error(405, 42, "This request method is not supported.")
        if request.kind is not None:
            try:
                check_kinds([request.kind])
            except ValueError as error:
                return answers.error(400, 18, f"Validation failed: stand_in={error}")
        return None

    def _kind(self, request: Request) -> str | None:
        if request.kind is not None or request.path.startswith(_MOVED_PATHS):
            return request.kind
        return self._faults.kind_for(request.path, request.url)

    def _answer(self, request: Request) -> Answer:
        if request.path in self.settings.gone:
            return answers.not_found()
        recorded = self._samples.find(request.path, request.query)
        world = self.settings.world_of(request.path)
        return recorded or answer_to(request.path, request.query, world)

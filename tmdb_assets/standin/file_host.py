"""TMDB's other host, the one that has the exports of ids, played at the same origin.

It is not the API: it asks for no credential and has no cap, so nothing that is asked here is an
arrival or counts in a second. It has a count of its own.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from tmdb_assets.standin import exports
from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.conditions import unless_known
from tmdb_assets.standin.misbehave import Task, misbehave
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.standin.wire import Exchange, length

ANSWER_SECONDS = 0.06
"""The latency of a store of files, at most that of the API."""


class FileHost:
    """Answers what is below `exports.PREFIX`; one event loop owns it."""

    def __init__(self) -> None:
        self._requests = 0
        self._with_credentials = 0

    def report(self) -> dict[str, object]:
        """Return its counts, ready for JSON."""
        return {
            "file_requests": self._requests,
            "file_requests_with_credentials": self._with_credentials,
        }

    async def answer(self, exchange: Exchange, settings: StandInSettings, kind: str | None) -> None:
        """Handle a request.

        Args:
            exchange: the request.
            settings: how to behave.
            kind: how to misbehave, None for the usual answer.
        """
        self._requests += 1
        self._with_credentials += bool(exchange.request.secrets)
        if not await exchange.connection.pause(min(ANSWER_SECONDS, settings.latency_seconds)):
            return
        answer = await self._file(exchange.request.path, settings)
        if kind is not None:
            await misbehave(kind, Task(exchange, answer, settings.huge_bytes))
            return
        if settings.honours_conditions:
            answer = unless_known(answer, exchange.request)
        framed = (*answer.headers, length(len(answer.body)))
        await exchange.whole(replace(answer, headers=framed) if answer.body else answer)

    async def _file(self, path: str, settings: StandInSettings) -> Answer:
        found = exports.find(path, datetime.now(UTC).date(), has_today=settings.export_today)
        if found is None:
            return exports.denied()
        # a large one takes seconds to make, and others are to be answered meanwhile
        return await asyncio.to_thread(
            exports.file_of, *found, settings.export_lines, settings.export_fault
        )

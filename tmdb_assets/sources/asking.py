"""One answer of the API at a time, from the first attempt to the last: for what is no batch.

It goes through the client and the limiter that batches go through, and is judged as they are.
"""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from tmdb_assets.answer import parse
from tmdb_assets.errors import CredentialError, DownloadStoppedError, LimiterClosedError
from tmdb_assets.model import Attempt, Target
from tmdb_assets.retry import Judgement, Verdict, judge, parse_retry_after, pause_seconds
from tmdb_assets.slowdown import Pacer, Slowdown
from tmdb_assets.urls import target


class Fetcher(Protocol):
    """What sends attempts: the client, or a fake."""

    def attempt(self, target: Target) -> Attempt:
        """Send one attempt; called by many threads."""
        ...


class Asker:
    """Asks until there is an answer; safe to share between threads."""

    def __init__(
        self,
        fetcher: Fetcher,
        pacer: Pacer,
        max_attempts: int,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - no secret hangs on it
    ) -> None:
        """Get ready; nothing is sent yet.

        Args:
            fetcher: sends attempts, each with a permit.
            pacer: is told of refusals.
            max_attempts: tries per URL; an answer 429 does not count.
            jitter: returns a number from 0 to 1.
        """
        self._fetcher = fetcher
        self._slowdown = Slowdown(pacer)
        self._max_attempts = max_attempts
        self._jitter = jitter
        self._stopped = threading.Event()

    def ask(self, url: str) -> dict[str, object]:
        """Return the object that TMDB answers with; blocks for permits, answers and pauses.

        Raises:
            CredentialError: TMDB refuses the credential.
            DownloadStoppedError: there is no such answer, or none came.
            LimiterError: no permit can be had.
        """
        asked, tries = target(url), 0
        while True:
            attempt = self._fetcher.attempt(asked)
            self._slowdown.heed(attempt)
            judgement = judge(attempt, url)
            if judgement.verdict is Verdict.FETCHED:
                document = parse(attempt.body)
                return document if isinstance(document, dict) else {}
            tries += judgement.verdict is not Verdict.REFUSED
            self._check(judgement, url, tries)
            if judgement.verdict is Verdict.AGAIN:
                seconds = parse_retry_after(attempt.retry_after, datetime.now(UTC))
                self._stopped.wait(pause_seconds(tries, seconds, self._jitter))
            if self._stopped.is_set():
                raise LimiterClosedError("stopped before there was an answer")

    def stop(self) -> None:
        """Let nobody wait for another try."""
        self._stopped.set()

    def _check(self, judgement: Judgement, url: str, tries: int) -> None:
        """Raise if another try would be in vain."""
        match judgement.verdict:
            case Verdict.STOP:
                raise CredentialError(
                    f"TMDB refuses the credential ({judgement.reason}): check "
                    "TMDB_READ_ACCESS_TOKEN (or TMDB_API_KEY) in your TMDB account settings"
                )
            case Verdict.AGAIN if tries >= self._max_attempts:
                words = f"{tries} times: {judgement.reason}: try again when TMDB is well"
                raise DownloadStoppedError(f"{url} was asked for {words}")
            case Verdict.ABSENT | Verdict.GIVE_UP:
                raise DownloadStoppedError(
                    f"TMDB answers {url} with {judgement.reason}: report it if it comes back"
                )
            case _:
                return

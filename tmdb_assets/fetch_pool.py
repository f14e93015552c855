"""One batch: threads fetch, the thread that called writes, and a stop ends both in good order.

Results wait in a bounded queue, so a slow disk slows the net and never fills the memory. A failure
in any thread stops all; what is in flight then has a moment to land, and what landed is kept.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from tmdb_assets.backlog import Backlog, Task
from tmdb_assets.combine import requests_for
from tmdb_assets.errors import CredentialError, DownloadStoppedError, StoreError, TmdbAssetsError
from tmdb_assets.landing import Result, land
from tmdb_assets.model import Attempt, Target
from tmdb_assets.outage import OUTAGE_SECONDS, Outage
from tmdb_assets.report import Statistics
from tmdb_assets.retry import Judgement, Verdict, judge, parse_retry_after, pause_seconds
from tmdb_assets.slowdown import Pacer, Slowdown
from tmdb_assets.store import BatchStore

DRAIN_SECONDS = 2.3
"""How long a stopped run waits for answers that are paid for already."""

JOIN_SECONDS = 1.0
"""Bound on waiting for a thread that has nothing left to do."""

PROGRESS_SECONDS = 10.0
"""Time between two lines in the log, for five minutes."""

LATER_PROGRESS_SECONDS = 30.0
"""The same after that: each line is an event that Dagster keeps, and pages load them all."""

_TOGETHER = 2
"""Tries of a combined request, before its targets are asked for alone."""

_POLL_SECONDS = 0.2

logger = logging.getLogger(__name__)


class Fetcher(Protocol):
    """What sends attempts: the client, or a fake."""

    def attempt(self, target: Target) -> Attempt:
        """Send one attempt; called by many threads."""
        ...


class FetchPool:
    """The threads that fetch the pending targets of one batch; used once."""

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        store: BatchStore,
        fetcher: Fetcher,
        pacer: Pacer,
        *,
        threads: int,
        max_attempts: int,
        outage_seconds: float = OUTAGE_SECONDS,
        combined: bool = False,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - no secret hangs on it
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Get ready; nothing is sent yet.

        Args:
            store: entered; its pending targets are fetched.
            fetcher: sends attempts.
            pacer: is told of refusals.
            threads: requests in flight at most.
            max_attempts: tries per target.
            outage_seconds: how long to wait for a server that does not answer.
            combined: whether what can be asked for together is.
            jitter: returns a number from 0 to 1.
            clock: monotonic seconds, for pauses.
        """
        self.statistics = Statistics(urls=len(store.pending))
        self._store = store
        self._fetcher = fetcher
        self._slowdown = Slowdown(pacer)
        self._max_attempts = max_attempts
        self._jitter = jitter
        asked = requests_for(store.pending, store.former, combined=combined)
        self.statistics.conditional = sum(len(one.parts) or 1 for one in asked if one.etag)
        self._backlog = Backlog(asked, clock)
        self._outage = Outage(self._backlog, clock, outage_seconds)
        self._results: queue.Queue[Result] = queue.Queue(maxsize=2 * threads)
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"tmdb-fetch-{number}", daemon=True)
            for number in range(min(threads, len(store.pending)))
        ]

    def run(self, stop_sending: Callable[[], None]) -> None:
        """Fetch everything pending and store it; blocks.

        Args:
            stop_sending: called once if the download ends early: has to make every thread that
                waits for a permit return.

        Raises:
            CredentialError: TMDB refuses the credential.
            LimiterError: no permit can be had.
            StoreError: the batch cannot be written.
            DownloadStoppedError: a thread met what it does not understand.
            BaseException: whatever interrupted the calling thread, after what had landed was kept.
        """
        try:
            for thread in self._threads:
                thread.start()
            self._write_until_done()
        except BaseException as error:
            self._stop(stop_sending, keep_landing=not isinstance(error, TmdbAssetsError))
            raise
        if self._failure is not None:
            self._stop(stop_sending, keep_landing=True)
            raise self._failure
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        self._note_pauses()

    def _note_pauses(self) -> None:
        self.statistics.pauses = self._backlog.pauses
        self.statistics.cooldowns_seconds = self._slowdown.pauses_seconds
        self.statistics.outages_seconds = self._outage.seconds

    def _write_until_done(self) -> None:
        next_line = time.monotonic() + PROGRESS_SECONDS
        often_until = time.monotonic() + 300.0
        while self.statistics.done < self.statistics.urls and self._failure is None:
            with suppress(queue.Empty):
                self._write(self._results.get(timeout=_POLL_SECONDS))
            if (now := time.monotonic()) >= next_line:
                gap_seconds = PROGRESS_SECONDS if now < often_until else LATER_PROGRESS_SECONDS
                # not several at once after the machine slept
                next_line = max(next_line, now - 1.0) + gap_seconds
                words = self._outage.words() or self._slowdown.words()
                logger.info("%s%s", self.statistics.progress_line(), words and f" ({words})")
            self._store.keep()

    def _write(self, result: Result) -> None:
        self._store.record(result.outcome, result.body)
        self.statistics.add(result.outcome, result.seconds)

    def _stop(self, stop_sending: Callable[[], None], *, keep_landing: bool) -> None:
        self._stopped.set()
        self._backlog.stop()
        stop_sending()
        deadline = time.monotonic() + (DRAIN_SECONDS if keep_landing else 0.0)
        while any(thread.is_alive() for thread in self._threads) or not self._results.empty():
            remaining_seconds = deadline - time.monotonic()
            if remaining_seconds <= 0:
                break
            try:
                self._write(self._results.get(timeout=min(_POLL_SECONDS, remaining_seconds)))
            except queue.Empty:
                continue
            except StoreError as error:
                # what stopped the run is the news; that the rest cannot be kept is a consequence
                logger.warning("what was in flight is lost: %s", error)
                break
        self._note_pauses()
        logger.warning(
            "stopped with %d of %d URLs done: all of it is kept, and the next run goes on there",
            *(self.statistics.done, self.statistics.urls),
        )

    def _work(self) -> None:
        """Take, send, judge, pass on: the life of a fetching thread."""
        task: Task | None = None
        try:
            while (task := self._backlog.take()) is not None:
                attempt = self._fetcher.attempt(task.target)
                task.sent_at.extend(attempt.sent_at)
                self._slowdown.heed(attempt)
                target = task.target
                judgement = judge(attempt, target.url, is_conditional=bool(target.etag))
                self._follow(judgement, attempt, task)
        except TmdbAssetsError as error:
            self._fail(error)
        except BaseException as error:  # noqa: BLE001 - the one boundary: a surprise must stop the run
            name = task.target.name if task is not None else "none"
            surprise = DownloadStoppedError(
                f"unexpected {type(error).__name__} at {name!r}: all that was fetched is kept; "
                "run again, and report it if it comes back"
            )
            surprise.__cause__ = error
            self._fail(surprise)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error

    def _follow(self, judgement: Judgement, attempt: Attempt, task: Task) -> None:
        if judgement.verdict is Verdict.STOP:
            raise CredentialError(
                f"TMDB refuses the credential ({judgement.reason}): "
                "check TMDB_READ_ACCESS_TOKEN (or TMDB_API_KEY) in your TMDB account settings"
            )
        is_outage = self._is_outage(judgement, attempt, task)
        if task.is_probe:
            return
        match judgement.verdict:
            case Verdict.FETCHED | Verdict.UNCHANGED | Verdict.ABSENT | Verdict.GIVE_UP:
                self._pass_on(judgement, attempt, task)
            case Verdict.REFUSED:
                # no pause of its own: everybody pauses, and the limiter says for how long
                self._backlog.put_back(task, 0.0, judgement.reason)
            case _:
                # in an outage it is not the URL that failed
                task.tries += not is_outage
                self._try_again(judgement, attempt, task)

    def _is_outage(self, judgement: Judgement, attempt: Attempt, task: Task) -> bool:
        """Say whether an outage is why there is no answer."""
        is_answer = judgement.verdict is not Verdict.AGAIN
        # whoever has no such path is there all the same
        if is_answer or (task.is_probe and attempt.status == HTTPStatus.NOT_FOUND):
            self._outage.answered(task)
            return False
        return self._outage.failed(task, attempt, judgement.reason)

    def _try_again(self, judgement: Judgement, attempt: Attempt, task: Task) -> None:
        is_whole = not task.target.parts
        if task.tries >= (self._max_attempts if is_whole else min(_TOGETHER, self._max_attempts)):
            self._pass_on(judgement, attempt, task)
            return
        asked_seconds = parse_retry_after(attempt.retry_after, datetime.now(UTC))
        pause = pause_seconds(max(task.tries, 1), asked_seconds, self._jitter)
        self._backlog.put_back(task, pause, judgement.reason)

    def _pass_on(self, judgement: Judgement, attempt: Attempt, task: Task) -> None:
        landing = land(judgement, attempt, task, self._store.former)
        self._backlog.add(landing.alone)
        for result in landing.results:
            while True:
                try:
                    self._results.put(result, timeout=_POLL_SECONDS)
                except queue.Full:
                    if self._stopped.is_set():
                        return
                else:
                    break
        self._backlog.finish()

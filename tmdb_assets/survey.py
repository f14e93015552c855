"""How far lists are: read from their files alone, whoever writes them, also while they grow.

Nothing here locks or writes, so it may look at any time.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmdb_assets import outcomes
from tmdb_assets.batches import read_list
from tmdb_assets.files import storing
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.receipt import RECEIPT_NAME, batch_folder
from tmdb_assets.renewal import read_renewal

RATE_SECONDS = 10.0
"""Span over which the present rate is taken."""

SETTLE_SECONDS = 4.0
"""How far back that span ends: a request shows only once it is answered, 2.3 s later or more."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a list stands at one moment.

    Attributes:
        purged: URLs whose body was removed for its age.
        pending: URLs without an outcome, or with one that is too old.
        batches: of the list, of which `complete` have a receipt.
        requests: sent for outcomes that are on disk.
        requests_per_second: at present, all requests of this list together.
        urls_per_request: outcomes for each request so far; more than 1 where they are combined.
        mean_requests_per_second: between the first and the last one since the survey began.
    """

    name: str
    urls: int
    fetched: int
    absent: int
    failed: int
    purged: int
    pending: int
    batches: int
    complete: int
    requests: int
    requests_per_second: float
    mean_requests_per_second: float
    urls_per_request: float = 1.0

    @property
    def done(self) -> int:
        """URLs for which there is nothing left to do: fetched, absent or purged."""
        return self.fetched + self.absent + self.purged


class Survey:
    """Follows one list; every look reads only what is new. One thread."""

    def __init__(self, data_dir: Path, name: str, clock: Callable[[], float] = time.time) -> None:
        """Get ready.

        Raises:
            BatchError: there is no such list, or a record of it is damaged.
            StoreError: its records cannot be read.
        """
        self._frozen = read_list(data_dir, name)
        self._since = read_renewal(data_dir, name).since
        self._clock = clock
        self._began_at = clock()
        self._folders = [batch_folder(data_dir, batch.name) for batch in self._frozen.batches]
        self._readers = [
            outcomes.OutcomeReader(folder / outcomes.FILE_NAME) for folder in self._folders
        ]
        self._kinds: dict[str, OutcomeKind | None] = {}
        self._recent: deque[float] = deque()
        self._requests = self._outcomes = 0
        self._sent_since = 0
        self._first_sent, self._last_sent = float("inf"), float("-inf")

    def look(self) -> Standing:
        """Return how the list stands now.

        Raises:
            BatchError: its outcomes are of a newer format.
            StoreError: they cannot be read.
        """
        for outcome in self._new():
            is_old = outcome.outcome is not OutcomeKind.FAILED and outcome.as_of < self._since
            self._kinds[outcome.name] = None if is_old else outcome.outcome
            self._requests += outcome.attempts
            self._outcomes += outcome.outcome is not OutcomeKind.PURGED
            self._note(outcome.sent_at)
        counts = Counter(kind for kind in self._kinds.values() if kind is not None)
        return Standing(
            name=self._frozen.name,
            urls=self._frozen.urls,
            fetched=counts[OutcomeKind.FETCHED],
            absent=counts[OutcomeKind.ABSENT],
            failed=counts[OutcomeKind.FAILED],
            purged=counts[OutcomeKind.PURGED],
            pending=self._frozen.urls - counts.total(),
            batches=len(self._folders),
            complete=sum((folder / RECEIPT_NAME).exists() for folder in self._folders),
            requests=self._requests,
            requests_per_second=self._rate(),
            mean_requests_per_second=self._mean_rate(),
            urls_per_request=max(1.0, self._outcomes / self._requests) if self._requests else 1.0,
        )

    def failures(self) -> Iterator[Outcome]:
        """Yield the last outcome of every URL that failed, in the order of the batches.

        Raises:
            BatchError: outcomes are of a newer format.
            StoreError: they cannot be read.
        """
        for folder in self._folders:
            last = outcomes.last_outcomes(folder).values()
            yield from (one for one in last if one.outcome is OutcomeKind.FAILED)

    def _new(self) -> Iterator[Outcome]:
        for folder, reader in zip(self._folders, self._readers, strict=True):
            with storing(folder):
                yield from reader.new()

    def _note(self, sent_at: Sequence[float]) -> None:
        self._recent.extend(sent_at)
        for moment in sent_at:
            if moment >= self._began_at:
                self._sent_since += 1
                self._first_sent = min(self._first_sent, moment)
                self._last_sent = max(self._last_sent, moment)

    def _mean_rate(self) -> float:
        span_seconds = self._last_sent - self._first_sent
        return (self._sent_since - 1) / span_seconds if span_seconds > 0 else 0.0

    def _rate(self) -> float:
        end = self._clock() - SETTLE_SECONDS
        self._recent = deque(moment for moment in self._recent if moment > end - RATE_SECONDS)
        settled = [moment for moment in self._recent if moment <= end]
        if not settled:
            return 0.0
        return len(settled) / max(1.0, end - min(settled))

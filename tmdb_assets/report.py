"""What a run of a batch amounts to, in numbers: gathered as it goes, summed up at its end."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from tmdb_assets.cap_use import CapUse
from tmdb_assets.model import Outcome, OutcomeKind

EXAMPLES = 3
"""URLs named per reason of failure."""


@dataclass(slots=True)
class Statistics:
    """Counts of one run; belongs to the thread that writes.

    Attributes:
        urls: targets that this run set out to fetch.
        counts: outcomes of this run by kind.
        failed: URLs given up, by reason.
        failures: the first few of them, by reason.
        pauses: how often a target had to be tried again, by reason.
        cooldowns_seconds: pauses of everybody that answers 429 to this run began.
        outages_seconds: times in which nothing answered, those that ended.
        limiter_rate: requests/s that the limiter gave at the end; 0 if nobody knows.
        permit_wait_seconds: time for which a request was ready and its permit had not come.
        conditional: targets that were asked for only if they changed.
        unchanged: targets whose body still holds, as an answer 304 said.
        combined: targets whose answer came together with others.
        sent_at: moments of all requests, POSIX seconds.
        latencies_seconds: of the last attempt of every fetched or absent target.
    """

    urls: int
    counts: Counter[OutcomeKind] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[str]] = field(default_factory=dict)
    pauses: Counter[str] = field(default_factory=Counter)
    cooldowns_seconds: list[float] = field(default_factory=list)
    outages_seconds: list[float] = field(default_factory=list)
    limiter_rate: float = 0.0
    permit_wait_seconds: float = 0.0
    conditional: int = 0
    unchanged: int = 0
    combined: int = 0
    sent_at: list[float] = field(default_factory=list)
    latencies_seconds: list[float] = field(default_factory=list)
    bytes: int = 0
    _line_at: float = field(default_factory=time.monotonic)
    _line_done: int = 0

    @property
    def done(self) -> int:
        """Targets that have an outcome."""
        return self.counts.total()

    def add(self, outcome: Outcome, seconds: float) -> None:
        """Count one outcome."""
        self.counts[outcome.outcome] += 1
        self.sent_at.extend(outcome.sent_at)
        is_fetched = outcome.outcome is OutcomeKind.FETCHED
        is_unchanged = is_fetched and outcome.status == HTTPStatus.NOT_MODIFIED
        self.unchanged += is_unchanged
        self.combined += is_fetched and bool(outcome.combined_with)
        if is_fetched and not is_unchanged:
            self.bytes += outcome.bytes
        if outcome.outcome is OutcomeKind.FAILED:
            self.failed[outcome.reason] += 1
            examples = self.failures.setdefault(outcome.reason, [])
            if len(examples) < EXAMPLES:
                examples.append(outcome.url)
        elif outcome.sent_at:  # once for all that came together
            self.latencies_seconds.append(seconds)

    def _words(self) -> str:
        words = (
            f"{self.counts[OutcomeKind.ABSENT]} absent, {self.counts[OutcomeKind.FAILED]} failed"
        )
        return f"{words}, {self.unchanged} unchanged" if self.unchanged else words

    def progress_line(self, clock: Callable[[], float] = time.monotonic) -> str:
        """Return a line for the log: how far, how fast since the last such line, how long still."""
        now = clock()
        seconds, new = now - self._line_at, self.done - self._line_done
        self._line_at, self._line_done = now, self.done
        per_second = new / seconds if seconds > 0 else 0.0
        left = f"{(self.urls - self.done) / per_second:.0f} s left" if per_second else "nothing new"
        return (
            f"{self.done} of {self.urls} URLs done ({self._words()}), "
            f"{per_second:.1f} URLs/s, {left}"
        )


@dataclass(frozen=True, slots=True)
class Report:
    """How a run of a batch ended.

    Attributes:
        urls: targets of the batch.
        fetched, absent, failed, purged: outcomes of the whole batch.
        resumed: targets that had an outcome already when the run began.
        requests: sent in this run, refused and repeated ones too.
        refused: answers 429.
        seconds: duration of the run.
        requests_per_second: between the first and the last request of this run.
        share_of_cap: the same as a share of what the cap allows.
        urls_per_second: outcomes in the same time; more than requests where they are combined.
        latency_p50_seconds, latency_p95_seconds: of answers, from permit to last byte.
        bytes: size of the bodies that this run stored.
        conditional: targets that were asked for only if they changed; of them `unchanged` had not.
        combined: targets whose answer came together with others.
        failures: reason, how often, example URLs.
        pauses: how often a target was tried again, by reason.
        cooldowns: pauses of everybody that answers 429 to this run began.
        cooldown_seconds: the same as their sum.
        outages: times in which nothing answered.
        outage_seconds: the same as their sum.
        limiter_rate: requests/s that the limiter gave when the run ended; below the cap after 429s.
        permit_wait_seconds: time for which a request was ready and its permit had not come: near
            `seconds` where the cap is what bounds the run, little where something else does.
        cap: requests/s that all who share the limiter may send.
        cap_use: what everybody sent meanwhile, as far as outcomes in the data folder tell.
        latencies_seconds: of answers, one by one.
    """

    batch: str
    urls: int
    fetched: int
    absent: int
    failed: int
    resumed: int
    requests: int
    refused: int
    seconds: float
    requests_per_second: float
    share_of_cap: float
    latency_p50_seconds: float
    latency_p95_seconds: float
    bytes: int
    failures: tuple[tuple[str, int, tuple[str, ...]], ...]
    pauses: tuple[tuple[str, int], ...]
    cooldowns: int
    cooldown_seconds: float
    outages: int
    outage_seconds: float
    limiter_rate: float
    permit_wait_seconds: float
    cap: int
    cap_use: CapUse
    latencies_seconds: tuple[float, ...]
    folder: Path
    purged: int = 0
    urls_per_second: float = 0.0
    conditional: int = 0
    unchanged: int = 0
    combined: int = 0

    @property
    def failed_share(self) -> float:
        """Failed URLs as a share of the batch."""
        return self.failed / self.urls if self.urls else 0.0


def rate_per_second(sent_at: Sequence[float]) -> float:
    """Return requests per second between the first and the last of these moments."""
    if len(sent_at) < 2:  # noqa: PLR2004 - a rate needs two moments
        return 0.0
    span_seconds = max(sent_at) - min(sent_at)
    return (len(sent_at) - 1) / span_seconds if span_seconds > 0 else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of them do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]

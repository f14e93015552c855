"""The download of one batch, put together: its files, the limiter, the client, the threads.

This is what a Dagster run calls. It reads no environment and knows no Dagster.
"""

import logging
import time
from contextlib import closing, suppress

from tmdb_assets import batches, cap_use, open_files
from tmdb_assets.client.session import Client
from tmdb_assets.errors import ConfigurationError, LimiterError
from tmdb_assets.fetch_pool import FetchPool
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import OutcomeKind, Settings
from tmdb_assets.receipt import needs_download
from tmdb_assets.renewal import read_renewal
from tmdb_assets.report import Report, Statistics, percentile, rate_per_second
from tmdb_assets.settings import require_credential
from tmdb_assets.store import BatchStore

logger = logging.getLogger(__name__)


def download_batch(batch: str, settings: Settings, holder: str = "") -> Report:
    """Fetch what a batch still lacks and return how it stands; blocks, resumes by itself.

    Any number of processes may do this at once for different batches: they share the limiter.

    Args:
        batch: key of a frozen batch.
        settings: origins, credential, limits and folders.
        holder: who does it, for the lock of the batch; a Dagster run's id.

    Raises:
        ConfigurationError: the batch asks an origin that is not allowed, a credential is missing,
            or too few files may be open. Nothing was sent.
        BatchError: no such batch, or another run has it. Nothing was sent.
        CredentialError: TMDB refuses the credential.
        LimiterError: no permit can be had.
        StoreError: the batch cannot be written.
        OutageError: TMDB does not answer; what was fetched is kept.
        DownloadStoppedError: something unexpected; what was fetched is kept.
    """
    targets = batches.load(settings.data_dir, batch)
    _check_origins(batch, batches.origins_of(targets), settings)
    open_files.ensure(settings.threads)
    began_at = time.monotonic()
    name = batches.list_of(batch)
    is_combined = batches.read_list(settings.data_dir, name).combine
    renewal = read_renewal(settings.data_dir, name)
    with BatchStore(settings.data_dir, batch, targets, holder, renewal=renewal) as store:
        resumed = len(targets) - len(store.pending)
        logger.info("batch %s: %d URLs, %d done before", batch, len(targets), resumed)
        statistics = Statistics(urls=0)
        if store.pending:
            statistics = _fetch(store, settings, combined=is_combined)
        seconds = time.monotonic() - began_at
        if store.pending or needs_download(settings.data_dir, batch):
            store.seal(seconds)
        report = _sum_up(batch, store, statistics, settings, seconds)
    logger.info(
        "batch %s: %d fetched, %d absent, %d failed in %.1f s, %.1f requests/s",
        *(batch, report.fetched, report.absent, report.failed, seconds),
        report.requests_per_second,
    )
    return report


def _check_origins(batch: str, origins: set[str], settings: Settings) -> None:
    for origin in sorted(origins - set(settings.origins)):
        raise ConfigurationError(
            f"batch {batch!r} was frozen for {origin}, which TMDB_ALLOWED_ORIGINS does not name: "
            "add it there (for the stand-in: start this command under `tmdb-assets stand-in --`)"
        )
    require_credential(settings, origins)


def _fetch(store: BatchStore, settings: Settings, *, combined: bool) -> Statistics:
    with closing(open_door(settings)) as door, closing(Client(settings, door)) as client:
        pool = FetchPool(
            store,
            client,
            door,
            threads=settings.threads,
            max_attempts=settings.max_attempts,
            outage_seconds=settings.outage_seconds,
            combined=combined,
        )
        pool.run(stop_sending=door.close)
        pool.statistics.permit_wait_seconds = door.waited_seconds
        with suppress(LimiterError):  # all is fetched: a figure less is no failure
            pool.statistics.limiter_rate = door.pace().requests_per_second
        return pool.statistics


def _sum_up(
    batch: str, store: BatchStore, statistics: Statistics, settings: Settings, seconds: float
) -> Report:
    per_second = rate_per_second(statistics.sent_at)
    counts = store.counts
    return Report(
        batch=batch,
        urls=counts.total(),
        fetched=counts[OutcomeKind.FETCHED],
        absent=counts[OutcomeKind.ABSENT],
        failed=counts[OutcomeKind.FAILED],
        purged=counts[OutcomeKind.PURGED],
        resumed=counts.total() - statistics.urls,
        requests=len(statistics.sent_at),
        refused=sum(
            count
            for reason, count in (statistics.pauses + statistics.failed).items()
            if reason.startswith("HTTP 429")
        ),
        seconds=seconds,
        requests_per_second=per_second,
        share_of_cap=per_second / settings.requests_per_second,
        urls_per_second=_urls_per_second(statistics),
        latency_p50_seconds=percentile(statistics.latencies_seconds, 0.5),
        latency_p95_seconds=percentile(statistics.latencies_seconds, 0.95),
        bytes=statistics.bytes,
        conditional=statistics.conditional,
        unchanged=statistics.unchanged,
        combined=statistics.combined,
        failures=tuple(
            (reason, count, tuple(statistics.failures[reason]))
            for reason, count in statistics.failed.most_common()
        ),
        pauses=tuple(statistics.pauses.most_common()),
        cooldowns=len(statistics.cooldowns_seconds),
        cooldown_seconds=sum(statistics.cooldowns_seconds),
        outages=len(statistics.outages_seconds),
        outage_seconds=sum(statistics.outages_seconds),
        limiter_rate=statistics.limiter_rate or settings.requests_per_second,
        permit_wait_seconds=statistics.permit_wait_seconds,
        cap=settings.requests_per_second,
        cap_use=cap_use.look_back(settings.data_dir, statistics.sent_at),
        latencies_seconds=tuple(statistics.latencies_seconds),
        folder=store.folder,
    )


def _urls_per_second(statistics: Statistics) -> float:
    """Return outcomes per second of the time in which requests left."""
    if not statistics.sent_at:
        return 0.0
    return rate_per_second(statistics.sent_at) * statistics.done / len(statistics.sent_at)

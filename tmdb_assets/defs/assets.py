"""Dagster assets: what exists because of us, each a few lines over the core."""

from collections.abc import Iterator

import dagster as dg

from tmdb_assets.defs import checks, metadata
from tmdb_assets.defs.asked import ASKED_TAG, check_as_asked
from tmdb_assets.defs.lists import url_lists
from tmdb_assets.defs.partitions import GROUP, OWNERS, RESPONSES, batches_partitions
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.download import download_batch
from tmdb_assets.errors import BatchBusyError, OutageError, TmdbAssetsError
from tmdb_assets.model import Settings
from tmdb_assets.report import Report

RETRY_TAG = "dagster/retry_on_asset_or_op_failure"
"""Has Dagster's daemon take a run up again although it failed by itself."""

TOO_MANY_FAILED_TAG = "tmdb_assets/too_many_failed"
"""On a run that did all it could, and failed only because of TMDB_MAX_FAILED_SHARE."""

BUSY_TAG = "tmdb_assets/batch_was_busy"
"""On a run that did nothing, since another had its batch."""


@dg.asset(
    name=RESPONSES,
    partitions_def=batches_partitions,
    deps=[url_lists],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"json", "tmdb"},
    tags={"stage": "raw"},
    check_specs=checks.run_checks,
)
def tmdb_responses(
    context: dg.AssetExecutionContext, tmdb: TmdbResource
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:  # type: ignore[type-arg]  # Dagster takes it bare only
    """The answers of TMDB to one batch of URLs: one JSON file per URL, as received.

    Every URL of the batch ends in one outcome: `fetched` (its file is there), `absent` (TMDB says
    404 or 410: an answer) or `failed` (given up for now, with its reason). `outcomes.jsonl` beside
    the files has them all. Materialize a partition again to fetch what is missing or failed: what
    is there is not asked for a second time.

    All runs on all hosts that share the limiter stay under the cap together. A run that says it
    waits for an older one is not stuck: the older goes first, so that they end one by one.
    """
    _shed_tags(context)
    try:
        settings = tmdb.settings()
        if context.run.parent_run_id is None:  # another time may have other settings
            check_as_asked(context.run.tags.get(ASKED_TAG, "{}"), settings)
        report = download_batch(context.partition_key, settings, context.run.run_id)
    except TmdbAssetsError as error:
        if isinstance(error, BatchBusyError):
            context.instance.add_run_tags(context.run.run_id, {BUSY_TAG: "true"})
        if isinstance(error, OutageError):
            # a failure of its own is not repeated otherwise (dagster.yaml); this one may well pass
            context.instance.add_run_tags(context.run.run_id, {RETRY_TAG: "true"})
        raise dg.Failure(description=str(error), allow_retries=False) from error
    has_failed = report.failed_share > settings.max_failed_share
    if not has_failed:
        # before the checks: they show with the materialization that they are about
        yield dg.MaterializeResult(metadata=metadata.of_report(report))
    yield from checks.of_run(report)
    if has_failed:
        context.instance.add_run_tags(context.run.run_id, {TOO_MANY_FAILED_TAG: "true"})
        _make_tables(context, settings)
        raise _too_many_failed(report, settings.max_failed_share)


def _make_tables(context: dg.AssetExecutionContext, settings: Settings) -> None:
    """Have what was fetched, and why the rest was not, in tables although their step is skipped."""
    from tmdb_assets.tables.making import make_tables  # noqa: PLC0415 - DuckDB costs a run's start

    try:
        make_tables(settings.data_dir, context.partition_key, context.run.run_id)
    except TmdbAssetsError as error:
        context.log.warning("no tables: %s", error)


def _shed_tags(context: dg.AssetExecutionContext) -> None:
    """Undo what a former run said of itself: a re-execution inherits tags."""
    own_tags = (RETRY_TAG, TOO_MANY_FAILED_TAG, BUSY_TAG)
    if inherited := {tag: "false" for tag in own_tags if tag in context.run.tags}:
        context.instance.add_run_tags(context.run.run_id, inherited)


def _too_many_failed(report: Report, allowed: float) -> dg.Failure:
    return dg.Failure(
        description=(
            f"{report.failed} of {report.urls} URLs failed, a share of {report.failed_share:.1%} "
            f"where TMDB_MAX_FAILED_SHARE allows {allowed:.1%}: what was fetched is kept; see the "
            "failures by reason, and materialize the partition again to ask for them again"
        ),
        metadata=metadata.of_report(report),
        allow_retries=False,
    )

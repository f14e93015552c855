"""Dagster assets: what exists because of us, each a few lines over the core."""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from tmdb_assets.batches import Added
from tmdb_assets.defs.partitions import batches_partitions
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.download import download_batch
from tmdb_assets.errors import OutageError, TmdbAssetsError
from tmdb_assets.report import EXAMPLES, Report
from tmdb_assets.verification import Verified, verify_batch

GROUP = "tmdb"

url_lists = dg.AssetSpec(
    "url_lists",
    group_name=GROUP,
    kinds={"file"},
    description=(
        "Lists of TMDB URLs, frozen into batches of about 2,000 under `data/batches`. "
        "Drop a list into `url_lists/`, or run `tmdb-assets add LIST`: every batch becomes a "
        "partition of `tmdb_responses`."
    ),
)


def list_event(added: Added) -> dg.AssetMaterialization:
    """Return the event that a list was frozen, for the page of `url_lists`."""
    return dg.AssetMaterialization(
        url_lists.key,
        metadata={
            "list": added.plan.name,
            "urls": added.plan.urls,
            "new": added.plan.new,
            "duplicates": added.plan.duplicates,
            "rejected_lines": added.plan.rejected,
            "batches": len(added.all_batches),
            "new_batches": len(added.new_batches),
        },
    )


RETRY_TAG = "dagster/retry_on_asset_or_op_failure"
"""Has Dagster's daemon take a run up again although it failed by itself."""

FILES_MATCH = "files_are_as_fetched"
RESPONSES_COMPLETE = "no_url_failed"


def _check_spec(name: str, description: str) -> dg.AssetCheckSpec:
    """Return a check that has a result per partition: else a good batch would hide a bad one."""
    with warnings.catch_warnings():
        # partitioned checks are a preview; the contract tests notice if they change
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name,
            asset="tmdb_responses",
            partitions_def=batches_partitions,
            description=description,
        )


@dg.asset(
    partitions_def=batches_partitions,
    deps=[url_lists],
    group_name=GROUP,
    kinds={"json"},
    check_specs=[
        _check_spec(
            RESPONSES_COMPLETE, "Every URL of the batch is fetched or absent; none was given up."
        )
    ],
)
def tmdb_responses(context: dg.AssetExecutionContext, tmdb: TmdbResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # with checks, Dagster takes it bare only
    """The answers of TMDB to one batch of URLs: one JSON file per URL, as received.

    Every URL of the batch ends in one outcome: `fetched` (its file is there), `absent` (TMDB says
    404 or 410: an answer) or `failed` (given up for now, with its reason). `outcomes.jsonl` beside
    the files has them all. Materialize a partition again to fetch what is missing or failed: what
    is there is not asked for a second time.

    All runs on all hosts that share the limiter stay under the cap together. A run that says it
    waits for an older one is not stuck: the older goes first, so that they end one by one.
    """
    try:
        report = download_batch(context.partition_key, tmdb.settings(), context.run.run_id)
    except TmdbAssetsError as error:
        if isinstance(error, OutageError):
            # a failure of its own is not repeated otherwise (dagster.yaml); this one may well pass
            context.instance.add_run_tags(context.run.run_id, {RETRY_TAG: "true"})
        raise dg.Failure(description=str(error), allow_retries=False) from error
    return dg.MaterializeResult(metadata=_metadata(report), check_results=[_check(report)])


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.PreviewWarning)  # as above

    @dg.asset_check(
        asset=tmdb_responses,
        name=FILES_MATCH,
        partitions_def=batches_partitions,
        description=(
            "Every file of the batch has the digest that was recorded when it was fetched, none is "
            "missing and none is strange. The same as `tmdb-assets verify`, which also repairs."
        ),
    )
    def files_are_as_fetched(
        context: dg.AssetCheckExecutionContext, tmdb: TmdbResource
    ) -> dg.AssetCheckResult:
        """Read everything back and compare."""
        try:
            verified = verify_batch(tmdb.settings().data_dir, context.partition_key)
        except TmdbAssetsError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        flaws = Counter(finding.flaw.value for finding in verified.findings)
        return dg.AssetCheckResult(
            passed=not verified.findings,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "files_as_fetched": verified.bodies,
                "urls_to_fetch": verified.pending,
                **({"flaws": _findings_table(verified, flaws)} if flaws else {}),
            },
        )


def _findings_table(verified: Verified, flaws: Mapping[str, int]) -> dg.TableMetadataValue:
    return _table(
        {
            "flaw": flaw,
            "times": times,
            "examples": "\n".join(
                [one.what for one in verified.findings if one.flaw.value == flaw][:EXAMPLES]
            ),
            "remedy": next(one.remedy for one in verified.findings if one.flaw.value == flaw),
        }
        for flaw, times in flaws.items()
    )


def _metadata(report: Report) -> dict[str, dg.MetadataValue[Any]]:
    numbers: dict[str, float] = {
        "urls": report.urls,
        "fetched": report.fetched,
        "absent": report.absent,
        "failed": report.failed,
        "resumed": report.resumed,
        "requests": report.requests,
        "refused_429": report.refused,
        "pauses_after_429": report.cooldowns,
        "paused_seconds": round(report.cooldown_seconds, 1),
        "outages": report.outages,
        "outage_seconds": round(report.outage_seconds, 1),
        "limiter_rate_at_end": round(report.limiter_rate, 2),
        "requests_per_second": round(report.requests_per_second, 2),
        "share_of_cap": round(report.share_of_cap, 4),
        "latency_p50_seconds": round(report.latency_p50_seconds, 3),
        "latency_p95_seconds": round(report.latency_p95_seconds, 3),
        "bytes": report.bytes,
        "seconds": round(report.seconds, 1),
    }
    metadata: dict[str, dg.MetadataValue[Any]] = {
        name: dg.MetadataValue.int(value)
        if isinstance(value, int)
        else dg.MetadataValue.float(value)
        for name, value in numbers.items()
    }
    metadata["folder"] = dg.MetadataValue.path(report.folder.absolute())
    if report.failures:
        metadata["failures"] = _table(
            {"reason": reason, "times": times, "examples": "\n".join(examples)}
            for reason, times, examples in report.failures
        )
    if report.pauses:
        metadata["tried_again"] = _table(
            {"reason": reason, "times": times} for reason, times in report.pauses
        )
    return metadata


def _table(rows: Iterable[Mapping[str, str | int]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(records=[dg.TableRecord(row) for row in rows])


def _check(report: Report) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=RESPONSES_COMPLETE,
        passed=report.failed == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failed": report.failed, "urls": report.urls},
    )

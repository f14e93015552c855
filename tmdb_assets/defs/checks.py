"""Dagster asset checks: what is proved of every batch, and of what was dropped.

Those of a run are results of `tmdb_responses` itself; the others read the disk, with every
materialization and when they are executed by themselves.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import dagster as dg

from tmdb_assets.defs import metadata
from tmdb_assets.defs.lists import url_lists
from tmdb_assets.defs.partitions import RESPONSES, batches_partitions, check_per_partition
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.errors import TmdbAssetsError
from tmdb_assets.model import Settings
from tmdb_assets.report import EXAMPLES, Report
from tmdb_assets.verification import Finding, Flaw, Verified, verify_batch
from tmdb_assets.watched import refused_files

NO_URL_FAILED = "no_url_failed"
CAP_WAS_HELD = "cap_was_held"
ONE_OUTCOME = "every_url_has_one_outcome"
FILES_MATCH = "files_are_as_fetched"
EVERY_LINE = "every_line_was_taken"

WARN_SHARE = 0.01
"""Failed URLs of a batch, as a share, that are a warning still; more is an error."""

_ABOUT_OUTCOMES = frozenset({Flaw.UNREADABLE, Flaw.RECEIPT})


run_checks = [
    check_per_partition(
        RESPONSES,
        NO_URL_FAILED,
        "No URL of the batch was given up: all are fetched or absent. Up to one in a hundred is a "
        "warning, more an error; beyond TMDB_MAX_FAILED_SHARE the run fails. Materialize the "
        "partition again to ask for the failed ones again, and for nothing else.",
    ),
    check_per_partition(
        RESPONSES,
        CAP_WAS_HELD,
        "In no second of this run did more requests leave than the cap allows, those of all other "
        "runs counted too: from `sent_at` of all outcomes in the data folder.",
    ),
]


def of_run(report: Report) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of `run_checks`."""
    is_rare = report.failed_share <= WARN_SHARE
    yield dg.AssetCheckResult(
        check_name=NO_URL_FAILED,
        passed=report.failed == 0,
        severity=dg.AssetCheckSeverity.WARN if is_rare else dg.AssetCheckSeverity.ERROR,
        metadata={
            "failed": report.failed,
            "urls": report.urls,
            "failed_share": round(report.failed_share, 4),
            **({"failures": metadata.failures(report)} if report.failures else {}),
        },
    )
    yield dg.AssetCheckResult(
        check_name=CAP_WAS_HELD,
        passed=report.cap_use.fullest <= report.cap,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata.of_cap(report),
    )


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.PreviewWarning)  # as above

    # two of one, each by itself: Dagster's UI executes no check that comes with another
    @dg.asset_check(
        asset=RESPONSES,
        name=ONE_OUTCOME,
        partitions_def=batches_partitions,
        description=(
            "Every URL of the batch has one outcome that counts, every line of outcomes.jsonl is "
            "readable and about a URL of the batch, and the receipt says the same."
        ),
    )
    def every_url_has_one_outcome(
        context: dg.AssetCheckExecutionContext, tmdb: TmdbResource
    ) -> dg.AssetCheckResult:
        """Read the batch back: outcomes and receipt."""
        verified = _verified(context, tmdb)
        flaws = [one for one in verified.findings if one.flaw in _ABOUT_OUTCOMES]
        return dg.AssetCheckResult(
            passed=not flaws and not verified.without_outcome,
            metadata={
                "urls": verified.urls,
                "without_outcome": verified.without_outcome,
                **_flaws(flaws),
            },
        )

    @dg.asset_check(
        asset=RESPONSES,
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
        """Read the batch back: files."""
        verified = _verified(context, tmdb)
        flaws = [one for one in verified.findings if one.flaw not in _ABOUT_OUTCOMES]
        return dg.AssetCheckResult(
            passed=not flaws,
            metadata={"files_as_fetched": verified.bodies, **_flaws(flaws)},
        )


def _verified(context: dg.AssetCheckExecutionContext, tmdb: TmdbResource) -> Verified:
    try:
        return verify_batch(tmdb.settings().data_dir, context.partition_key)
    except TmdbAssetsError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def _flaws(findings: Sequence[Finding]) -> metadata.Metadata:
    times = Counter(one.flaw for one in findings)
    if not times:
        return {}
    rows = (
        {
            "flaw": flaw.value,
            "times": count,
            "examples": "\n".join([one.what for one in findings if one.flaw is flaw][:EXAMPLES]),
            "remedy": next(one.remedy for one in findings if one.flaw is flaw),
        }
        for flaw, count in times.items()
    )
    return {"flaws": metadata.table(rows)}


@dg.asset_check(
    asset=url_lists.key,
    name=EVERY_LINE,
    description=(
        "Every file in the watched folder was taken, with every line. A file that was refused is "
        "an error, a line that was left out a warning; both are named."
    ),
)
def every_line_was_taken(tmdb: TmdbResource) -> dg.AssetCheckResult:
    """Look up what was refused and left out."""
    return lines_taken(tmdb.settings())


def lines_taken(settings: Settings) -> dg.AssetCheckResult:
    """Return what `every_line_was_taken` finds."""
    refused = refused_files(settings)
    whole = [one for one in refused if not one.lines]
    rows = [
        {"file": one.file, "lines": str(one.lines or "all"), "reason": one.reason}
        for one in refused
    ]
    return dg.AssetCheckResult(
        asset_key=url_lists.key,
        check_name=EVERY_LINE,
        passed=not refused,
        severity=dg.AssetCheckSeverity.ERROR if whole else dg.AssetCheckSeverity.WARN,
        metadata={
            "refused_files": len(whole),
            "partly_taken_files": len(refused) - len(whole),
            **({"left_out": metadata.table(rows)} if rows else {}),
        },
    )


def lines_evaluation(settings: Settings) -> dg.AssetCheckEvaluation:
    """Return the result of `every_line_was_taken` as an event outside of a run."""
    return evaluation(url_lists.key, EVERY_LINE, lines_taken(settings))


def evaluation(
    asset: dg.AssetKey, check: str, result: dg.AssetCheckResult
) -> dg.AssetCheckEvaluation:
    """Return the result of a check as an event outside of a run."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=check,
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )

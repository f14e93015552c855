"""What Dagster's pages show of a run: numbers to plot, tables to read, pictures to look at."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from tmdb_assets import pictures
from tmdb_assets.plans import Added
from tmdb_assets.report import Report

Metadata = dict[str, dg.MetadataValue[Any]]


def of_report(report: Report) -> Metadata:
    """Return what a run of a batch amounts to; numbers have the same names in every run."""
    metadata = _pictures(report)
    metadata |= {name: number(value) for name, value in _numbers(report).items()}
    metadata["folder"] = dg.MetadataValue.path(report.folder.absolute())
    if report.failures:
        metadata["failures"] = failures(report)
    if report.pauses:
        metadata["tried_again"] = table(
            {"reason": reason, "times": times} for reason, times in report.pauses
        )
    return metadata


def _pictures(report: Report) -> Metadata:
    metadata: Metadata = {}
    if report.requests:
        use = report.cap_use
        whole = max(1, len(use.per_second) - 1)  # the last second is only a part of one
        metadata["requests_by_second"] = picture(
            pictures.arrivals(use.per_second[:whole], use.own_per_second[:whole], report.cap),
            "requests per second: blue of this run, grey of all runs together, red the cap",
        )
    if report.latencies_seconds:
        metadata["latency_histogram"] = picture(
            pictures.latencies(report.latencies_seconds), "how many answers took how long"
        )
    return metadata


def _numbers(report: Report) -> dict[str, float]:
    use = report.cap_use
    return {
        "requests_per_second": round(report.requests_per_second, 2),
        "share_of_cap": round(report.share_of_cap, 4),
        "urls_per_second": round(report.urls_per_second, 2),
        "share_of_cap_by_all_runs": round(use.requests_per_second / report.cap, 4),
        "most_in_a_second": use.fullest,
        "latency_p50_seconds": round(report.latency_p50_seconds, 3),
        "latency_p95_seconds": round(report.latency_p95_seconds, 3),
        "seconds": round(report.seconds, 1),
        "permit_wait_seconds": round(report.permit_wait_seconds, 1),
        "urls": report.urls,
        "fetched": report.fetched,
        "absent": report.absent,
        "failed": report.failed,
        "failed_share": round(report.failed_share, 4),
        "purged": report.purged,
        "combined": report.combined,
        "conditional": report.conditional,
        "unchanged": report.unchanged,
        "resumed": report.resumed,
        "requests": report.requests,
        "bytes": report.bytes,
        "refused_429": report.refused,
        "pauses_after_429": report.cooldowns,
        "paused_seconds": round(report.cooldown_seconds, 1),
        "limiter_rate_at_end": round(report.limiter_rate, 2),
        "outages": report.outages,
        "outage_seconds": round(report.outage_seconds, 1),
    }


def of_cap(report: Report) -> Metadata:
    """Return what the check of the cap counted."""
    use = report.cap_use
    metadata = {
        "most_in_a_second": number(use.fullest),
        "cap": dg.MetadataValue.text(f"{report.cap} requests in any second"),
        "requests_of_all_runs": number(use.requests),
        "batches_that_sent": number(use.batches),
    }
    if use.fullest_at:
        moment = datetime.fromtimestamp(use.fullest_at, UTC).isoformat(timespec="milliseconds")
        metadata["fullest_second_ended_at"] = dg.MetadataValue.text(moment)
    return metadata


def of_list(added: Added) -> Metadata:
    """Return what a list had when it was frozen, and the first lines that were left out."""
    plan = added.plan
    numbers = {
        "urls": plan.urls,
        "new": plan.new,
        "duplicates": plan.duplicates,
        "rejected_lines": plan.rejected,
        "batches": len(added.all_batches),
        "new_batches": len(added.new_batches),
    }
    metadata: Metadata = {"list": dg.MetadataValue.text(plan.name)}
    metadata |= {name: number(value) for name, value in numbers.items()}
    if plan.first_rejected:
        metadata["first_rejected_lines"] = table(
            {"line": one.line, "reason": one.reason, "remedy": one.remedy}
            for one in plan.first_rejected
        )
    return metadata


def failures(report: Report) -> dg.TableMetadataValue:
    """Return the URLs given up, by reason, with a few of them."""
    return table(
        {"reason": reason, "times": times, "examples": "\n".join(examples)}
        for reason, times, examples in report.failures
    )


def number(value: float) -> dg.MetadataValue[Any]:
    """Return a number as Dagster plots it."""
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)


def table(rows: Iterable[Mapping[str, str | int]]) -> dg.TableMetadataValue:
    """Return rows as a table; there has to be one."""
    return dg.MetadataValue.table(records=[dg.TableRecord(row) for row in rows])


def picture(svg: str, words: str) -> dg.MarkdownMetadataValue:
    """Return a picture with the words that say what it shows."""
    return dg.MetadataValue.md(pictures.markdown(svg, words))

"""Dagster asset checks of tables and of the catalogue, as results of the assets themselves."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from tmdb_assets import ages, batches
from tmdb_assets.defs import metadata
from tmdb_assets.defs.partitions import CATALOG, TABLES, check_per_partition
from tmdb_assets.defs.table_metadata import odd
from tmdb_assets.errors import BatchError

if TYPE_CHECKING:  # it imports DuckDB, which costs a run's start
    from tmdb_assets.tables.making import TablesReport

NO_DUPLICATES = "no_duplicate_ids"
ROW_PER_BODY = "every_body_has_a_row"
TYPES_HOLD = "types_hold"
NOT_OLD = "content_is_not_old"


of_batch = [
    check_per_partition(
        TABLES,
        NO_DUPLICATES,
        "No id stands twice in a table with the same parameters. Where one does, two URLs of the "
        "batch are the same to TMDB, as /3/movie/550 and /3/movie/0550, and one of them is wasted.",
    ),
    check_per_partition(
        TABLES,
        ROW_PER_BODY,
        "Each table has as many rows as bodies of its kind were fetched, counted in the Parquet "
        "files and in the outcomes. A body of the wrong kind is in responses instead.",
    ),
    check_per_partition(
        TABLES,
        TYPES_HOLD,
        "Every value has the type of its column. One that has not is NULL there and kept in "
        "other_fields, with the rest of its row; it is counted and named here.",
    ),
]

of_catalog = dg.AssetCheckSpec(
    NOT_OLD,
    asset=CATALOG,
    description=(
        "No content was fetched, or confirmed, more than 150 days ago: TMDB's terms allow to keep "
        "it for six months. `tmdb-assets refresh --older-than 150d` asks again for what is older, "
        "`tmdb-assets purge --older-than 180d` removes it. Warns from 150 days on, fails at 180."
    ),
)


def of_report(report: "TablesReport") -> Iterator[dg.AssetCheckResult]:
    """Yield the results of `of_batch`."""
    yield dg.AssetCheckResult(
        check_name=NO_DUPLICATES,
        passed=not report.duplicates,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "duplicate_ids": report.duplicates,
            **({"examples": _duplicates(report)} if report.duplicates else {}),
        },
    )
    wrong = {
        table: (report.rows[table], fetched)
        for table, fetched in report.fetched.items()
        if report.rows[table] != fetched
    }
    yield dg.AssetCheckResult(
        check_name=ROW_PER_BODY,
        passed=not wrong and not report.skipped,
        severity=_severity(is_error=bool(report.skipped) or not report.moved),
        metadata={
            "skipped_bodies": report.skipped,
            "moved_to_responses": report.moved,
            **{f"{table}_rows": found for table, (found, _) in wrong.items()},
            **{f"{table}_fetched": fetched for table, (_, fetched) in wrong.items()},
        },
    )
    yield dg.AssetCheckResult(
        check_name=TYPES_HOLD,
        passed=not report.odd,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "odd_values": report.odd,
            **({"examples": odd(report)} if report.odd_examples else {}),
        },
    )


def of_ages(data_dir: Path, now: float) -> dg.AssetCheckResult:
    """Return the result of `of_catalog` at a moment, POSIX seconds.

    Raises:
        StoreError: the data folder cannot be read.
    """
    oldest: dict[str, float] = {}
    for name in batches.list_names(data_dir):
        try:
            moment = ages.oldest_body(data_dir, name)
        except BatchError:
            continue  # it is damaged: `verify` says so, and other checks
        if moment is not None:
            oldest[name] = (now - moment) / ages.DAY_SECONDS
    most = max(oldest.values(), default=0.0)
    old = {
        name: days
        for name, days in oldest.items()
        if days * ages.DAY_SECONDS > ages.WARNED_AFTER_SECONDS
    }
    return dg.AssetCheckResult(
        check_name=NOT_OLD,
        passed=not old,
        severity=_severity(is_error=most * ages.DAY_SECONDS > ages.KEPT_AT_MOST_SECONDS),
        metadata={
            "oldest_days": round(most, 1),
            **({"lists": _days(old)} if old else {}),
        },
    )


def _severity(*, is_error: bool) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN


def _days(old: Mapping[str, float]) -> dg.TableMetadataValue:
    return metadata.table(
        {"list": name, "oldest_days": round(days)} for name, days in sorted(old.items())
    )


def _duplicates(report: "TablesReport") -> dg.TableMetadataValue:
    return metadata.table(
        {"table": one.table, "id": one.id, "urls": "\n".join(one.urls)}
        for one in report.duplicate_examples
    )

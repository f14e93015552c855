"""Dagster sensors: what is watched.

`new_url_lists` turns dropped files into runs; `dead_runs` tells Dagster of runs whose process is
gone; `old_content` says what may not be kept much longer.
"""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from tmdb_assets import batches
from tmdb_assets.defs.checks import evaluation, lines_evaluation
from tmdb_assets.defs.jobs import tmdb_download
from tmdb_assets.defs.lists import list_event
from tmdb_assets.defs.partitions import CATALOG, batches_partitions
from tmdb_assets.defs.reaper import reap
from tmdb_assets.defs.requests import Turn, of_folder, unregistered
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.defs.table_checks import NOT_OLD, of_ages
from tmdb_assets.errors import TmdbAssetsError, UrlListError
from tmdb_assets.list_name import is_name
from tmdb_assets.model import Settings
from tmdb_assets.plans import Plan
from tmdb_assets.watched import (
    Refused,
    Version,
    WatchedFolder,
    check_size,
    note_refused,
    refused_files,
)

TICK_SECONDS = 20.0
"""After this long a tick begins no further file: Dagster gives it 60 s."""

_NAMED = 5
"""Files that are no lists, named in a tick."""


@dg.sensor(
    job=tmdb_download,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Watches the folder url_lists (TMDB_URL_LISTS_DIR) for .txt and .txt.gz files. A file that "
        "is the same in two ticks is frozen into batches; each becomes a partition and, at most "
        "200 at a time, a run. Write a list elsewhere and rename it into the folder, and it is "
        "whole from the start. What was refused is named on the page of the asset url_lists."
    ),
)
def new_url_lists(context: dg.SensorEvaluationContext, tmdb: TmdbResource) -> dg.SensorResult:
    """Freeze lists that have come to rest; register and request what they make."""
    settings = tmdb.settings()
    cursor = _Cursor.read(context.cursor) or _Cursor.anew(settings)
    watched = WatchedFolder(settings.url_lists_dir, cursor.files)
    look = _take_all(watched, settings, context)
    # from the first batch on: what was requested before is known by its runs
    turn = Turn(settings.data_dir, {**cursor.lists, **dict.fromkeys(look.lists, 0)})
    keys = turn.keys(context.instance)
    fresh = unregistered(context.instance, settings.data_dir, look.lists, keys)
    if look.refused or look.taken:
        note_refused(settings, look.refused, look.taken)
    refused = sorted(one.file for one in refused_files(settings))
    if look.refused or look.taken or refused != cursor.refused:
        look.events.append(lines_evaluation(settings))
    return dg.SensorResult(
        skip_reason=None if keys else _words(look, watched, turn),
        cursor=_Cursor(watched.memory(), turn.positions, refused).text(),
        dynamic_partitions_requests=[batches_partitions.build_add_request(fresh)] if fresh else [],
        run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in keys],
        asset_events=look.events,
    )


@dg.sensor(
    job=tmdb_download,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports runs as failed whose process is gone, so that they are taken up again.",
)
def dead_runs(context: dg.SensorEvaluationContext, tmdb: TmdbResource) -> dg.SensorResult:
    """Look for dead runs; starts none itself, since Dagster retries what failed."""
    suspects = json.loads(context.cursor) if context.cursor else {}
    suspects = reap(context.instance, tmdb.settings().data_dir, suspects)
    words = f"{len(suspects)} runs look dead" if suspects else "no dead runs"
    return dg.SensorResult(skip_reason=words, cursor=json.dumps(suspects))


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Looks once a day how old what is kept is, whether anything is downloaded or not. The "
        "check content_is_not_old of tmdb_catalog says what it found. Starts nothing."
    ),
)
def old_content(context: dg.SensorEvaluationContext, tmdb: TmdbResource) -> dg.SensorResult:
    """Evaluate the age of all content, once a day of UTC."""
    today = datetime.now(UTC).date().isoformat()
    if context.cursor == today:
        return dg.SensorResult(skip_reason="looked today already", cursor=today)
    found = of_ages(tmdb.settings().data_dir, time.time())
    return dg.SensorResult(
        skip_reason=f"the oldest is of {found.metadata['oldest_days'].value} days ago",
        cursor=today,
        asset_events=[evaluation(dg.AssetKey(CATALOG), NOT_OLD, found)],
    )


@dataclass
class _Look:
    """What came of the files of one tick."""

    lists: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = field(default_factory=list)


@dataclass(frozen=True)
class _Cursor:
    """What the next tick has to know; without it all is found again, and nothing asked twice.

    Attributes:
        files: of the watched folder, as the last tick saw them.
        lists: position of the first batch that may have to be requested, of lists in progress.
        refused: files that the page of `url_lists` names.
    """

    files: dict[str, list[int]]
    lists: dict[str, int]
    refused: list[str]

    @classmethod
    def read(cls, text: str | None) -> "_Cursor | None":
        """Return what a tick left; None if it is lost, or of another version."""
        try:
            found = json.loads(text or "{}")
            return cls(
                {name: _figures(seen) for name, seen in found["files"].items()},
                {name: int(one) for name, one in found["lists"].items() if is_name(name)},
                [str(one) for one in found["refused"]],
            )
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            return None

    @classmethod
    def anew(cls, settings: Settings) -> "_Cursor":
        """Begin with all lists that came from the watched folder, whose files may be gone."""
        lists = of_folder(settings.data_dir, settings.url_lists_dir)
        return cls({}, dict.fromkeys(lists, 0), [])

    def text(self) -> str:
        """Return what `read` takes."""
        return json.dumps({"files": self.files, "lists": self.lists, "refused": self.refused})


def _figures(seen: list[int]) -> list[int]:
    size, changed_ns, inode, was_taken = map(int, seen)
    return [size, changed_ns, inode, was_taken]


def _take_all(
    watched: WatchedFolder, settings: Settings, context: dg.SensorEvaluationContext
) -> _Look:
    """Freeze what rests; what there is no time for, or no disk, rests on."""
    look = _Look()
    began_at = time.monotonic()
    for path in watched.at_rest():
        if time.monotonic() - began_at > TICK_SECONDS:
            break
        try:
            check_size(path)
            added = batches.add(path, settings)
        except UrlListError as error:
            context.log.warning("refused: %s", error)
            look.refused.append(Refused(path.name, watched.taken(path), str(error)))
        except TmdbAssetsError as error:
            # not the file's fault: it is tried again
            context.log.warning("URL list %r cannot be taken now: %s", path.name, error)
            look.problems.append(f"{path.name!r} cannot be taken now: {error}")
        else:
            _note(path, watched.taken(path), added.plan, look)
            look.lists.append(added.plan.name)
            look.events.append(list_event(added))
            context.log.info(
                "URL list %r: %d URLs, %d new, %d rejected, %d new batches",
                *(path.name, added.plan.urls, added.plan.new, added.plan.rejected),
                len(added.new_batches),
            )
            for line in added.plan.first_rejected:
                context.log.warning(
                    "%r line %d: %s: %s", path.name, line.line, line.reason, line.remedy
                )
    return look


def _note(path: Path, version: Version, plan: Plan, look: _Look) -> None:
    """Note that a file was taken, and which lines were not."""
    look.taken.append(path.name)
    if plan.rejected and (line := next(iter(plan.first_rejected), None)):
        words = f"{str(path)!r}: {plan.rejected} lines, the first is line {line.line}: "
        reason = f"{words}{line.reason}: {line.remedy}"
        look.refused.append(Refused(path.name, version, reason, plan.rejected))


def _words(look: _Look, watched: WatchedFolder, turn: Turn) -> str:
    """Say why nothing is started."""
    words = [f"{'left out' if one.lines else 'refused'}: {one.reason}" for one in look.refused]
    words += look.problems + turn.problems
    if turn.waiting:
        words.append(f"{turn.waiting} batches wait until fewer runs are queued")
    if watched.others:
        names = ", ".join(map(repr, watched.others[:_NAMED]))
        words.append(f"left alone, since lists are files that end in .txt or .txt.gz: {names}")
    return "; ".join(words) or "no new URL list"

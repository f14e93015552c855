"""Dagster sensors: what is watched.

`new_url_lists` turns dropped files into runs; `dead_runs` tells Dagster of runs whose process is
gone.

The frozen batches on disk are the memory of what was taken, not the cursor: with a lost cursor
everything is found again and the run keys keep it from being asked twice.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from tmdb_assets import batches
from tmdb_assets.defs.assets import list_event
from tmdb_assets.defs.jobs import tmdb_download
from tmdb_assets.defs.partitions import batches_partitions
from tmdb_assets.defs.reaper import ACTIVE, PARTITION_TAG, reap
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.errors import TmdbAssetsError
from tmdb_assets.model import Settings
from tmdb_assets.receipt import RECEIPT_NAME, batch_folder

RUNS_PER_TICK = 200
"""Runs requested in one tick at most: each costs the daemon about 0.15 s."""

_SUFFIXES = (".txt", ".txt.gz")


@dg.sensor(
    job=tmdb_download,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Watches `url_lists/` (TMDB_URL_LISTS_DIR) for `.txt` and `.txt.gz` files. A file that is "
        "the same in two ticks is frozen into batches; each becomes a partition and a run. Write a "
        "list elsewhere and rename it into the folder, and it is whole from the start."
    ),
)
def new_url_lists(context: dg.SensorEvaluationContext, tmdb: TmdbResource) -> dg.SensorResult:
    """Freeze lists that have come to rest; register and request what they make."""
    settings = tmdb.settings()
    cursor = _Cursor(context.cursor)
    problems: list[str] = []
    events: list[dg.AssetMaterialization] = []
    for path in cursor.at_rest(settings.url_lists_dir):
        try:
            added = batches.add(path, settings)
        except TmdbAssetsError as error:
            context.log.warning("URL list %s is left out: %s", path.name, error)
            problems.append(f"{path.name}: {error}")
        else:
            _log_added(path, added, context)
            events.append(list_event(added))
    keys = _keys_to_request(context.instance, settings)
    is_idle = not keys and not events
    return dg.SensorResult(
        skip_reason="; ".join(problems) or "no new URL list" if is_idle else None,
        cursor=cursor.text(),
        dynamic_partitions_requests=[batches_partitions.build_add_request(keys)] if keys else [],
        run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in keys],
        asset_events=events,
    )


@dg.sensor(
    job=tmdb_download,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports runs as failed whose process is gone, so that they are taken up again.",
)
def dead_runs(context: dg.SensorEvaluationContext, tmdb: TmdbResource) -> dg.SensorResult:
    """Look for dead runs; starts none itself, since Dagster retries what failed."""
    suspects = json.loads(context.cursor) if context.cursor else {}
    suspects = reap(context.instance, tmdb.settings().data_dir, suspects)
    words = f"{len(suspects)} runs look dead" if suspects else "no dead runs"
    return dg.SensorResult(skip_reason=words, cursor=json.dumps(suspects))


class _Cursor:
    """Size and time of every file as the last tick saw it, and whether it was taken since."""

    def __init__(self, text: str | None) -> None:
        self._seen: dict[str, list[int]] = json.loads(text) if text else {}
        self._now: dict[str, list[int]] = {}

    def at_rest(self, folder: Path) -> Iterator[Path]:
        """Yield the lists that are as they were a tick ago and that were not taken like that."""
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or not path.name.endswith(_SUFFIXES) or path.is_dir():
                continue
            found = path.stat()
            size, changed_ns, was_taken = self._seen.get(path.name, [-1, -1, 0])
            is_at_rest = (size, changed_ns) == (found.st_size, found.st_mtime_ns)
            self._now[path.name] = [found.st_size, found.st_mtime_ns, int(is_at_rest)]
            if is_at_rest and not was_taken:
                yield path

    def text(self) -> str:
        """Return the cursor for the next tick."""
        return json.dumps(self._now)


def _log_added(path: Path, added: batches.Added, context: dg.SensorEvaluationContext) -> None:
    context.log.info(
        "URL list %s: %d URLs, %d new, %d rejected, %d new batches",
        *(path.name, added.plan.urls, added.plan.new, added.plan.rejected),
        len(added.new_batches),
    )
    for line in added.plan.first_rejected:
        context.log.warning("%s line %d: %s: %s", path.name, line.line, line.reason, line.remedy)


def _keys_to_request(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Return batches of lists from the watched folder that nobody runs, ran or registered."""
    registered = set(instance.get_dynamic_partitions(batches_partitions.name or ""))
    home = str(settings.url_lists_dir.absolute())
    fresh: list[str] = []
    for name in batches.list_names(settings.data_dir):
        frozen = batches.read_list(settings.data_dir, name)
        if any(source.folder == home for source in frozen.sources):
            fresh.extend(one.name for one in frozen.batches if one.name not in registered)
    fresh = [key for key in fresh if not _is_complete(settings, key)][:RUNS_PER_TICK]
    if not fresh:
        return []
    active = instance.get_runs(filters=dg.RunsFilter(statuses=ACTIVE, tags={PARTITION_TAG: fresh}))
    running = {run.tags[PARTITION_TAG] for run in active}
    return [key for key in fresh if key not in running]


def _is_complete(settings: Settings, key: str) -> bool:
    return (batch_folder(settings.data_dir, key) / RECEIPT_NAME).exists()

"""Which batches get a run, and how many at a time.

Dagster keeps a database file per run: fifty thousand queued runs would be gigabytes, and minutes of
queueing before the first one starts. So only as many are queued as keep the pipe full for hours.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

import dagster as dg

from tmdb_assets import batches
from tmdb_assets.defs.partitions import batches_partitions
from tmdb_assets.defs.reaper import ACTIVE, PARTITION_TAG
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.files import exclusive, is_held, within
from tmdb_assets.list_name import is_out_of_reach
from tmdb_assets.model import Settings
from tmdb_assets.receipt import is_settled

QUEUED_AT_MOST = 200
"""Runs queued or under way beyond which no further one is requested."""

SUBMIT_WAIT_SECONDS = 60.0
_LOCK = ".submitting"


class Turn:
    """One choice of batches of some lists to request runs for, in the order of the lists.

    Attributes:
        positions: of the first batch to look at next time, of lists that have some left.
        waiting: batches that are left for want of room.
        problems: what kept a list from being looked at.
    """

    def __init__(self, data_dir: Path, positions: Mapping[str, int]) -> None:
        self.positions = dict(positions)
        self.waiting = 0
        self.problems: list[str] = []
        self._data_dir = data_dir

    def keys(self, instance: dg.DagsterInstance) -> list[str]:
        """Return batches that are not complete and never had a run, as many as there is room for.

        A list whose runs a command queues right now is left for the next time, and so is one that
        cannot be read.
        """
        found: list[str] = []
        room = room_for_runs(instance)
        for name in list(self.positions):
            try:
                if not is_held(_lock_of(self._data_dir, name)):
                    found += self._keys_of(name, instance, room - len(found))
            except BatchError:
                del self.positions[name]  # it is damaged, or gone: `verify` and `add` say so
            except StoreError as error:
                self.problems.append(str(error))
        return found

    def _keys_of(self, name: str, instance: dg.DagsterInstance, room: int) -> list[str]:
        names = [one.name for one in batches.read_list(self._data_dir, name).batches]
        position = self.positions[name]
        found: list[str] = []
        while some := names[position:][: room - len(found)]:
            position += len(some)
            open_ones = [one for one in some if not is_settled(self._data_dir, one)]
            had_one = with_runs(instance, open_ones)
            found += [one for one in open_ones if one not in had_one]
        self.waiting += len(names) - position
        self.positions[name] = position
        if position >= len(names):
            del self.positions[name]
        return found


def room_for_runs(instance: dg.DagsterInstance) -> int:
    """Return how many runs may be requested now."""
    active = instance.get_runs_count(dg.RunsFilter(statuses=ACTIVE))
    return max(0, QUEUED_AT_MOST - active)


def with_runs(
    instance: dg.DagsterInstance,
    keys: list[str],
    statuses: Iterable[dg.DagsterRunStatus] = tuple(dg.DagsterRunStatus),
) -> set[str]:
    """Return those of these batches that have a run with such a status."""
    if not keys:
        return set()
    wanted = dg.RunsFilter(tags={PARTITION_TAG: keys}, statuses=list(statuses))
    return {run.tags[PARTITION_TAG] for run in instance.get_runs(filters=wanted)}


def unregistered(
    instance: dg.DagsterInstance, data_dir: Path, lists: Iterable[str], keys: Iterable[str]
) -> list[str]:
    """Return what has yet to become a partition: all batches of these lists, and these batches."""
    wanted = dict.fromkeys(
        batch.name for name in lists for batch in batches.read_list(data_dir, name).batches
    )
    wanted.update(dict.fromkeys(keys))
    if not wanted:
        return []
    registered = set(instance.get_dynamic_partitions(batches_partitions.name or ""))
    return [one for one in wanted if one not in registered]


def unfinished(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Return partitions with failed or pending URLs that nobody works on, as many as have room.

    Those of the stand-in's lists are left out where no stand-in may be asked.
    """
    registered = instance.get_dynamic_partitions(batches_partitions.name or "")
    busy = {
        run.tags.get(PARTITION_TAG)
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=ACTIVE))
    }
    return list(islice(_idle(settings, registered, busy), room_for_runs(instance)))


def _idle(settings: Settings, keys: Iterable[str], busy: set[str | None]) -> Iterator[str]:
    for key in keys:
        # a partition that somebody made by hand is no batch, or cannot even be one
        with suppress(BatchError, StoreError):
            if key in busy or is_out_of_reach(batches.list_of(key), settings.origins):
                continue
            is_batch = batches.batch_file(settings.data_dir, key).is_file()
            if is_batch and not is_settled(settings.data_dir, key):
                yield key


@contextmanager
def submitting(data_dir: Path, name: str) -> Iterator[None]:
    """Be the only one who finds out which batches of a list lack a run, and queues them.

    Raises:
        BatchBusyError: somebody else does so for too long.
        StoreError: the data folder cannot be written.
    """
    with exclusive(_lock_of(data_dir, name), SUBMIT_WAIT_SECONDS):
        yield


def _lock_of(data_dir: Path, name: str) -> Path:
    return within(data_dir, "batches", name, _LOCK)


def of_folder(data_dir: Path, folder: Path) -> list[str]:
    """Return the lists that got URLs from files in a folder; none that is damaged.

    Raises:
        StoreError: the data folder cannot be read.
    """
    home, found = str(folder.absolute()), []
    for name in batches.list_names(data_dir):
        with suppress(BatchError):  # it must not keep the others from their runs
            if any(one.folder == home for one in batches.read_list(data_dir, name).sources):
                found.append(name)
    return found

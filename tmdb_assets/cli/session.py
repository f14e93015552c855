"""The runs behind `tmdb-assets run`: queued, kept going, watched, stopped.

Uses what `defs.queue` offers and knows nothing of Dagster itself. A queue daemon is started only
if none is up; should one that was up fall silent, we start ours then.
"""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tmdb_assets.batches import read_list
from tmdb_assets.definitions import defs
from tmdb_assets.defs import queue
from tmdb_assets.defs.reaper import PARTITION_TAG, reap
from tmdb_assets.defs.requests import QUEUED_AT_MOST, submitting
from tmdb_assets.errors import TmdbAssetsError
from tmdb_assets.model import Settings
from tmdb_assets.plans import Added
from tmdb_assets.receipt import needs_download

LOOK_SECONDS = 1.0
"""Time between two questions to Dagster's database."""

SUBMITS_PER_YIELD = 8
REAP_SECONDS = 5.0
STOP_SECONDS = 20.0
"""How long stopped runs may take to end before we leave them to themselves."""

_POLL_SECONDS = 0.3


class Session:
    """Runs for the batches of one list; one thread."""

    def __init__(self, folder: Path, settings: Settings, name: str) -> None:
        """Open Dagster's instance and make every batch of the list a partition.

        Raises:
            ConfigurationError: there is no instance that can be used.
            BatchError: there is no such list.
            StoreError: the data folder or Dagster's database cannot be read.
        """
        self._folder = folder
        self._settings = settings
        self._data_dir = settings.data_dir
        self._name = name
        self._keys = tuple(one.name for one in read_list(settings.data_dir, name).batches)
        self._instance = queue.open_instance(folder)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log_path = settings.data_dir / "dagster" / "run-daemon.log"
        self._beacon = settings.data_dir / "dagster" / "run-daemon.id"
        self._began_at = datetime.now(UTC)
        self._run_ids: set[str] = set()
        self._followed: set[str] = set()
        self._queued: set[str] = set()
        self._suspects: dict[str, float] = {}
        self._next_reap = 0.0
        try:
            queue.register(self._instance, self._keys)
        except BaseException:
            self._instance.dispose()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End our queue daemon and leave the instance."""
        if self._daemon is not None:
            if self._daemon.stdin is not None:
                self._daemon.stdin.close()
            try:
                self._daemon.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        self._instance.dispose()

    def report(self, added: Added) -> None:
        """Show on the page of `url_lists` what was added to the list."""
        queue.report_added(self._instance, added, self._settings)

    def work(self) -> Iterator[None]:
        """Queue what is needed and yield now and then until all runs have ended.

        A batch that somebody else has a run for is followed like ours, and queued by us only if
        that one did not complete it: two must not fetch the same.

        Raises:
            TmdbAssetsError: our queue daemon ended by itself.
        """
        while not self.problems():
            needed = [key for key in self._keys if needs_download(self._data_dir, key)]
            waiting = deque(key for key in needed if key not in self._queued)
            yield from self._submit(waiting)
            if not waiting and not queue.active_runs(self._instance, frozenset(needed)):
                return
            yield from self._follow(frozenset(needed), waiting)

    def _submit(self, waiting: deque[str]) -> Iterator[None]:
        """Queue runs for batches that wait, as many as there is room for."""
        with submitting(self._data_dir, self._name):
            active = queue.active_runs(self._instance, frozenset(self._keys))
            busy = {run.tags[PARTITION_TAG] for run in active}
            fresh: list[str] = []
            while waiting and len(fresh) + len(busy) < QUEUED_AT_MOST:
                if (key := waiting.popleft()) not in busy:
                    fresh.append(key)
            self._queued.update(fresh)
            runs = queue.submit(self._instance, defs, fresh, self._folder, self._settings)
            for number, run_id in enumerate(runs):
                self._run_ids.add(run_id)
                self._keep_daemon()
                if number % SUBMITS_PER_YIELD == 0:
                    yield

    def _follow(self, keys: AbstractSet[str], waiting: deque[str]) -> Iterator[None]:
        """Yield until no run of these batches is active; end them all if one failed for good."""
        next_look = 0.0
        while True:
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOOK_SECONDS
                active = queue.active_runs(self._instance, keys)
                if not active and not waiting:
                    return
                self._note(active)
                self._keep_daemon()
                self._reap()
                if self.problems():
                    waiting.clear()
                    self.stop()
                elif waiting and len(active) < QUEUED_AT_MOST // 2:
                    yield from self._submit(waiting)
            yield

    def _note(self, active: Iterable[queue.Run]) -> None:
        """Count runs of others, and retries, among those that we watch."""
        for run in active:
            if run.run_id not in self._run_ids:
                self._run_ids.add(run.run_id)
                if run.parent_run_id not in self._run_ids - self._followed:
                    self._followed.add(run.run_id)

    def stop(self) -> None:
        """Take our runs from the queue, interrupt those under way, and wait until they ended."""
        deadline = time.monotonic() + STOP_SECONDS
        cancelled: set[str] = set()
        while time.monotonic() < deadline:
            ours = [
                run
                for run in queue.active_runs(self._instance, frozenset(self._keys))
                if run.run_id in self._run_ids
            ]
            if not ours:
                return
            # one that starts just now would take it for a crash, and be retried
            fresh = [
                run for run in ours if run.run_id not in cancelled and not queue.is_starting(run)
            ]
            queue.cancel(self._instance, self._data_dir, fresh)
            cancelled.update(run.run_id for run in fresh)
            time.sleep(_POLL_SECONDS)

    def problems(self) -> list[str]:
        """Return why runs of ours failed for good, each reason once."""
        return queue.failures(self._instance, self._run_ids, self._began_at, self._followed)

    def _keep_daemon(self) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            return
        if queue.is_daemon_up(self._instance, self._beacon):
            # somebody else's; ours, if there was one, stepped back
            self._daemon = None
            return
        if self._daemon is not None:
            raise TmdbAssetsError(
                f"the queue daemon ended by itself: {str(self._log_path)!r} says why; "
                "run again to resume"
            )
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self._daemon = subprocess.Popen(  # noqa: S603 - our own module
                [
                    *(sys.executable, "-m", "tmdb_assets.defs.daemon"),
                    *(str(self._folder.absolute()), str(self._beacon)),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C in the console is for us: we end the runs in good order
                start_new_session=True,
            )

    def _reap(self) -> None:
        if time.monotonic() >= self._next_reap:
            self._next_reap = time.monotonic() + REAP_SECONDS
            self._suspects = reap(self._instance, self._data_dir, self._suspects)

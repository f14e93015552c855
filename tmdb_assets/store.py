"""The files of one batch: bodies, outcomes, receipt; and what is left to do.

    responses/<list>/<batch>/<name>.json      a body, exactly as received
    responses/<list>/<batch>/outcomes.jsonl   a line per outcome, in the order they happened
    responses/<list>/<batch>/receipt.json     written last; its presence says that all have one

A body is renamed into place before its outcome is appended, so an outcome never promises a body
that is not there. What a crash leaves (a temporary, a torn last line, a body without an outcome)
is swept, cut off or overwritten by the next run. A loss of power can take more: bytes that the
system had not written yet. So nothing is believed that is not proved: a body counts at the next
opening only if it has the digest of its outcome, and the receipt is written only when all that it
vouches for is on the disk. Nothing here judges what a body is worth.

A body that is too old (`renewal`) stays until there is another, or the answer that it is gone: a
refresh that is killed, or fails, costs nothing.
"""

import errno
import logging
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tmdb_assets import history, outcomes, receipt
from tmdb_assets.batch_lock import BatchLock
from tmdb_assets.errors import BatchError
from tmdb_assets.files import (
    TEMPORARY_PREFIX,
    clear_away,
    make_folder,
    open_file,
    remove,
    storing,
    sync_file,
    sync_folder,
    write_whole,
)
from tmdb_assets.inspection import Inspection, inspect
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.receipt import RECEIPT_NAME, batch_folder
from tmdb_assets.renewal import Renewal

logger = logging.getLogger(__name__)


class BatchStore:
    """One batch on disk, owned by one thread of one process while it is entered.

    Attributes:
        folder: where everything lies.
        pending: targets without an outcome that holds, in the order of the batch; as of entering.
        former: outcomes of pending targets whose body is there as promised, by URL; as of entering.
        attempts: requests sent for the batch in all runs, as far as outcomes tell.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        data_dir: Path,
        batch: str,
        targets: Sequence[Target],
        holder: str = "",
        *,
        renewal: Renewal = Renewal(),  # noqa: B008 - frozen
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        """Get ready; nothing is read yet.

        Args:
            data_dir: root of all data.
            batch: its name.
            targets: all of the batch, in its order.
            holder: who downloads, for the lock file; a Dagster run's id.
            renewal: which outcomes are too old.
            sync: makes what was written to a descriptor outlast a loss of power.

        Raises:
            StoreError: a symbolic link there leads out of the data folder.
        """
        self.folder = batch_folder(data_dir, batch)
        self.pending: tuple[Target, ...] = ()
        self.former: dict[str, Outcome] = {}
        self.attempts = 0
        self._data_dir = data_dir
        self._renewal = renewal
        self._batch = batch
        self._targets = targets
        self._sync = sync
        self._last: dict[str, Outcome] = {}
        self._outcomes_fd = -1
        self._lock = BatchLock(self.folder, batch, holder)
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Lock the batch, clear up what a crash left, find out what is pending.

        Reads every body that is there: some 0.1 s for 2,000.

        Raises:
            BatchBusyError: another process writes the batch.
            BatchError: its outcomes are of a newer format.
            StoreError: the folder cannot be read or written.
        """
        make_folder(self.folder)
        with ExitStack() as stack:
            stack.enter_context(self._lock)
            found = inspect(self.folder, self._targets, self.keep)
            with storing(self.folder):
                self._open_outcomes(stack)
                self._sweep(found)
            self._learn_all(found)
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    @property
    def counts(self) -> Counter[OutcomeKind]:
        """Outcomes by kind, of all targets that have one."""
        return Counter(outcome.outcome for outcome in self._last.values())

    def record(self, outcome: Outcome, body: bytes | None) -> None:
        """Store one outcome, and before it the body that it promises.

        Args:
            outcome: of a target of this batch.
            body: what it promises; None if that is what is there already, or nothing.

        Raises:
            StoreError: disk full, permission lost or the like; what was recorded before holds.
        """
        path = self.folder / f"{outcome.name}.json"
        former = self.former.pop(outcome.url, None)
        is_same = former is not None and former.sha256 == outcome.sha256
        with storing(path):
            if former is not None and not is_same and self._renewal.keep_history:
                history.keep(self._data_dir, path, former.as_of)
            if body is not None and not is_same:
                self._put_body(outcome.name, body)
            elif not is_same:
                # gone, or broken: there will be no outcome for it any more
                clear_away(path)
            self._append(outcomes.encode(outcome))
        self._last[outcome.url] = outcome
        self.attempts += outcome.attempts

    def keep(self) -> None:
        """Show that this writer lives; to be called every second or so while nothing is recorded.

        Raises:
            StoreError: another host writes this batch.
        """
        self._lock.beat()

    def seal(self, seconds: float) -> Path:
        """Write the receipt: every target has an outcome now, and all of it is on the disk.

        Args:
            seconds: how long the run that completed the batch took.

        Raises:
            BatchError: a target has no outcome.
            StoreError: the disk does not take it; the batch then counts as not complete.
        """
        if len(self._last) < len(self._targets):
            raise BatchError(f"batch {self._batch!r} has URLs without an outcome: run it again")
        self._sync_all()
        path = self.folder / RECEIPT_NAME
        write_whole(
            path, receipt.encode(self._batch, self._targets, self._last, self.attempts, seconds)
        )
        sync_folder(self.folder)
        return path

    def _sync_all(self) -> None:
        """Make all bodies and outcomes outlast a loss of power; at the end, when most of them do.

        After every body it would cost the disk's own time 2,000 times, and outrun slow ones.
        """
        for outcome in self._last.values():
            if outcome.has_body:
                sync_file(self.folder / f"{outcome.name}.json", self._sync)
                self.keep()
        with storing(self.folder):
            self._sync(self._outcomes_fd)
        for folder in (self.folder, *list(self.folder.parents)[:3]):
            sync_folder(folder)

    def _open_outcomes(self, stack: ExitStack) -> None:
        """Open the outcomes for appending, after their last whole line."""
        path = self.folder / outcomes.FILE_NAME
        self._outcomes_fd = open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK)
        stack.callback(os.close, self._outcomes_fd)
        if not stat.S_ISREG(os.fstat(self._outcomes_fd).st_mode):
            raise OSError(errno.EINVAL, f"{outcomes.FILE_NAME} is not a regular file")
        self._cut_off_torn_line()

    def _cut_off_torn_line(self) -> None:
        end = os.fstat(self._outcomes_fd).st_size
        whole = _end_of_last_line(self._outcomes_fd, end)
        if whole < end:
            os.ftruncate(self._outcomes_fd, whole)

    def _sweep(self, found: Inspection) -> None:
        """Remove what no outcome vouches for."""
        for name in found.leftovers:
            clear_away(self.folder / name)

    def _learn_all(self, found: Inspection) -> None:
        self.attempts = found.attempts
        self._last = {
            url: outcome
            for url, outcome in found.last.items()
            if outcome.outcome is OutcomeKind.FAILED or found.holds(outcome)
        }
        self.pending = found.pending(self._targets, self._renewal.since)
        self.former = {
            target.url: last
            for target in self.pending
            if (last := found.last.get(target.url)) is not None and found.has_body(last)
        }
        if self.pending:
            remove(self.folder / RECEIPT_NAME)
        if found.unreadable_lines:
            logger.warning(
                "batch %s: %d lines of %s are unreadable and count for nothing",
                *(self._batch, found.unreadable_lines, outcomes.FILE_NAME),
            )
        if found.has_broken_bodies:
            logger.warning(
                "batch %s: %d files are missing, %d are not what was fetched: asked for again",
                *(self._batch, len(found.missing), len(found.altered)),
            )

    def _put_body(self, name: str, body: bytes) -> None:
        temporary = self.folder / f"{TEMPORARY_PREFIX}{name}"
        try:
            descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                _check_room(os.write(descriptor, body), body)
            finally:
                os.close(descriptor)
            os.replace(temporary, self.folder / f"{name}.json")  # noqa: PTH105 - the hot path
        except BaseException:
            remove(temporary)
            raise

    def _append(self, line: bytes) -> None:
        written = os.write(self._outcomes_fd, line)
        if written != len(line):
            # half a line would swallow the next one
            self._cut_off_torn_line()
        _check_room(written, line)


def _check_room(written: int, data: bytes) -> None:
    if written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _end_of_last_line(descriptor: int, end: int) -> int:
    """Return the size of a file less what follows its last line break."""
    block_bytes = 65536
    while end > 0:
        start = max(0, end - block_bytes)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0

"""The files of one batch: bodies, outcomes, receipt; and what is left to do.

    responses/<list>/<batch>/<name>.json      a body, exactly as received
    responses/<list>/<batch>/outcomes.jsonl   a line per outcome, in the order they happened
    responses/<list>/<batch>/receipt.json     written last; its presence says that all have one

A body is renamed into place before its outcome is appended, so an outcome never promises a body
that is not there. What a crash leaves (a temporary, a torn last line, a body without an outcome)
is swept, cut off or overwritten by the next run. Nothing here judges what a body is worth.
"""

import errno
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tmdb_assets import outcomes
from tmdb_assets.errors import BatchBusyError, BatchError
from tmdb_assets.files import (
    TEMPORARY_PREFIX,
    exclusive,
    make_folder,
    remove,
    storing,
    write_whole,
)
from tmdb_assets.model import OUTCOME_FORMAT, Outcome, OutcomeKind, Target

RECEIPT_NAME = "receipt.json"
LOCK_NAME = ".lock"

LOCK_WAIT_SECONDS = 0.5
"""Longer than anybody holds the lock who only looks whether it is held."""

logger = logging.getLogger(__name__)


def batch_folder(data_dir: Path, batch: str) -> Path:
    """Return where the responses of a batch lie."""
    return data_dir / "responses" / batch.rpartition("-")[0] / batch


def needs_download(data_dir: Path, batch: str) -> bool:
    """Say whether a batch lacks a receipt, or has one that tells of failed URLs."""
    path = batch_folder(data_dir, batch) / RECEIPT_NAME
    with storing(path):
        try:
            receipt = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return True
    return not isinstance(receipt, dict) or receipt.get(OutcomeKind.FAILED) != 0


@dataclass(frozen=True, slots=True)
class _Known:
    outcome: OutcomeKind
    bytes: int
    sha256: str


class BatchStore:
    """One batch on disk, owned by one thread of one process while it is entered.

    Attributes:
        folder: where everything lies.
        pending: targets without an outcome that holds, in the order of the batch; as of entering.
        counts: outcomes by kind, of all targets that have one.
        attempts: requests sent for the batch in all runs, as far as outcomes tell.
    """

    def __init__(
        self, data_dir: Path, batch: str, targets: Sequence[Target], holder: str = ""
    ) -> None:
        """Get ready; nothing is read yet.

        Args:
            data_dir: root of all data.
            batch: its name.
            targets: all of the batch, in its order.
            holder: who downloads, for the lock file; a Dagster run's id.
        """
        self._holder = holder
        self.folder = batch_folder(data_dir, batch)
        self.pending: tuple[Target, ...] = ()
        self.counts: Counter[OutcomeKind] = Counter()
        self.attempts = 0
        self._batch = batch
        self._targets = targets
        self._known: dict[str, _Known] = {}
        self._outcomes_fd = -1
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Lock the batch, clear up what a crash left, find out what is pending.

        Raises:
            BatchBusyError: another process writes the batch.
            BatchError: its outcomes are of a newer format.
            StoreError: the folder cannot be read or written.
        """
        make_folder(self.folder)
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(self.folder / LOCK_NAME, LOCK_WAIT_SECONDS))
            except BatchBusyError:
                raise BatchBusyError(
                    f"batch {self._batch!r} is being downloaded by another run: let that one end, "
                    "or terminate it, and try again"
                ) from None
            with storing(self.folder / LOCK_NAME):
                (self.folder / LOCK_NAME).write_text(f"{self._holder} {os.getpid()}\n")
            with storing(self.folder):
                self._open_outcomes(stack)
                self._sweep()
                self._read()
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    def record(self, outcome: Outcome, body: bytes | None) -> None:
        """Store one outcome, and before it the body that it promises.

        Raises:
            StoreError: disk full, permission lost or the like; what was recorded before holds.
        """
        with storing(self.folder / f"{outcome.name}.json"):
            if body is not None:
                self._put_body(outcome.name, body)
            self._append(outcomes.encode(outcome))
        self._learn(outcome)

    def seal(self, seconds: float) -> Path:
        """Write the receipt: every target has an outcome now.

        Args:
            seconds: how long the run that completed the batch took.

        Raises:
            BatchError: a target has no outcome.
            StoreError: the receipt cannot be written.
        """
        if len(self._known) < len(self._targets):
            raise BatchError(f"batch {self._batch!r} has URLs without an outcome: run it again")
        with storing(self.folder):
            os.fsync(self._outcomes_fd)
        receipt = {
            "format": OUTCOME_FORMAT,
            "batch": self._batch,
            "list": self._batch.rpartition("-")[0],
            "urls": len(self._targets),
            **{kind.value: self.counts[kind] for kind in OutcomeKind},
            "attempts": self.attempts,
            "bytes": sum(known.bytes for known in self._known.values()),
            "seconds": round(seconds, 3),
            "digest": self._digest(),
            "completed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = self.folder / RECEIPT_NAME
        write_whole(path, json.dumps(receipt, indent=1).encode() + b"\n")
        return path

    def _open_outcomes(self, stack: ExitStack) -> None:
        """Open the outcomes for appending."""
        self._outcomes_fd = os.open(
            self.folder / outcomes.FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        )
        stack.callback(os.close, self._outcomes_fd)
        self._cut_off_torn_line()

    def _cut_off_torn_line(self) -> None:
        end = os.fstat(self._outcomes_fd).st_size
        whole = _end_of_last_line(self._outcomes_fd, end)
        if whole < end:
            os.ftruncate(self._outcomes_fd, whole)

    def _sweep(self) -> None:
        for entry in os.scandir(self.folder):
            if entry.name.startswith(TEMPORARY_PREFIX):
                remove(Path(entry.path))

    def _read(self) -> None:
        """Learn all outcomes, then drop those whose body is not there as recorded."""
        self._learn_all()
        with os.scandir(self.folder) as entries:
            sizes = {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}
        for target in self._targets:
            known = self._known.get(target.url)
            is_fetched = known is not None and known.outcome is OutcomeKind.FETCHED
            if known and is_fetched and sizes.get(f"{target.name}.json") != known.bytes:
                self._forget(target.url)
        settled = {OutcomeKind.FETCHED, OutcomeKind.ABSENT}
        self.pending = tuple(
            target
            for target in self._targets
            if (known := self._known.get(target.url)) is None or known.outcome not in settled
        )
        if self.pending:
            remove(self.folder / RECEIPT_NAME)

    def _learn_all(self) -> None:
        self._known, self.counts, self.attempts = {}, Counter(), 0
        wanted = {target.url for target in self._targets}
        reader = outcomes.OutcomeReader(self.folder / outcomes.FILE_NAME)
        for outcome in reader.new():
            if outcome.url in wanted:
                self._learn(outcome)
        if reader.unreadable:
            logger.warning(
                "batch %s: %d unreadable lines in %s: their URLs are fetched again",
                *(self._batch, reader.unreadable, outcomes.FILE_NAME),
            )

    def _learn(self, outcome: Outcome) -> None:
        self._forget(outcome.url)
        self._known[outcome.url] = _Known(outcome.outcome, outcome.bytes, outcome.sha256)
        self.counts[outcome.outcome] += 1
        self.attempts += outcome.attempts

    def _forget(self, url: str) -> None:
        if (known := self._known.pop(url, None)) is not None:
            self.counts[known.outcome] -= 1

    def _put_body(self, name: str, body: bytes) -> None:
        temporary = self.folder / f"{TEMPORARY_PREFIX}{name}"
        try:
            with open(temporary, "wb", buffering=0) as file:  # noqa: PTH123 - the hot path
                _check_room(file.write(body), body)
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

    def _digest(self) -> str:
        """Return a digest over the names and digests of all bodies, in the order of the batch."""
        digest = hashlib.sha256()
        for target in self._targets:
            digest.update(f"{target.name} {self._known[target.url].sha256}\n".encode())
        return digest.hexdigest()


def _check_room(written: int | None, data: bytes) -> None:
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

"""Removing what was kept long enough: bodies, what is derived from them, and their history.

Outcomes stay and say so: `purged` is one of its own, so that nobody asks for the URL again who does
not want it anew. Every step can be repeated, so a purge that was killed is run again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tmdb_assets import batches, history, outcomes, receipt
from tmdb_assets.ages import Aged, older_than
from tmdb_assets.batch_lock import BatchLock
from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.files import clear_away, read_file, storing, sync_folder, write_whole
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.receipt import RECEIPT_NAME, batch_folder
from tmdb_assets.tables.folder import has_tables, remove_tables
from tmdb_assets.tables.making import has_stale_tables, make_tables_locked
from tmdb_assets.tables.record import NewerTablesError, tables_folder


@dataclass(frozen=True, slots=True)
class Purged:
    """What went from a batch: bodies and their size, and earlier versions of bodies."""

    batch: str
    bodies: int
    bytes: int
    history: int


def purge_list(data_dir: Path, name: str, before: float, now: float) -> Iterator[Purged]:
    """Remove every body of a list that is as of before a moment; yield the batches that had some.

    Args:
        data_dir: root of all data.
        name: of the list.
        before: POSIX seconds.
        now: POSIX seconds, for the outcomes.

    Raises:
        BatchBusyError: one of its batches is being downloaded; the others are done by then.
        BatchError: there is no such list, or outcomes are of a newer format.
        StoreError: its files cannot be read or written.
    """
    busy: BatchBusyError | None = None
    for batch in batches.read_list(data_dir, name).batches:
        try:
            purged = _purge_batch(data_dir, batch.name, before, now)
        except BatchBusyError as error:
            busy = error
            continue
        if purged.bodies or purged.history:
            yield purged
    if busy is not None:
        raise busy


def to_purge(data_dir: Path, name: str, before: float, now: float) -> Iterator[Purged]:
    """Yield what `purge_list` would remove; changes nothing.

    Raises:
        BatchError: there is no such list, or outcomes are of a newer format.
        StoreError: its files cannot be read.
    """
    del now
    old = {aged.batch: aged for aged in older_than(data_dir, name, before)}
    for batch in batches.read_list(data_dir, name).batches:
        aged = old.get(batch.name, Aged(batch.name, ()))
        earlier = sum(1 for _ in history.older_than(data_dir, batch.name, before))
        if aged.bodies or earlier:
            yield Purged(batch.name, aged.bodies, aged.bytes, earlier)


def _purge_batch(data_dir: Path, batch: str, before: float, now: float) -> Purged:
    old_history = tuple(history.older_than(data_dir, batch, before))
    for path in old_history:
        clear_away(path)
    folder = batch_folder(data_dir, batch)
    last = outcomes.last_outcomes(folder)
    old = [one for one in last.values() if one.has_body and one.as_of < before]
    has_leftovers = any(
        (folder / f"{one.name}.json").exists()
        for one in last.values()
        if one.outcome is OutcomeKind.PURGED
    )
    if old or has_leftovers or has_stale_tables(data_dir, batch):
        with BatchLock(folder, batch, "purge") as lock:
            _purge_bodies(data_dir, batch, before, now)
            lock.beat()
            _purge_rows(data_dir, batch, lock)
    return Purged(batch, len(old), sum(one.bytes for one in old), len(old_history))


def _purge_bodies(data_dir: Path, batch: str, before: float, now: float) -> None:
    """Say first that the bodies are gone, then remove them: so none is asked for again."""
    folder = batch_folder(data_dir, batch)
    last = outcomes.last_outcomes(folder)
    fresh = {
        one.url: _purged(one, now) for one in last.values() if one.has_body and one.as_of < before
    }
    last |= fresh
    path = folder / outcomes.FILE_NAME
    if fresh:
        with storing(path):
            content = read_file(path)
        whole = content[: content.rfind(b"\n") + 1]
        write_whole(path, whole + b"".join(map(outcomes.encode, fresh.values())))
    _write_receipt(data_dir, batch, last)
    for one in last.values():
        if one.outcome is OutcomeKind.PURGED:
            clear_away(folder / f"{one.name}.json")
    sync_folder(folder)


def _purge_rows(data_dir: Path, batch: str, lock: BatchLock) -> None:
    """Make the tables of a batch of what is left; rather none than some with what has to go."""
    if not has_tables(tables_folder(data_dir, batch)):
        return
    try:
        make_tables_locked(data_dir, batch, lock)
    except NewerTablesError:
        remove_tables(data_dir, batch)
        make_tables_locked(data_dir, batch, lock)
    except StoreError:
        remove_tables(data_dir, batch)
        raise


def _purged(outcome: Outcome, now: float) -> Outcome:
    return replace(
        outcome,
        outcome=OutcomeKind.PURGED,
        status=None,
        reason="",
        attempts=0,
        bytes=0,
        sha256="",
        etag="",
        sent_at=(),
        seconds=0.0,
        as_of=now,
        combined_with="",
    )


def _write_receipt(data_dir: Path, batch: str, last: dict[str, Outcome]) -> None:
    """Have the receipt, if there is one, say what is true now."""
    folder = batch_folder(data_dir, batch)
    found = receipt.read(folder)
    targets = batches.load(data_dir, batch)
    if found is None or any(target.url not in last for target in targets):
        return
    of_batch = {target.url: last[target.url] for target in targets}
    try:
        attempts, seconds = int(found["attempts"]), float(found["seconds"])
    except (KeyError, TypeError, ValueError, OverflowError):
        clear_away(folder / RECEIPT_NAME)  # the next run writes one
        return
    content = receipt.encode(batch, targets, of_batch, attempts, seconds)
    write_whole(folder / RECEIPT_NAME, content)

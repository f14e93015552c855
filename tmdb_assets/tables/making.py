"""Makes the tables of a batch from its outcomes and bodies, and looks at what it made.

A file per table, none for a table without rows, all of them written before the first is renamed,
and `tables.json` last. Whoever dies in between leaves the old tables, or new ones without a record:
they are made again.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tmdb_assets import batches
from tmdb_assets.batch_lock import BatchLock
from tmdb_assets.files import (
    clear_away,
    make_folder,
    read_file,
    remove,
    storing,
    sync_folder,
    write_whole,
)
from tmdb_assets.model import Outcome, Target
from tmdb_assets.outcomes import FILE_NAME, OutcomeReader
from tmdb_assets.receipt import batch_folder
from tmdb_assets.tables import record
from tmdb_assets.tables.engine import duckdb
from tmdb_assets.tables.folder import file_of, has_tables, is_whole, sweep
from tmdb_assets.tables.lines import Context, Line, body_line, outcome_line, table_of
from tmdb_assets.tables.looking import Duplicate, look
from tmdb_assets.tables.parquet import LIBRARY, Spool, connected
from tmdb_assets.tables.record import EXAMPLES, RECORD_NAME, OddValue, Record
from tmdb_assets.tables.schema import TABLES


@dataclass(frozen=True, slots=True)
class TablesReport:
    """What the tables of a batch hold. By table means by every table, with 0 where it has no file.

    Attributes:
        folder: where they lie.
        rows: by table, as counted in the Parquet files.
        fetched: by table, the outcomes that should have a row there: bodies by what their URL
            says, and all outcomes.
        moved: bodies that were not of the kind that their URL promised; they are in `responses`.
        skipped: bodies that were not there as fetched; they have no row.
        odd: values that did not fit their column, and the moved and skipped bodies.
        odd_examples: the first 100 of them.
        duplicates: ids that a table has more than once with the same parameters.
        duplicate_examples: the first of them.
        was_current: nothing had to be done.
    """

    batch: str
    folder: Path
    rows: Mapping[str, int]
    fetched: Mapping[str, int]
    moved: int
    skipped: int
    odd: int
    odd_examples: tuple[OddValue, ...]
    duplicates: int
    duplicate_examples: tuple[Duplicate, ...]
    parquet_bytes: int
    json_bytes: int
    seconds: float
    was_current: bool


def make_tables(data_dir: Path, batch: str, holder: str = "") -> TablesReport:
    """Make the tables of a batch, unless they are up to date. Blocks; holds the batch's lock.

    Args:
        data_dir: the data folder.
        batch: its name.
        holder: who makes them, for the lock.

    Raises:
        BatchBusyError: the batch is being downloaded.
        NewerTablesError: they were made by a newer version; they stay as they are.
        BatchError: there is no such batch, or it is damaged or of a newer format.
        StoreError: its files cannot be read, or tables cannot be written.
    """
    targets = batches.load(data_dir, batch)
    responses = batch_folder(data_dir, batch)
    make_folder(responses)
    with BatchLock(responses, batch, holder or "tables") as lock:
        return _make(data_dir, batch, targets, lock)


def make_tables_locked(data_dir: Path, batch: str, lock: BatchLock) -> TablesReport:
    """Do the same for who has the lock of the batch already."""
    return _make(data_dir, batch, batches.load(data_dir, batch), lock)


def has_stale_tables(data_dir: Path, batch: str) -> bool:
    """Say whether a batch has tables that are not of its outcomes, or have no record to tell.

    Raises:
        BatchError: there is no such batch, or it is damaged or of a newer format.
        StoreError: its files cannot be read.
    """
    folder = record.tables_folder(data_dir, batch)
    if not has_tables(folder):
        return False
    try:
        made = record.read(folder)
    except record.NewerTablesError:
        return False  # its digest is not ours
    last = _last(batch_folder(data_dir, batch), batches.load(data_dir, batch))
    return made is None or made.made_of != record.digest(batch, last)


def _make(data_dir: Path, batch: str, targets: Sequence[Target], lock: BatchLock) -> TablesReport:
    began = time.monotonic()
    responses, folder = batch_folder(data_dir, batch), record.tables_folder(data_dir, batch)
    make_folder(folder)
    with connected() as connection:
        last = _last(responses, targets)
        made, made_of = record.read(folder), record.digest(batch, last)
        work = _Work(responses, folder, batch, lock.beat)
        is_ours = made is not None and (made.made_of, made.library) == (made_of, LIBRARY)
        was_current = made is not None and is_ours and is_whole(folder, made)
        if made is None or not was_current:
            made = work.do(connection, last, made_of)
        try:
            seen = look(connection, folder, made.rows)
        except duckdb.Error:
            if not was_current:
                raise
            # damaged, with the size that it had
            was_current, made = False, work.do(connection, last, made_of)
            seen = look(connection, folder, made.rows)
    sizes = made.bytes.values()
    return TablesReport(
        batch=batch,
        folder=folder,
        rows=seen.rows,
        fetched=_fetched(last),
        moved=made.moved,
        skipped=made.skipped,
        odd=made.odd,
        odd_examples=made.odd_examples,
        duplicates=seen.duplicates,
        duplicate_examples=seen.examples,
        parquet_bytes=sum(sizes),
        json_bytes=sum(one.bytes for one in last if one.has_body),
        seconds=time.monotonic() - began,
        was_current=was_current,
    )


def _last(responses: Path, targets: Sequence[Target]) -> list[Outcome]:
    """Return the outcomes that count, in the order of the batch."""
    names = {target.url: target.name for target in targets}
    path = responses / FILE_NAME
    with storing(path):
        last = {one.url: one for one in OutcomeReader(path).new() if names.get(one.url) == one.name}
    return [last[url] for url in names if url in last]


def _fetched(last: Sequence[Outcome]) -> dict[str, int]:
    counts = dict.fromkeys(TABLES, 0)
    for outcome in last:
        if outcome.has_body:
            counts[table_of(outcome.url)] += 1
    return {**counts, "outcomes": len(last)}


@dataclass(slots=True)
class _Work:
    """Making the tables of one batch, once."""

    responses: Path
    folder: Path
    batch: str
    beat: Callable[[], None]
    moved: int = 0
    skipped: int = 0
    odd: int = 0
    examples: list[OddValue] = field(default_factory=list)

    def do(
        self, connection: duckdb.DuckDBPyConnection, last: Sequence[Outcome], made_of: str
    ) -> Record:
        sweep(self.folder)
        with ExitStack() as stack:
            spools = {table: stack.enter_context(Spool(self.folder, table)) for table in TABLES}
            rows = self._spool(spools, last)
            written: dict[str, Path] = {}
            for table, spool in spools.items():
                if (path := spool.write(connection, self.beat)) is not None:
                    stack.callback(remove, path)  # is gone by then if all went well
                    written[table] = path
            sizes = {table: path.stat().st_size for table, path in written.items()}
            made = Record(
                batch=self.batch,
                made_of=made_of,
                rows={table: rows[table] for table in written},
                bytes=sizes,
                moved=self.moved,
                skipped=self.skipped,
                odd=self.odd,
                odd_examples=tuple(self.examples),
                library=LIBRARY,
            )
            self._publish(written, made)
        return made

    def _spool(self, spools: Mapping[str, Spool], last: Sequence[Outcome]) -> dict[str, int]:
        context = Context(self.batch)
        rows = dict.fromkeys(TABLES, 0)
        for outcome in last:
            self.beat()
            spools["outcomes"].add(outcome_line(outcome, context))
            rows["outcomes"] += 1
            if not outcome.has_body:
                continue
            line = self._row(outcome, context)
            if line is not None:
                spools[line.table].add(line.fields, line.weight)
                rows[line.table] += 1
        return rows

    def _row(self, outcome: Outcome, context: Context) -> Line | None:
        """Return a body's row; None if it is not as fetched."""
        body = _body(self.responses / f"{outcome.name}.json", outcome)
        line = None if body is None else body_line(outcome, body, context)
        if line is None:
            self.skipped += 1
            self._note(OddValue(outcome.url, "", "its file is missing or altered"))
            return None
        self.moved += line.table != table_of(outcome.url)
        for odd in line.odd:
            # its names are data: they may be no text
            place = odd.place.encode(errors="replace").decode()
            self._note(OddValue(outcome.url, place, odd.reason))
        self.odd += line.more_odd
        return line

    def _note(self, odd: OddValue) -> None:
        self.odd += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(odd)

    def _publish(self, written: Mapping[str, Path], made: Record) -> None:
        """Rename all, and say so at the end."""
        clear_away(self.folder / RECORD_NAME)
        for table in TABLES:
            path = file_of(self.folder, table)
            if table in written:
                with storing(path):
                    written[table].replace(path)
            else:
                clear_away(path)
        sync_folder(self.folder)
        write_whole(self.folder / RECORD_NAME, record.encode(made))
        sync_folder(self.folder)


def _body(path: Path, outcome: Outcome) -> bytes | None:
    """Return a body if it is what its outcome says."""
    try:
        body = read_file(path)
    except OSError:
        return None
    is_same = len(body) == outcome.bytes and hashlib.sha256(body).hexdigest() == outcome.sha256
    return body if is_same else None

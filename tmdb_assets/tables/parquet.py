"""Rows to a Parquet file, by DuckDB alone and in little memory: JSON lines, then one COPY of them.

The lines lie in temporaries of a few MB, because DuckDB's reader takes as many rows at once as one
of its buffers holds: with rows of 48 kB that makes a peak of 180 MB instead of 250. One thread, so
that the same rows make the same bytes.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import BinaryIO, Self

from tmdb_assets.errors import StoreError
from tmdb_assets.files import open_file, remove, storing, sync_file, temporary_in
from tmdb_assets.tables.engine import closing, duckdb
from tmdb_assets.tables.schema import TABLES
from tmdb_assets.tables.values import HEAVIEST

LIBRARY = f"duckdb {duckdb.__version__}"

_PART_BYTES = 4 << 20  # and no more of `HEAVIEST` than one row may have
_ROW_GROUP = "16MB"
_MEMORY_BYTES = 256 << 20
_LONGEST_LINE = 16 << 20  # DuckDB's default
_BEAT_SECONDS = 1.0

_line_of = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class Spool:
    """The rows of one table on their way to Parquet. One thread.

    Args:
        folder: where its temporaries lie; they go when it is left.
        table: its name.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self.table = table
        self._folder = folder
        self._parts: list[Path] = []
        self._file: BinaryIO | None = None
        self._room = 0
        self._lift = 0
        self._longest = 0

    def __enter__(self) -> Self:
        """Begin; nothing is written yet."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the temporaries."""
        self._close()
        for part in self._parts:
            remove(part)

    def add(self, fields: Mapping[str, object], weight: int = 0) -> None:
        """Take a row.

        Args:
            fields: JSON values by the key of their column, or its name where it has no key.
            weight: as `Row` has it, at most `HEAVIEST`.

        Raises:
            StoreError: the folder cannot be written.
        """
        line = _line_of(fields).encode() + b"\n"
        with storing(self._folder):
            if self._file is None or self._room < 0 or self._lift < weight:
                self._file = self._next_part()
            self._file.write(line)
        self._room -= len(line)
        self._lift -= weight
        self._longest = max(self._longest, len(line))

    def _next_part(self) -> BinaryIO:
        self._close()
        part = temporary_in(self._folder)
        self._parts.append(part)
        self._room = _PART_BYTES
        self._lift = HEAVIEST
        return open(open_file(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")  # noqa: PTH123 - it has no path

    def _close(self) -> None:
        if self._file is not None:
            with storing(self._folder):
                self._file.close()

    def write(self, connection: duckdb.DuckDBPyConnection, beat: Callable[[], None]) -> Path | None:
        """Write the rows to a temporary Parquet file that outlasts a loss of power.

        Args:
            connection: as `connected` opens one.
            beat: is called every second meanwhile.

        Returns:
            Where it lies, for the caller to rename; None if there are no rows.

        Raises:
            StoreError: the folder cannot be written.
        """
        self._close()
        if not self._parts:
            return None
        target = temporary_in(self._folder)
        try:
            # above its own need, each value is there as text, as JSON and in its column
            memory = _MEMORY_BYTES + 16 * max(0, self._longest - _LONGEST_LINE)
            connection.execute(f"SET memory_limit = '{memory}B'")
            run_watched(connection, self._copy(target), beat)
            sync_file(target)
        except BaseException:
            remove(target)
            raise
        return target

    def _copy(self, target: Path) -> str:
        columns = [(column.key or column.name, column) for column in TABLES[self.table]]
        types = ", ".join(f"{quoted(key)}: {quoted(column.type)}" for key, column in columns)
        names = ", ".join(f'"{key}" AS "{column.name}"' for key, column in columns)
        parts = ", ".join(quoted(glob_of(part)) for part in self._parts)
        length = max(self._longest, _LONGEST_LINE)
        return (
            f"COPY (SELECT {names} FROM read_json([{parts}], format = 'newline_delimited', "  # noqa: S608
            f"columns = {{{types}}}, maximum_object_size = {length})) TO {quoted(target)} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE_BYTES '{_ROW_GROUP}', "
            "USE_TMP_FILE false)"
        )


@contextmanager
def connected() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a DuckDB in memory, bounded, in UTC; what fails in it comes out as `StoreError`."""
    with stored(), closing(duckdb.connect(config={"threads": 1})) as connection:
        for setting in (
            f"memory_limit = '{_MEMORY_BYTES}B'",
            "temp_directory = ''",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "preserve_insertion_order = false",  # rows keep theirs with one thread
            "TimeZone = 'UTC'",
            "enable_progress_bar = false",  # it writes one where Python has no script
        ):
            connection.execute(f"SET {setting}")
        yield connection


@contextmanager
def stored() -> Iterator[None]:
    """Turn what DuckDB says in the block into a `StoreError`."""
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(
            f"DuckDB cannot make tables: {first_line(error)}: {_remedy(error)}"
        ) from error


def _remedy(error: duckdb.Error) -> str:
    match error:
        case duckdb.IOException():
            return "make room in TMDB_DATA_DIR, and run again"
        case duckdb.OutOfMemoryException() if "max_temp_directory_size" in str(error):
            return "make room in the folder for temporary files, TMPDIR, and run again"
        case duckdb.OutOfMemoryException():
            return (
                "close what takes memory on this machine and run again; report it if it comes back"
            )
    return "run again, and report it if it comes back"


def run_watched(connection: duckdb.DuckDBPyConnection, sql: str, beat: Callable[[], None]) -> None:
    """Run a statement in a thread of its own, so that signals are heeded and `beat` is called.

    Raises:
        duckdb.Error: it failed.
    """
    failures: list[BaseException] = []

    def execute() -> None:
        try:
            connection.execute(sql)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failures.append(error)

    thread = Thread(target=execute, name="duckdb")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_BEAT_SECONDS)
            beat()
    except BaseException:
        connection.interrupt()
        raise
    finally:
        thread.join()
    for failure in failures:
        raise failure


def first_line(error: Exception) -> str:
    """Return the first line of what DuckDB says."""
    return str(error).strip().partition("\n")[0]


def quoted(value: Path | str) -> str:
    """Return a text as SQL writes it."""
    return "'" + str(value).replace("'", "''") + "'"


def glob_of(path: Path) -> str:
    """Return the pattern that matches this path alone.

    Raises:
        StoreError: DuckDB cannot name it.
    """
    text = str(path)
    try:
        is_speakable = bool(text.encode()) and not set("\\?") & set(text)
    except UnicodeEncodeError:
        is_speakable = False
    if not is_speakable:
        raise StoreError(
            f"DuckDB cannot read below {text!r}: set TMDB_DATA_DIR to a folder whose path is "
            "UTF-8 without \\ and ?"
        )
    return "".join(f"[{letter}]" if letter in "*[" else letter for letter in text)

"""Asking the catalogue with SQL: one SELECT, read only, in bounded memory, without a way out.

DuckDB itself refuses files outside the tables, the network, extensions and settings. Writing into
the folder of tables it would not refuse: so nothing but a SELECT is let through.
"""

import errno
import os
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from tmdb_assets.errors import QueryError
from tmdb_assets.files import remove, sync_file, temporary_in
from tmdb_assets.tables.catalog import current_catalog
from tmdb_assets.tables.engine import closing, duckdb
from tmdb_assets.tables.parquet import glob_of, quoted

_MEMORY = "1GB"
_ROWS_AT_ONCE = 1000
_HINTS = ("Did you mean", "Candidate bindings")
_ALLOWED = "ask with SELECT, FROM, PIVOT, DESCRIBE or SUMMARIZE"
_TOO_LONG = "Parquet holds 38 digits of whole numbers: cast what is longer to VARCHAR or DOUBLE"
_REMEDY = "name a file in a folder that is there and can be written"
_EXACT = "DECIMAL(38,0)"
_HUGE = re.compile(r"""(?P<quoted>"[^"]*"|'[^']*')|\bU?HUGEINT(?=[\[),]|$)""")
"""In names of types, what Parquet gets as DOUBLE; names of fields are quoted or before a space."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gives; its rows can be had once.

    Attributes:
        names: of the columns, each different.
        types: DuckDB's names of their types.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: Iterator[Sequence[Any]]
    _connection: duckdb.DuckDBPyConnection
    _select: str

    def count(self) -> int:
        """Ask how many rows there are in all; no more of them can be taken then.

        Raises:
            QueryError: as taking rows.
            KeyboardInterrupt: Ctrl-C.
        """
        sql = f"SELECT count(*) FROM (\n{self._select}\n)"  # noqa: S608
        with _failing():
            return int(self._connection.execute(sql).fetchall()[0][0])


@contextmanager
def answering(data_dir: Path, sql: str) -> Iterator[Answer]:
    """Ask for rows; they are read as they are taken.

    Raises:
        QueryError: the SQL is none, is more than one SELECT, or fails; so may taking rows.
        BatchError: tables are of a newer version, or the catalogue is being made for a minute.
        StoreError: the data folder cannot be read.
        KeyboardInterrupt: Ctrl-C; so may taking rows.
    """
    with _opened(data_dir) as connection:
        select = _only_select(connection, sql)
        with _failing():
            description = connection.execute(select).description or ()
        names = _different([column[0] for column in description])
        types = tuple(str(column[1]) for column in description)
        yield Answer(names, types, _rows(connection), connection, select)


def write_answer(data_dir: Path, sql: str, path: Path) -> int:
    """Write an answer to a Parquet file, whole or not at all, and return how many rows it has.

    Raises:
        QueryError: as `answering`, or the file cannot be written.
        BatchError: as `answering`.
        StoreError: as `answering`.
        KeyboardInterrupt: Ctrl-C.
    """
    # a connection is closed before the file goes that it writes
    with _replacing(path) as temporary, _opened(data_dir, temporary) as connection:
        exact = _exact(connection, select := _only_select(connection, sql))
        options = "(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
        try:
            with _failing():
                connection.execute(f"COPY (\n{exact}\n) TO {quoted(temporary)} {options}")
                return int(connection.fetchall()[0][0])
        except QueryError as error:
            if exact == select or _EXACT not in str(error):
                raise
            raise QueryError(f"{error}: {_TOO_LONG}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Have a file written that takes the place of `path` when the block ends without an error.

    Yields its path; it is there and empty: what cannot be written is told before anything is asked.
    Where `path` is a symbolic link, the file it leads to is replaced.

    Raises:
        QueryError: it cannot be written, or is there and no file.
    """
    target = Path(os.path.realpath(path))
    temporary = temporary_in(target.parent)
    try:
        _check(target)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        yield temporary
        sync_file(temporary)
        temporary.replace(target)
    except OSError as error:
        why = f"{error.strerror or error}: {_REMEDY}"
        raise QueryError(f"cannot write {str(path)!r}: {why}") from error
    finally:
        remove(temporary)


def _check(target: Path) -> None:
    """Raise an OSError if no file can take this place."""
    try:
        str(target.parent).encode()
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "DuckDB wants the path of its folder in UTF-8") from None
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is no regular file")


@contextmanager
def _opened(data_dir: Path, *outputs: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the catalogue so that it can read tables, write these files, and nothing else."""
    path = current_catalog(data_dir)
    if path is None:
        raise QueryError(
            f"there are no tables in {str(data_dir)!r} yet: `tmdb-assets tables` makes them of "
            "what was downloaded, `tmdb-assets run LIST` downloads"
        )
    tables = path.absolute().parent
    folders = ", ".join(quoted(f"{folder}/") for folder in (tables, glob_of(tables)))
    files = ", ".join(map(quoted, outputs))
    with (
        TemporaryDirectory(prefix="tmdb-assets-") as spill,
        _failing(),
        closing(duckdb.connect(str(path), read_only=True)) as connection,
    ):
        for setting in (
            f"memory_limit = '{_MEMORY}'",
            f"temp_directory = {quoted(spill)}",
            "TimeZone = 'UTC'",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "allow_community_extensions = false",
            f"allowed_directories = [{folders}]",
            f"allowed_paths = [{files}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        with _interruptible(connection):
            yield connection


@contextmanager
def _interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have signals that are handled stop what runs on the connection, in the main thread.

    DuckDB looks for them too, but then may wait for the thread that is at the query.
    """
    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if is_main else ()
    handlers = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in handlers.items() if callable(handler)}

    def interrupt(number: int, frame: FrameType | None) -> None:
        connection.interrupt()
        before[signal.Signals(number)](number, frame)

    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the one SELECT that this SQL is, so that it can stand between parentheses."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        place = len(sql[: error.start].encode()) + 1
        raise QueryError(f"the SQL is not UTF-8 at its byte {place}: write it in UTF-8") from None
    with _failing():
        statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements instead of one: ask one SELECT")
    kind, text = statements[0].type, _without_end(statements[0].query)
    if kind == duckdb.StatementType.MULTI:
        return _pivoted(connection, text)
    if kind != duckdb.StatementType.SELECT:
        raise QueryError(f"{kind.name} is not allowed: {_ALLOWED}")
    return text


def _without_end(statement: str) -> str:
    """Return a statement without the semicolons and the comments behind it."""
    data, end = statement.encode(), None
    for offset, kind in reversed(duckdb.tokenize(statement)):  # offsets are of bytes
        if data[offset : offset + 1] == b";":
            end = offset
        elif kind != duckdb.token_type.comment:
            break
    return data[:end].decode().strip()


def _pivoted(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """Return a SELECT of what a PIVOT over values not named gives; it is worked out here.

    DuckDB makes several statements of one with it, be it a COPY; after FROM nothing but reads.
    """
    between = f"FROM (\n{text}\n)"
    try:
        connection.extract_statements(between)
    except duckdb.ParserException:
        raise QueryError(f"a PIVOT within another statement is not allowed: {_ALLOWED}") from None
    with _failing():
        connection.execute(f"CREATE TEMP TABLE pivoted AS {between}")
    return "FROM temp.pivoted"


def _exact(connection: duckdb.DuckDBPyConnection, select: str) -> str:
    """Return a SELECT of the same, in types that Parquet has: a HUGEINT, as of sum, as decimal."""
    with _failing():
        description = connection.execute(f"FROM (\n{select}\n) LIMIT 0").description or ()
    kinds = [str(column[1]) for column in description]
    held = [_HUGE.sub(lambda found: found["quoted"] or _EXACT, kind) for kind in kinds]
    if held == kinds:
        return select
    places = [f"c{place}" for place in range(len(kinds))]  # names may be there twice
    labels = [column[0].replace('"', '""') for column in description]
    columns = ", ".join(
        f'{place if new == kind else f"CAST({place} AS {new})"} AS "{label}"'
        for place, kind, new, label in zip(places, kinds, held, labels, strict=True)
    )
    return f"SELECT {columns} FROM (\n{select}\n) AS answer({', '.join(places)})"  # noqa: S608


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Sequence[Any]]:
    while True:
        with _failing():
            rows = connection.fetchmany(_ROWS_AT_ONCE)
        if not rows:
            return
        yield from rows


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what DuckDB says in the block into one line."""
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        raise QueryError(_line_of(error)) from error
    except RuntimeError as error:
        if "interrupted" in str(error):
            raise KeyboardInterrupt from None
        raise


def _line_of(error: Exception) -> str:
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join([first, *(line for line in others if line.startswith(_HINTS))])


def _different(names: Sequence[str]) -> tuple[str, ...]:
    """Return names that an object can have as keys: a second `a` becomes `a_2`."""
    result: list[str] = []
    for name in names:
        number, new = 1, name
        while new in result:
            number += 1
            new = f"{name}_{number}"
        result.append(new)
    return tuple(result)

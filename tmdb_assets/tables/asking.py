"""Asking the catalogue with SQL: one SELECT, read only, in bounded memory, without a way out.

DuckDB itself refuses files outside the tables, the network, extensions and settings. Writing into
the folder of tables it would not refuse: so nothing but a SELECT is let through.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tmdb_assets.errors import QueryError
from tmdb_assets.files import remove, sync_file, temporary_in
from tmdb_assets.tables.catalog import current_catalog
from tmdb_assets.tables.engine import closing, duckdb
from tmdb_assets.tables.parquet import glob_of, quoted

_MEMORY = "1GB"
_ROWS_AT_ONCE = 1000
_HINTS = ("Did you mean", "Candidate bindings")


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
        with _failing():
            self._connection.execute(f"SELECT count(*) FROM (\n{self._select}\n)")  # noqa: S608
            return int(self._connection.fetchall()[0][0])


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
    temporary = temporary_in(path.absolute().parent)
    with _opened(data_dir, temporary) as connection:
        select = _only_select(connection, sql)
        try:
            with _failing():
                connection.execute(
                    f"COPY (\n{select}\n) TO {quoted(temporary)} "
                    "(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
                )
                count = int(connection.fetchall()[0][0])
            sync_file(temporary)
            temporary.replace(path)
        except OSError as error:
            remove(temporary)
            raise QueryError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
        except BaseException:
            remove(temporary)
            raise
    return count


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
        yield connection


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the text of the one SELECT that this SQL is."""
    with _failing():
        statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements instead of one: ask one SELECT")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise QueryError(f"{kind} is not allowed: ask with SELECT, FROM, DESCRIBE or SUMMARIZE")
    return statements[0].query.strip().removesuffix(";")


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

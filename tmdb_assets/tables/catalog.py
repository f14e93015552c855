"""The DuckDB catalogue: views over the Parquet files of all batches, in one file.

The views are globs, so they hold no data and new batches show at once. What they do not show is a
row of a URL that another list fetched later: those are listed in the table `superseded` when the
catalogue is refreshed. Within a list a URL is in one batch only, so with one list there is nothing
to look for. (500 batches, a million rows: 0.25 s for a count, 1 s if each query looked itself.)
"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from tmdb_assets.errors import StoreError
from tmdb_assets.files import (
    TEMPORARY_PREFIX,
    exclusive,
    make_folder,
    remove,
    storing,
    sync_file,
    sync_folder,
    temporary_in,
    within,
)
from tmdb_assets.tables import record, views
from tmdb_assets.tables.engine import closing, duckdb
from tmdb_assets.tables.parquet import glob_of, quoted, stored
from tmdb_assets.tables.schema import SCHEMA_VERSION, TABLES

CATALOG_NAME = "catalog.duckdb"
ATTRIBUTION = "This product uses the TMDB API but is not endorsed or certified by TMDB."
TERMS = "By TMDB's terms none of its content may be kept for longer than six months."

_FORMAT = 1
_LOCK = ".lock"
_LOCK_WAIT_SECONDS = 60.0
_MEMORY = "512MB"
_MORE_TRIES = 4


@dataclass(frozen=True, slots=True)
class CatalogReport:
    """What the catalogue shows.

    Attributes:
        path: its file.
        rows: by view, as counted through them.
        batches: that have tables.
        superseded: rows not shown, because another list fetched their URL later.
        outdated: batches whose tables an older version made; what it did not know is NULL.
        bytes: size of the file.
    """

    path: Path
    rows: Mapping[str, int]
    batches: int
    superseded: int
    outdated: int
    bytes: int
    seconds: float


def refresh_catalog(data_dir: Path, *, wait_seconds: float = _LOCK_WAIT_SECONDS) -> CatalogReport:
    """Make the catalogue anew; who reads the old one is not disturbed. One process at a time.

    Raises:
        NewerTablesError: a batch has tables of a newer version.
        BatchBusyError: somebody else refreshes it for all of `wait_seconds`.
        StoreError: the data folder cannot be read or written.
    """
    began = time.monotonic()
    built = _build(data_dir, wait_seconds, is_counted=True)
    return CatalogReport(
        path=built.path,
        rows=built.rows,
        batches=built.batches,
        superseded=built.superseded,
        outdated=built.outdated,
        bytes=built.path.stat().st_size,
        seconds=time.monotonic() - began,
    )


def current_catalog(data_dir: Path) -> Path | None:
    """Return the path of a catalogue that is up to date, made anew if need be; None without tables.

    Raises:
        NewerTablesError: a batch has tables of a newer version.
        BatchBusyError: somebody else refreshes it for a minute.
        StoreError: the data folder cannot be read or written.
    """
    state = _State.of(data_dir)
    if not state.folders:
        return None
    path = catalog_path(data_dir)
    if _said(path) != state.about():
        return _build(data_dir, _LOCK_WAIT_SECONDS, is_counted=False).path
    return path


def catalog_path(data_dir: Path) -> Path:
    """Return where the catalogue lies.

    Raises:
        StoreError: a symbolic link there leads out of the data folder.
    """
    return within(data_dir, "tables", CATALOG_NAME)


@dataclass(frozen=True, slots=True)
class _State:
    """What a catalogue is made of.

    Attributes:
        folder: absolute path of the data folder.
        folders: of all batches that have tables, sorted; the record of some may be missing.
        digest: of names, times and sizes of their files.
        kinds: tables that have a file.
    """

    folder: str
    folders: tuple[Path, ...]
    digest: str
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, data_dir: Path) -> "_State":
        """Look at names, times and sizes, not into files."""
        tables = within(data_dir, "tables")
        seen, folders = hashlib.sha256(), []
        kinds: set[str] = set()
        with storing(tables):
            for folder in sorted(tables.glob("*/*/")):
                found = {}
                for table in TABLES:
                    with suppress(FileNotFoundError):
                        found[table] = (folder / f"{table}.parquet").stat()
                if found:
                    kinds |= found.keys()
                    folders.append(folder)
                    seen.update(os.fsencode(folder.name))
                for table, one in found.items():
                    seen.update(f" {table} {one.st_mtime_ns} {one.st_size}\n".encode())
        here = os.path.abspath(data_dir)  # noqa: PTH100 - links as they are
        return cls(here, tuple(folders), seen.hexdigest(), tuple(sorted(kinds)))

    def about(self) -> dict[str, str]:
        """Return what the catalogue says of itself, without the moment."""
        return {
            "format": str(_FORMAT),
            "schema": str(SCHEMA_VERSION),
            "version": version("tmdb-assets"),
            "data_folder": self.folder,
            "made_of": self.digest,
            "tables": " ".join(self.kinds),
            "attribution": ATTRIBUTION,
            "terms": TERMS,
            "watch_providers": "Source: JustWatch.",
        }


@dataclass(frozen=True, slots=True)
class _Built:
    path: Path
    rows: Mapping[str, int]
    batches: int
    superseded: int
    outdated: int


def _said(path: Path) -> dict[str, str] | None:
    """Return what a catalogue says of itself; None if there is none that can be read."""
    if not path.is_file():
        return None
    try:
        with closing(duckdb.connect(str(path), read_only=True)) as connection:
            rows = connection.execute("SELECT name, value FROM about").fetchall()
    except (duckdb.Error, UnicodeEncodeError):
        return None
    return {name: value for name, value in rows if name != "refreshed_at"}


def _build(data_dir: Path, wait_seconds: float, *, is_counted: bool) -> _Built:
    path = catalog_path(data_dir)
    make_folder(path.parent)
    with exclusive(path.parent / _LOCK, wait_seconds):
        with storing(path.parent):
            leftovers = [*path.parent.glob(f"{TEMPORARY_PREFIX}*")]
        for leftover in leftovers:
            remove(leftover)
        built = _built(data_dir, path, is_counted=is_counted)
        sync_folder(path.parent)
    return built


def _built(data_dir: Path, path: Path, *, is_counted: bool) -> _Built:
    """Make the file anew; begin again if tables came or went meanwhile."""
    for _ in range(_MORE_TRIES):
        state = _State.of(data_dir)
        try:
            return _built_of(state, path, is_counted=is_counted)
        except StoreError:
            if _State.of(data_dir) == state:
                raise
    return _built_of(_State.of(data_dir), path, is_counted=is_counted)


def _built_of(state: _State, path: Path, *, is_counted: bool) -> _Built:
    # a batch without a record is one whose tables are being renamed, or were when somebody died
    records = [record.read(folder) for folder in state.folders]
    outdated = sum(one is not None and one.schema < SCHEMA_VERSION for one in records)
    temporary = temporary_in(path.parent)
    try:
        with _opened(temporary) as connection:
            _fill(connection, state, is_mixed=outdated > 0 or None in records)
            hidden = _count(connection, "superseded")
            rows = {view: _count(connection, view) for view in TABLES if is_counted}
            # closing does it too, and says nothing when there is no room
            connection.execute("CHECKPOINT")
        sync_file(temporary)
        # what somebody wrote into the old one does not belong to the new one
        remove(_log_of(path))
        with storing(path):
            temporary.replace(path)
    except BaseException:
        remove(temporary)
        remove(_log_of(temporary))
        raise
    return _Built(path, rows, len(state.folders), hidden, outdated)


def _log_of(path: Path) -> Path:
    """Return where DuckDB writes before it writes to a database."""
    return path.with_name(f"{path.name}.wal")


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a new database file; what fails in it comes out as `StoreError`."""
    glob_of(path)  # says if its name is none that DuckDB knows
    with (
        stored(),
        TemporaryDirectory(prefix="tmdb-assets-") as spill,
        closing(duckdb.connect(str(path))) as connection,
    ):
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET temp_directory = {quoted(spill)}")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _count(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])  # noqa: S608


def _fill(connection: duckdb.DuckDBPyConnection, state: _State, *, is_mixed: bool) -> None:
    connection.begin()  # or each of two hundred statements would be synced to the disk
    connection.execute("CREATE TABLE about (name VARCHAR, value VARCHAR)")
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    about = {**state.about(), "refreshed_at": moment}
    connection.executemany("INSERT INTO about VALUES (?, ?)", [*about.items()])
    connection.execute("CREATE TABLE superseded (view VARCHAR, url VARCHAR, batch VARCHAR)")
    has_lists = len({folder.parent for folder in state.folders}) > 1
    for table in TABLES:
        rows = None
        if table in state.kinds:
            rows = views.source(state.folder, table, is_mixed=is_mixed)
            if has_lists:
                connection.execute(views.supersede(table, rows))
        connection.execute(views.view(table, rows))
        for comment in views.comments(table):
            connection.execute(comment)
    connection.commit()

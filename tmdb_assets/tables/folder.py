"""The folder of a batch's tables: what lies there, and how it is emptied."""

from pathlib import Path

from tmdb_assets.files import TEMPORARY_PREFIX, clear_away, remove, storing, sync_folder
from tmdb_assets.tables import record
from tmdb_assets.tables.record import RECORD_NAME, Record
from tmdb_assets.tables.schema import TABLES


def file_of(folder: Path, table: str) -> Path:
    """Return where a table of a batch lies."""
    return folder / f"{table}.parquet"


def has_tables(folder: Path) -> bool:
    """Say whether there are any in a folder of a batch, of whatever version.

    Raises:
        StoreError: it cannot be read.
    """
    with storing(folder):
        return folder.is_dir() and any(path.suffix == ".parquet" for path in folder.iterdir())


def is_whole(folder: Path, made: Record) -> bool:
    """Say whether exactly the files that a record names are there, with their sizes."""
    sizes = {}
    for table in TABLES:
        path = file_of(folder, table)
        if path.is_symlink():
            return False
        with storing(path):
            if path.exists():
                sizes[table] = path.stat().st_size
    return sizes == made.bytes


def remove_tables(data_dir: Path, batch: str) -> bool:
    """Remove the tables of a batch, of whatever version, and say whether there were any.

    Files that are not ours stay, and their folder with them. Takes no lock: tables that somebody
    makes at this moment may come to lie there all the same.

    Raises:
        BatchError: it is no name of a batch.
        StoreError: they cannot be removed.
    """
    folder = record.tables_folder(data_dir, batch)
    had_some = has_tables(folder)
    with storing(folder):
        if not folder.is_dir():
            return False
    clear_away(folder / RECORD_NAME)
    for table in TABLES:
        clear_away(file_of(folder, table))
    sweep(folder)
    sync_folder(folder)
    with storing(folder):
        if not any(folder.iterdir()):
            folder.rmdir()
    return had_some


def sweep(folder: Path) -> None:
    """Remove what a crash left; nobody else writes here while we have the lock."""
    with storing(folder):
        leftovers = [*folder.glob(f"{TEMPORARY_PREFIX}*")]
    for leftover in leftovers:
        remove(leftover)

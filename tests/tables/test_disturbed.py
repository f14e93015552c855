"""Tables that meet crashes, links, newer versions and full disks: old, new, or said why not."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.store.stored_batches import in_time
from tests.tables.made_tables import NOON, download, files, made, movie, rows, store
from tmdb_assets.errors import StoreError
from tmdb_assets.tables.folder import remove_tables
from tmdb_assets.tables.making import make_tables
from tmdb_assets.tables.parquet import Spool, connected, glob_of, run_watched
from tmdb_assets.tables.record import NewerTablesError


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_what_a_crash_left_is_swept(data_dir: Path) -> None:
    batch = download(data_dir, {"/movie/1": movie(1)})
    folder = data_dir / "tables" / "films" / batch
    folder.mkdir(parents=True)
    (folder / ".tmp-9-lines").write_bytes(b"{")

    make_tables(data_dir, batch)

    assert set(files(data_dir)) == {"movies.parquet", "outcomes.parquet", "tables.json"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"[" * 9999, b'{"format": 1}'])
def test_a_record_that_says_nothing_counts_as_none(data_dir: Path, content: bytes) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    before = files(data_dir)
    (report.folder / "tables.json").write_bytes(content)

    assert not make_tables(data_dir, report.batch).was_current
    assert files(data_dir) == before


class Stop(BaseException):
    """The end of a process, as far as a test can tell."""


class Dying:
    """A process that dies at the so many-th call of `beat`."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def beat(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise Stop


def test_who_dies_while_parquet_is_written_leaves_no_temporary(tmp_path: Path) -> None:
    with connected() as connection, Spool(tmp_path, "responses") as spool:
        spool.add({"url": "x", "body": "{}"})
        with pytest.raises(Stop):
            spool.write(connection, Dying(0).beat)

    assert [*tmp_path.iterdir()] == []


def test_a_statement_is_interrupted_when_somebody_stops_us() -> None:
    endless = "SELECT count(*) FROM range(100000000000) WHERE hash(range) % 3 = 1"

    with in_time(30), connected() as connection, pytest.raises(Stop):
        run_watched(connection, endless, Dying(0).beat)


def test_a_signal_while_duckdb_works_is_an_interrupt_and_no_error() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 5.0)
    try:
        with pytest.raises(KeyboardInterrupt), connected() as connection:
            connection.execute("SELECT count(*) FROM range(100000000000) WHERE hash(range) % 3 = 1")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


NEWER = {"format": 99, "schema": 99}


@pytest.mark.parametrize("name", NEWER)
def test_tables_of_a_newer_version_are_never_replaced(data_dir: Path, name: str) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    path = report.folder / "tables.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: 99}))
    store(data_dir, report.batch, "/movie/1", None, as_of=NOON + 9)
    before = files(data_dir)

    with pytest.raises(NewerTablesError, match=rf"{name} 99 in '.*films-0001'.*update"):
        make_tables(data_dir, report.batch)

    assert files(data_dir) == before
    assert remove_tables(data_dir, report.batch)  # a purge takes them all the same


def test_tables_of_an_older_version_are_made_anew(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    before = files(data_dir)
    path = report.folder / "tables.json"
    older = {**json.loads(path.read_text()), "schema": 0, "made_of": "of columns that are gone"}
    path.write_text(json.dumps(older))

    assert not make_tables(data_dir, report.batch).was_current
    assert files(data_dir) == before


def outside(folder: Path) -> None:
    elsewhere = folder.parents[3] / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir(parents=True)
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)


def test_a_folder_that_leads_out_of_the_data_is_refused(data_dir: Path) -> None:
    batch = download(data_dir, {"/movie/1": movie(1)})
    outside(data_dir / "tables" / "films" / batch)

    for work in (make_tables, remove_tables):
        with pytest.raises(StoreError, match=r"leads out of .*: remove the symbolic link"):
            work(data_dir, batch)

    assert [*(data_dir.parent / "elsewhere").iterdir()] == []


def test_a_link_in_the_place_of_a_table_is_replaced_and_not_followed(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    table = report.folder / "movies.parquet"
    other = data_dir / "other.parquet"
    table.rename(other)
    table.symlink_to(other)
    content = other.read_bytes()

    again = make_tables(data_dir, report.batch)

    assert not again.was_current
    assert not table.is_symlink()
    assert other.read_bytes() == content


OBSTACLES: dict[str, Callable[[Path], Any]] = {
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("movies.parquet"),
}


@pytest.mark.parametrize("obstruct", OBSTACLES.values(), ids=OBSTACLES)
def test_a_record_that_is_no_file_is_an_error_with_its_remedy(
    data_dir: Path, obstruct: Callable[[Path], Any]
) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    (report.folder / "tables.json").unlink()
    obstruct(report.folder / "tables.json")

    with pytest.raises(StoreError, match=r"tables\.json': .*: .+"):
        make_tables(data_dir, report.batch)


def test_a_folder_in_the_place_of_a_table_is_in_the_way(data_dir: Path) -> None:
    batch = download(data_dir, {"/movie/1": movie(1)})
    (data_dir / "tables" / "films" / batch / "movies.parquet").mkdir(parents=True)

    with pytest.raises(StoreError, match=r"movies\.parquet"):
        make_tables(data_dir, batch)

    assert not [name for name in names(data_dir) if name.startswith(".tmp-")]


def names(data_dir: Path) -> list[str]:
    return [path.name for path in (data_dir / "tables" / "films" / "films-0001").iterdir()]


def test_a_folder_with_odd_letters_is_no_trouble(tmp_path: Path) -> None:
    data_dir = tmp_path / "o'dd [x] *{a,b} ü" / "data"
    data_dir.parent.mkdir()

    report = made(data_dir, {"/movie/1": movie(1)})

    assert report.rows["movies"] == 1


@pytest.mark.parametrize("name", ["back\\slash", "half\udce4", "what?"])
def test_a_folder_that_duckdb_cannot_name_is_an_error_with_its_remedy(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(StoreError, match=r"DuckDB cannot read below .*: set TMDB_DATA_DIR to"):
        glob_of(tmp_path / name)


def test_what_duckdb_cannot_do_is_an_error_with_its_remedy() -> None:
    message = "DuckDB cannot make tables: .*: make room"
    with pytest.raises(StoreError, match=message) as raised, connected() as connection:
        connection.execute("COPY (SELECT 1) TO '/proc/no/such/folder'")

    assert isinstance(raised.value.__cause__, duckdb.Error)
    assert "\n" not in str(raised.value)


def test_the_rows_of_other_batches_stay_as_they_are(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    made(data_dir, {"/movie/2": movie(2)})

    assert rows(data_dir, "movies", "id") == [(1,)]
    assert rows(data_dir, "movies", "id", "films-0002") == [(2,)]

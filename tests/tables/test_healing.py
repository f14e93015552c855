"""What a crash, a full disk or somebody's hand left is mended, and never shown as the truth."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.environment import no_file_larger_than
from tests.tables.made_tables import NOON, ask, download, files, made, movie, rows, store
from tmdb_assets.errors import StoreError
from tmdb_assets.settings import from_environment
from tmdb_assets.tables.catalog import catalog_path, current_catalog, refresh_catalog
from tmdb_assets.tables.making import has_stale_tables, make_tables
from tmdb_assets.tables.record import tables_folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize("size", [20_000, 150_000, 300_000])
def test_without_room_the_catalogue_of_before_stays_and_that_is_said(
    data_dir: Path, size: int
) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    path = refresh_catalog(data_dir).path
    before = path.read_bytes()

    with no_file_larger_than(size), pytest.raises(StoreError):
        refresh_catalog(data_dir)

    assert path.read_bytes() == before
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".tmp-")]


def test_what_was_written_into_the_old_catalogue_does_not_spoil_the_new_one(
    data_dir: Path, tmp_path: Path
) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    path = refresh_catalog(data_dir).path
    log = path.with_name(f"{path.name}.wal")
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE VIEW mine AS SELECT 1")
        shutil.copy(log, tmp_path / "log")  # closing removes it; who dies does not
    shutil.move(tmp_path / "log", log)

    refresh_catalog(data_dir)

    assert ask(path, "SELECT id FROM movies") == [(1,)]


def test_of_two_lists_a_url_shows_once_though_a_record_is_missing(data_dir: Path) -> None:
    for name, as_of in (("films", NOON), ("shows", NOON + 9)):
        batch = download(data_dir, {"/movie/1": movie(1)}, name)
        store(data_dir, batch, "/movie/1", movie(1, title=name), as_of)
        make_tables(data_dir, batch)
    (tables_folder(data_dir, "shows-0001") / "tables.json").unlink()

    report = refresh_catalog(data_dir)

    assert ask(report.path, "SELECT id, title FROM movies") == [(1, "shows")]
    assert (report.batches, report.superseded, report.outdated) == (2, 2, 0)


def test_tables_whose_record_is_missing_are_tables(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    (tables_folder(data_dir, "films-0001") / "tables.json").unlink()

    path = current_catalog(data_dir)

    assert path is not None
    assert ask(path, "SELECT id FROM movies") == [(1,)]


def test_a_table_that_was_damaged_in_its_place_is_made_again(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    before = files(data_dir)
    for table in ("movies", "outcomes"):
        path = report.folder / f"{table}.parquet"
        path.write_bytes(b"?" * path.stat().st_size)

    again = make_tables(data_dir, report.batch)

    assert not again.was_current
    assert files(data_dir) == before


@pytest.mark.parametrize(
    "odd", [{"schema": "1"}, {"schema": None}, {"rows": None}, {"rows": []}, {"odd_examples": 7}]
)
def test_a_record_of_odd_types_counts_as_none(data_dir: Path, odd: dict[str, object]) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    before = files(data_dir)
    path = report.folder / "tables.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **odd}))

    assert has_stale_tables(data_dir, report.batch)
    assert refresh_catalog(data_dir).rows["movies"] == 1
    assert not make_tables(data_dir, report.batch).was_current
    assert files(data_dir) == before


def test_tables_are_stale_once_an_outcome_came(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    before = has_stale_tables(data_dir, report.batch)
    store(data_dir, report.batch, "/movie/1", movie(1, title="New"), NOON + 9)

    assert not before
    assert has_stale_tables(data_dir, report.batch)


def test_what_a_newer_version_made_is_not_called_stale(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    path = report.folder / "tables.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99, "made_of": "?"}))

    assert not has_stale_tables(data_dir, report.batch)


def test_a_folder_with_dots_behind_a_link_is_the_one_that_the_system_means(tmp_path: Path) -> None:
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far/away")
    data_dir = from_environment({"TMDB_DATA_DIR": f"{tmp_path}/near/../data"}).data_dir
    made(data_dir, {"/movie/1": movie(1)})
    refresh_catalog(data_dir)

    assert catalog_path(tmp_path / "far/data").is_file()
    assert rows(tmp_path / "far/data", "movies", "id") == [(1,)]
    assert not (tmp_path / "data").exists()

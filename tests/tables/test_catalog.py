"""The catalogue: all batches in one place, the newest row of each URL, never in anybody's way."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.tables.made_tables import NOON, ask, download, made, movie, store
from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.files import exclusive
from tmdb_assets.tables.catalog import (
    ATTRIBUTION,
    CatalogReport,
    catalog_path,
    current_catalog,
    refresh_catalog,
)
from tmdb_assets.tables.folder import remove_tables
from tmdb_assets.tables.making import make_tables
from tmdb_assets.tables.record import NewerTablesError
from tmdb_assets.tables.schema import TABLES, documented


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def about(path: Path) -> dict[str, str]:
    return dict(ask(path, "FROM about"))


def test_views_show_the_rows_of_all_batches_and_lists(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1), "/movie/1/credits": {"id": 1}})
    made(data_dir, {"/movie/2": movie(2)})
    made(data_dir, {"/movie/3": movie(3), "/tv/4": {"id": 4, "name": "S"}}, "shows")

    report = refresh_catalog(data_dir)

    assert report.rows == {"movies": 3, "tv": 1, "people": 0, "responses": 1, "outcomes": 5}
    assert (report.batches, report.superseded, report.outdated) == (3, 0, 0)
    assert ask(report.path, "SELECT id, list FROM movies ORDER BY id") == [
        *((1, "films"), (2, "films"), (3, "shows"))
    ]


def test_a_view_without_a_file_is_empty_and_has_the_same_columns(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    path = refresh_catalog(data_dir).path

    for table in TABLES:
        described = ask(path, f"DESCRIBE {table}")
        expected = [(name, kind.replace('"', "")) for name, kind, _ in documented(table)]
        assert [(row[0], row[1].replace('"', "")) for row in described] == expected
    assert ask(path, "FROM people") == []


def test_columns_and_views_are_described(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    path = refresh_catalog(data_dir).path

    comments = ask(
        path, "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'tv'"
    )
    views = ask(path, "SELECT count(comment) FROM duckdb_views() WHERE NOT internal")
    assert dict(comments) == {name: words for name, _, words in documented("tv")}
    assert views == [(len(TABLES),)]


def test_it_says_where_the_data_is_from_and_how_long_it_may_be_kept(data_dir: Path) -> None:
    said = about(refresh_catalog(data_dir).path)

    assert said["attribution"] == ATTRIBUTION
    assert "six months" in said["terms"]
    assert said["data_folder"] == str(data_dir)
    assert said.keys() >= {"format", "schema", "version", "refreshed_at"}


def test_of_a_url_in_two_lists_the_newest_row_is_shown(data_dir: Path) -> None:
    old, new = NOON, NOON + 60
    for name, title, as_of in (("films", "New", new), ("shows", "Old", old)):
        batch = download(data_dir, {"/movie/9": movie(9)}, name)
        store(data_dir, batch, "/movie/1", movie(1), as_of)  # belongs to none: says nothing
        store(data_dir, batch, "/movie/9", movie(9, title=title), as_of)
        make_tables(data_dir, batch)

    report = refresh_catalog(data_dir)

    assert ask(report.path, "SELECT title, list FROM movies") == [("New", "films")]
    assert ask(report.path, "SELECT list FROM outcomes") == [("films",)]
    assert report.superseded == 2  # an outcome and a movie


def test_new_batches_show_without_a_refresh(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    path = refresh_catalog(data_dir).path

    made(data_dir, {"/movie/2": movie(2)})

    assert ask(path, "SELECT count(*) FROM movies") == [(2,)]


def test_who_reads_is_not_disturbed_by_a_refresh(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    path = refresh_catalog(data_dir).path

    with duckdb.connect(str(path), read_only=True) as reader:
        made(data_dir, {"/person/2": {"id": 2}})
        before = reader.execute("SELECT count(*) FROM people").fetchall()
        report = refresh_catalog(data_dir)
        after = reader.execute("SELECT count(*), (SELECT count(*) FROM movies) FROM people")

        assert (before, after.fetchall()) == ([(0,)], [(0, 1)])
    assert report.rows["people"] == 1
    assert ask(path, "SELECT count(*) FROM people") == [(1,)]


def test_only_one_refreshes_at_a_time(data_dir: Path) -> None:
    (data_dir / "tables").mkdir(parents=True)

    with (
        exclusive(data_dir / "tables" / ".lock", 1.0),
        pytest.raises(BatchBusyError, match="held"),
    ):
        refresh_catalog(data_dir, wait_seconds=0.0)


def test_leftovers_go_with_the_next_refresh(data_dir: Path) -> None:
    (data_dir / "tables").mkdir(parents=True)
    (data_dir / "tables" / ".tmp-1-x").touch()
    (data_dir / "tables" / ".tmp-1-x.wal").touch()

    refresh_catalog(data_dir)

    left = {path.name for path in (data_dir / "tables").iterdir()}
    assert left == {"catalog.duckdb", ".lock"}


def test_tables_of_a_newer_version_are_named(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1)})
    before = refresh_catalog(data_dir).path.read_bytes()
    record = report.folder / "tables.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 99}))

    with pytest.raises(NewerTablesError, match="films-0001"):
        refresh_catalog(data_dir)

    assert catalog_path(data_dir).read_bytes() == before


def test_tables_of_an_older_version_are_shown_as_far_as_they_go(data_dir: Path) -> None:
    made(data_dir, {"/movie/1": movie(1)})
    report = made(data_dir, {"/movie/2": movie(2)})
    table, record = report.folder / "movies.parquet", report.folder / "tables.json"
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE old AS SELECT url, id, batch FROM read_parquet(?)", [str(table)]
        )
        connection.execute(f"COPY old TO '{table}' (FORMAT parquet)")
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 0}))

    refreshed = refresh_catalog(data_dir)

    assert refreshed.outdated == 1
    assert ask(refreshed.path, "SELECT id, title FROM movies ORDER BY id") == [
        *((1, "Film 1"), (2, None))
    ]


# --- when it is made anew -------------------------------------------------------------------------


def test_without_tables_there_is_none(data_dir: Path) -> None:
    assert current_catalog(data_dir) is None
    assert not data_dir.exists()


@pytest.fixture
def fresh(data_dir: Path) -> CatalogReport:
    made(data_dir, {"/movie/1": movie(1)})
    return refresh_catalog(data_dir)


def is_made_anew(data_dir: Path) -> bool:
    before = catalog_path(data_dir).stat().st_ino if catalog_path(data_dir).exists() else 0
    path = current_catalog(data_dir)
    return path is None or path.stat().st_ino != before


@pytest.mark.usefixtures("fresh")
def test_one_that_is_up_to_date_stays(data_dir: Path) -> None:
    assert not is_made_anew(data_dir)


@pytest.mark.usefixtures("fresh")
def test_a_new_batch_makes_it_stale(data_dir: Path) -> None:
    made(data_dir, {"/movie/2": movie(2)})

    assert is_made_anew(data_dir)
    assert not is_made_anew(data_dir)


def test_a_batch_that_went_away_makes_it_stale(data_dir: Path, fresh: CatalogReport) -> None:
    made(data_dir, {"/movie/2": movie(2)}, "shows")
    refresh_catalog(data_dir)

    remove_tables(data_dir, "films-0001")

    assert is_made_anew(data_dir)
    assert ask(fresh.path, "SELECT id FROM movies") == [(2,)]


@pytest.mark.parametrize("content", [None, b"", b"no database" * 999])
def test_one_that_cannot_be_read_is_made_anew(
    data_dir: Path, fresh: CatalogReport, content: bytes | None
) -> None:
    fresh.path.unlink()
    if content is not None:
        fresh.path.write_bytes(content)

    assert is_made_anew(data_dir)
    assert ask(fresh.path, "SELECT id FROM movies") == [(1,)]


def test_one_of_another_version_is_made_anew(data_dir: Path, fresh: CatalogReport) -> None:
    with duckdb.connect(str(fresh.path)) as connection:
        connection.execute("UPDATE about SET value = '0.0.0' WHERE name = 'version'")

    assert is_made_anew(data_dir)
    assert about(fresh.path)["version"] != "0.0.0"


@pytest.mark.usefixtures("fresh")
def test_a_folder_that_moved_gets_one_of_its_own_path(data_dir: Path) -> None:
    moved = data_dir.parent / "moved [1]"
    shutil.move(data_dir, moved)

    path = current_catalog(moved)

    assert path is not None
    assert about(path)["data_folder"] == str(moved)
    assert ask(path, "SELECT id FROM movies") == [(1,)]


@pytest.mark.usefixtures("fresh")
def test_a_link_that_leads_out_of_the_data_is_refused(data_dir: Path) -> None:
    shutil.move(data_dir / "tables", data_dir.parent / "elsewhere")
    (data_dir / "tables").symlink_to(data_dir.parent / "elsewhere")

    for look in (refresh_catalog, current_catalog):
        with pytest.raises(StoreError, match="leads out of"):
            look(data_dir)

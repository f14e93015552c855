"""The command `tables`: what it makes, what it leaves, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tables.made_tables import download, movie
from tmdb_assets.batch_lock import BatchLock
from tmdb_assets.receipt import batch_folder
from tmdb_assets.tables.catalog import catalog_path
from tmdb_assets.tables.record import tables_folder

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder with two lists that have no tables yet."""
    data_dir = tmp_path / "data"
    for name in ("films", "more"):
        download(data_dir, {"/movie/1": movie(1), "/movie/2": movie(2)}, name)
    monkeypatch.setenv("TMDB_DATA_DIR", str(data_dir))
    return data_dir


def test_tables_that_are_missing_are_made_and_what_is_current_stays(
    tmdb_assets: Command, data_dir: Path
) -> None:
    first, second = tmdb_assets("tables"), tmdb_assets("tables")

    assert (first[0], "2 batches made" in first[1]) == (0, True)
    assert (second[0], "0 batches made" in second[1]) == (0, True)
    assert catalog_path(data_dir).is_file()


def test_only_the_list_that_is_named_is_looked_at(tmdb_assets: Command, data_dir: Path) -> None:
    code, out, _ = tmdb_assets("tables", "films")

    assert (code, "1 batches made" in out) == (0, True)
    assert not tables_folder(data_dir, "more-0001").exists()
    assert tmdb_assets("tables", "nothing")[0] == 2


def test_a_batch_that_was_never_begun_is_passed_over(tmdb_assets: Command, data_dir: Path) -> None:
    for path in batch_folder(data_dir, "more-0001").iterdir():
        path.unlink()
    batch_folder(data_dir, "more-0001").rmdir()

    code, out, err = tmdb_assets("tables")

    assert (code, "1 batches made" in out, err) == (0, True, "")


def test_a_batch_that_is_being_downloaded_is_named_and_the_others_are_made(
    tmdb_assets: Command, data_dir: Path
) -> None:
    with BatchLock(batch_folder(data_dir, "films-0001"), "films-0001", "run-7"):
        code, out, err = tmdb_assets("tables")

    assert (code, "1 batches made" in out, "films-0001" in err) == (1, True, True)


def test_tables_of_a_newer_version_are_named_with_the_remedy(
    tmdb_assets: Command, data_dir: Path
) -> None:
    tmdb_assets("tables")
    path = tables_folder(data_dir, "films-0001") / "tables.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))

    code, _, err = tmdb_assets("tables")

    assert code == 2
    assert "update" in err


def test_odd_values_are_told(
    tmdb_assets: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download(tmp_path / "other", {"/movie/1": movie(1, runtime="long")})
    monkeypatch.setenv("TMDB_DATA_DIR", str(tmp_path / "other"))

    assert "films-0001: 1 odd values" in tmdb_assets("tables")[2]


def test_a_damaged_list_is_named_and_the_others_are_made(
    tmdb_assets: Command, data_dir: Path
) -> None:
    (data_dir / "batches/films/list.json").write_text("{")

    code, out, err = tmdb_assets("tables")

    assert code == 2
    assert "list films: " in err
    assert "1 batches made" in out


def test_a_batch_whose_tables_cannot_be_written_is_named_and_the_others_are_made(
    tmdb_assets: Command, data_dir: Path
) -> None:
    (tables_folder(data_dir, "films-0001") / "movies.parquet").mkdir(parents=True)

    code, _, err = tmdb_assets("tables")

    assert code == 2
    assert "batch films-0001: " in err
    assert (tables_folder(data_dir, "more-0001") / "movies.parquet").is_file()

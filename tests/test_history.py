"""What earlier bodies leave: hard links with the moment in their names, and nothing outside."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.store.stored_batches import BATCH, names
from tmdb_assets.errors import StoreError
from tmdb_assets.history import keep, older_than
from tmdb_assets.receipt import batch_folder

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """Return a body in the folder of its batch."""
    folder = batch_folder(tmp_path, BATCH)
    folder.mkdir(parents=True)
    path = folder / "movie-550-1f0c9a2b3c4d.json"
    path.write_bytes(b'{"id":550}')
    return path


def kept(data_dir: Path) -> Path:
    return data_dir / "history" / "films" / BATCH


def test_a_body_is_kept_under_the_moment_it_is_of_and_nothing_is_copied(
    tmp_path: Path, body: Path
) -> None:
    keep(tmp_path, body, NOON + 0.9)

    assert names(kept(tmp_path)) == {"movie-550-1f0c9a2b3c4d-20260301T120000Z.json"}
    (path,) = kept(tmp_path).iterdir()
    assert path.samefile(body)
    body.with_name("new").write_bytes(b"{}")
    body.with_name("new").replace(body)
    assert path.read_bytes() == b'{"id":550}'


def test_keeping_again_is_the_same_as_once(tmp_path: Path, body: Path) -> None:
    keep(tmp_path, body, NOON)
    keep(tmp_path, body, NOON)
    keep(tmp_path, body, NOON + DAY)

    assert names(kept(tmp_path)) == {
        "movie-550-1f0c9a2b3c4d-20260301T120000Z.json",
        "movie-550-1f0c9a2b3c4d-20260302T120000Z.json",
    }
    assert body.stat().st_nlink == 3


def test_what_is_older_is_told_in_order_and_the_rest_is_not(tmp_path: Path, body: Path) -> None:
    for day in (0, 2, 1):
        keep(tmp_path, body, NOON + day * DAY)

    assert [path.name[-21:] for path in older_than(tmp_path, BATCH, NOON + 2 * DAY)] == [
        "20260301T120000Z.json",
        "20260302T120000Z.json",
    ]
    assert list(older_than(tmp_path, BATCH, NOON)) == []
    assert len(list(older_than(tmp_path, BATCH, NOON + 1))) == 1


def test_without_a_history_nothing_is_older_and_no_folder_is_made(tmp_path: Path) -> None:
    assert list(older_than(tmp_path, BATCH, NOON)) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_of_ours_is_never_named(tmp_path: Path, body: Path) -> None:
    keep(tmp_path, body, NOON)
    for name in (
        *("movie-1-20261301T120000Z.json", "movie-1-20260230T120000Z.json", "notes.txt"),
        *("20200101T000000Z.json", "movie-1-20200101T000000Z.json.bak", "Movie-1.json"),
        *("movie-1-20200101T000000.json", "MOVIE-1-20200101T000000Z.json"),
    ):
        (kept(tmp_path) / name).touch()

    assert [path.name for path in older_than(tmp_path, BATCH, NOON + DAY)] == [
        "movie-550-1f0c9a2b3c4d-20260301T120000Z.json"
    ]


def test_a_link_in_the_place_of_an_earlier_body_is_replaced_and_not_followed(
    tmp_path: Path, body: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    kept(tmp_path).mkdir(parents=True)
    path = kept(tmp_path) / "movie-550-1f0c9a2b3c4d-20260301T120000Z.json"
    path.symlink_to(outside)

    keep(tmp_path, body, NOON)

    assert outside.read_bytes() == b"mine"
    assert path.samefile(body)
    assert not path.is_symlink()


@pytest.mark.parametrize("place", ["history", "history/films", f"history/films/{BATCH}"])
def test_nothing_is_kept_or_looked_for_behind_a_link_that_leads_out(
    tmp_path: Path, body: Path, place: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    data_dir = body.parents[3]
    (data_dir / "data").mkdir()
    inner = data_dir / "data" / "responses" / "films" / BATCH / body.name
    inner.parent.mkdir(parents=True)
    os.link(body, inner)
    link = data_dir / "data" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)

    with pytest.raises(StoreError, match="leads out of"):
        keep(data_dir / "data", inner, NOON)
    with pytest.raises(StoreError, match="leads out of"):
        list(older_than(data_dir / "data", BATCH, NOON))
    assert list(elsewhere.iterdir()) == []


def test_a_folder_in_the_place_of_an_earlier_body_is_named(tmp_path: Path, body: Path) -> None:
    (kept(tmp_path) / "movie-550-1f0c9a2b3c4d-20260301T120000Z.json").mkdir(parents=True)

    with pytest.raises(StoreError, match="20260301T120000Z"):
        keep(tmp_path, body, NOON)
    assert body.read_bytes() == b'{"id":550}'


def test_a_body_that_is_not_there_cannot_be_kept(tmp_path: Path, body: Path) -> None:
    body.unlink()

    with pytest.raises(StoreError):
        keep(tmp_path, body, NOON)

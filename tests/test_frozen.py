"""How batches are loaded, and what is refused: altered, lost, damaged, unknown."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tmdb_assets.batches import add, list_of, load, plan, read_list
from tmdb_assets.errors import BatchError
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"TMDB_DATA_DIR": str(tmp_path / "data")})


def written(folder: Path, number: int) -> Path:
    path = folder / "movies.txt"
    path.write_text(f"/movie/{number}\n")
    return path


def record(settings: Settings) -> Path:
    return settings.data_dir / "batches" / "movies" / "list.json"


@pytest.mark.parametrize(
    ("batch", "name"),
    [("a-0001", "a"), ("a-0001-0002", "a-0001"), ("a.b_c-12345", "a.b_c"), ("0-0001", "0")],
)
def test_a_batch_names_its_list(batch: str, name: str) -> None:
    assert list_of(batch) == name


@pytest.mark.parametrize(
    "batch",
    [
        "",
        "a",
        "a-1",
        "-0001",
        "A-0001",
        "a-0001\n",
        "a-\u0660\u0660\u0660\u0661",
        "../a-0001",
        "a/b-0001",
        "a..b-0001",
        "x" * 81 + "-0001",
        "a-0001.txt",
        "/etc/passwd",
    ],
)
def test_what_is_no_key_of_a_batch_is_refused(settings: Settings, batch: str) -> None:
    with pytest.raises(
        BatchError, match=r"is no name of a batch: .*`tmdb-assets status` shows all"
    ):
        load(settings.data_dir, batch)


def test_an_unknown_list_or_batch_says_how_to_list_them(tmp_path: Path, settings: Settings) -> None:
    add(written(tmp_path, 1), settings)

    with pytest.raises(BatchError, match=r"list 'movies' has no batch 'movies-0002': `tmdb-assets"):
        load(settings.data_dir, "movies-0002")
    with pytest.raises(BatchError, match=r"there is no list 'films' in '.*/data': `tmdb-assets st"):
        load(settings.data_dir, "films-0001")
    with pytest.raises(BatchError, match=r"there is no list '\.\./movies' in"):
        read_list(settings.data_dir, "../movies")


def test_an_altered_batch_is_refused_by_all(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path, 1)
    (batch,) = add(path, settings).all_batches
    file = record(settings).parent / f"{batch}.txt"
    file.write_text(file.read_text().replace("1", "2"))

    with pytest.raises(BatchError, match=r"0001\.txt' was altered after it was frozen: restore it"):
        load(settings.data_dir, batch)
    for act in (plan, add):
        with pytest.raises(BatchError, match="was altered"):
            act(path, settings)


def test_a_lost_batch_file_is_named(tmp_path: Path, settings: Settings) -> None:
    (batch,) = add(written(tmp_path, 1), settings).all_batches
    (record(settings).parent / f"{batch}.txt").unlink()

    with pytest.raises(BatchError, match=r"batch 'movies-0001' has lost '.*0001\.txt': restore it"):
        load(settings.data_dir, batch)


def changed(found: dict[str, Any], **changes: object) -> bytes:
    return json.dumps(found | changes).encode()


def test_a_record_of_a_newer_format_asks_for_an_update(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path, 1)
    (batch,) = add(path, settings).all_batches
    record(settings).write_bytes(changed(json.loads(record(settings).read_bytes()), format=3, x=1))

    with pytest.raises(BatchError, match=r"has format 3, newer than 2: update tmdb-assets"):
        load(settings.data_dir, batch)


def test_a_damaged_record_is_refused_and_kept(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path, 1)
    (batch,) = add(path, settings).all_batches
    found = json.loads(record(settings).read_bytes())
    (good,) = found["batches"]
    damaged = [
        b"",
        b"{",
        b"[]",
        b"\xff",
        changed({}),
        changed(found, format="1"),
        changed(found, name="films"),
        changed(found, extra=1),
        changed(found, sources=[{}]),
        changed(found, batches=[good | {"urls": "1"}]),
        changed(found, batches=[good | {"name": "../../x-0001"}]),
        changed(found, batches=[good | {"name": "movies-0002"}]),
    ]

    for content in damaged:
        record(settings).write_bytes(content)
        with pytest.raises(BatchError, match=r"list\.json' is damaged: restore it from a backup"):
            load(settings.data_dir, batch)
        with pytest.raises(BatchError, match="is damaged"):
            add(path, settings)

    assert record(settings).read_bytes() == damaged[-1]


def test_two_urls_with_one_file_name_are_refused(tmp_path: Path, settings: Settings) -> None:
    # a record that fits a file with a URL twice stands for a collision of digests
    (batch,) = add(written(tmp_path, 1), settings).all_batches
    file = record(settings).parent / f"{batch}.txt"
    file.write_bytes(file.read_bytes() * 2)
    found = json.loads(record(settings).read_bytes())
    found["batches"][0]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    record(settings).write_bytes(json.dumps(found).encode())

    with pytest.raises(BatchError, match="has two URLs with one file name: split its list"):
        load(settings.data_dir, batch)

"""What is refused of the watched folder: what is too large, and what is told until it is mended."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.url_lists import ODD, dropped, empty_folder, same_stamp
from tmdb_assets.errors import StoreError, UrlListError
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment
from tmdb_assets.watched import (
    MAX_BYTES,
    MAX_PACKED_BYTES,
    Refused,
    Version,
    check_size,
    note_refused,
    refused_files,
)

folder = pytest.fixture(empty_folder)


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return from_environment(
        {"TMDB_DATA_DIR": str(tmp_path / "data"), "TMDB_URL_LISTS_DIR": str(folder)}
    )


# --- how large it may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "most"),
    [("films.txt", MAX_BYTES), ("films.txt.gz", MAX_PACKED_BYTES), ("my.gz.txt", MAX_BYTES)],
)
def test_a_file_is_refused_from_the_first_byte_too_many(folder: Path, name: str, most: int) -> None:
    path = dropped(folder, name, "")
    os.truncate(path, most)
    check_size(path)
    os.truncate(path, most + 1)

    with pytest.raises(UrlListError) as caught:
        check_size(path)

    assert str(caught.value) == (
        f"{str(path)!r} has {most + 1:,} bytes, more than the {most:,} that fit into a tick: "
        "take it with `tmdb-assets add`, or split it"
    )


def test_a_file_that_went_away_has_no_size(folder: Path) -> None:
    with pytest.raises(UrlListError, match=r"'.*/films\.txt' cannot be read: No such file or dir"):
        check_size(folder / "films.txt")


def test_the_remedy_for_a_large_file_of_an_odd_name_can_be_printed(folder: Path) -> None:
    path = dropped(folder, ODD, "")
    os.truncate(path, MAX_BYTES + 1)

    with pytest.raises(UrlListError) as caught:
        check_size(path)

    assert str(caught.value).encode()


# --- what was refused ---------------------------------------------------------------------------


def version_of(path: Path) -> Version:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def refuse(path: Path, reason: str = "no URL in it: write some") -> Refused:
    return Refused(path.name, version_of(path), reason)


def record(settings: Settings) -> Path:
    return settings.data_dir / "refused_lists.json"


@pytest.mark.parametrize("name", ["films.txt", "ünï.txt", ODD, "a b\n.txt", '"`$().txt'])
def test_what_was_refused_is_told_until_it_is_dealt_with(
    folder: Path, settings: Settings, name: str
) -> None:
    refused = refuse(dropped(folder, name), reason=f"{name!r} ✗")
    before = refused_files(settings)

    note_refused(settings, [refused], [])

    assert before == ()
    assert refused_files(settings) == (refused,)
    assert refused_files(settings) == (refused,)


def test_refused_files_are_gathered_from_look_to_look(folder: Path, settings: Settings) -> None:
    first, second = refuse(dropped(folder, "b.txt")), refuse(dropped(folder, "a.txt"))

    note_refused(settings, [first], [])
    note_refused(settings, iter([second]), iter(["films.txt"]))

    assert {*refused_files(settings)} == {first, second}


def test_a_file_that_is_refused_once_more_has_its_last_reason_only(
    folder: Path, settings: Settings
) -> None:
    path = dropped(folder)
    note_refused(settings, [refuse(path, "too large")], [])
    path.write_text("nonsense")

    note_refused(settings, [refuse(path, "no URL")], [])

    assert refused_files(settings) == (refuse(path, "no URL"),)


def test_what_was_taken_at_last_is_refused_no_more(folder: Path, settings: Settings) -> None:
    kept, mended = refuse(dropped(folder, "a.txt")), refuse(dropped(folder, "b.txt"))
    note_refused(settings, [kept, mended], [])

    note_refused(settings, [], ["b.txt"])

    assert refused_files(settings) == (kept,)


def grown(path: Path) -> None:
    path.write_text("/movie/1\n/movie/2\n")


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def replaced(path: Path) -> None:
    other = dropped(path.parent, "new", path.read_text())
    same_stamp(other, path.stat())
    other.replace(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": grown,
    "touched": touched,
    "replaced": replaced,
    "gone": Path.unlink,
    "renamed": lambda path: path.rename(path.with_name("other.txt")),
    "folder": as_folder,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_as_it_was_when_it_was_refused_is_forgotten(
    folder: Path, settings: Settings, change: Callable[[Path], object]
) -> None:
    kept = refuse(dropped(folder, "kept.txt"))
    note_refused(settings, [kept, refuse(dropped(folder))], [])

    change(folder / "films.txt")

    assert refused_files(settings) == (kept,)
    note_refused(settings, [], [])
    assert b"films.txt" not in record(settings).read_bytes()


def test_the_record_says_its_format_and_when_it_was_written(
    folder: Path, settings: Settings
) -> None:
    refused = refuse(dropped(folder))
    note_refused(settings, [refused], [])

    found = json.loads(record(settings).read_bytes())

    assert next(iter(found)) == "format"
    assert found["format"] == 1
    assert found["written_at"] > 1_600_000_000
    assert found["files"] == [
        {"file": "films.txt", "version": [*refused.version], "reason": refused.reason, "lines": 0}
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b"\0" * 400, b"[" * 5000),
        *(b"{}", b'{"files": 7}', b'{"files": null}', b'{"files": [7]}', b'{"files": ["x"]}'),
        *(
            b'{"files": {"a": 1}}',
            b'{"format": 1, "files": [{}]}',
            b'{"format": 1, "files": [{"file": "a.txt"}]}',
        ),
        b'{"format": 1, "files": [{"file": "a.txt", "version": [1, 2], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": ["x", 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": null, "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": [NaN, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a\\u0000b", "version": [1, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "\\ud800", "version": [1, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "'
        + b"a" * 5000
        + b'", "version": [1, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": [1e400, 2, 3], "reason": ""}]}',
    ],
)
def test_a_record_that_is_none_is_empty_and_is_written_anew(
    folder: Path, settings: Settings, content: bytes
) -> None:
    refused = refuse(dropped(folder))
    record(settings).write_bytes(content)

    before = refused_files(settings)
    note_refused(settings, [refused], [])

    assert before == ()
    assert refused_files(settings) == (refused,)


def test_a_record_that_cannot_be_read_is_named(settings: Settings) -> None:
    record(settings).mkdir()

    with pytest.raises(StoreError, match=r"cannot use '.*/refused_lists\.json': Is a directory"):
        refused_files(settings)


def test_the_first_file_of_a_project_can_be_refused(folder: Path, settings: Settings) -> None:
    settings.data_dir.rmdir()
    refused = refuse(dropped(folder))

    note_refused(settings, [refused], [])

    assert refused_files(settings) == (refused,)

import errno
import gzip
import os
from pathlib import Path

import pytest

from tmdb_assets.errors import StoreError
from tmdb_assets.sources.list_file import PREVIEW, writing

URL = "https://api.themoviedb.org/3/movie/{}"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, count: int) -> None:
    with writing(path) as lines:
        for number in range(count):
            lines.add(URL.format(number))
        assert lines.count == count
        assert lines.first == [URL.format(number) for number in range(min(count, PREVIEW))]


@pytest.mark.parametrize("count", [1, 4095, 4096, 9000])
def test_all_lines_come_in_order_and_nothing_else_stays(tmp_path: Path, count: int) -> None:
    write(tmp_path / "list.txt", count)

    text = (tmp_path / "list.txt").read_text()
    assert text == "".join(f"{URL.format(number)}\n" for number in range(count))
    assert names(tmp_path) == ["list.txt"]


def test_a_name_that_ends_in_gz_makes_it_packed(tmp_path: Path) -> None:
    write(tmp_path / "list.txt.gz", 5000)

    lines = gzip.decompress((tmp_path / "list.txt.gz").read_bytes()).splitlines()
    assert len(lines) == 5000


def test_what_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("before\n")

    def break_off() -> None:
        with writing(path) as lines:
            lines.add(URL)
            raise KeyError

    with pytest.raises(KeyError):
        break_off()

    assert path.read_text() == "before\n"
    assert names(tmp_path) == ["list.txt"]


def test_an_empty_list_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("before\n")

    write(path, 0)
    write(tmp_path / "other.txt", 0)

    assert path.read_text() == "before\n"
    assert names(tmp_path) == ["list.txt"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere/list.txt", "its folder does not exist: name another file"),
        (".", "something is there that is no file: name another file"),
        ("a\0b", "embedded null byte"),
        ("a" * 300, "File name too long: name another file"),
    ],
)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(StoreError) as caught:
        write(tmp_path / name, 1)

    assert words in str(caught.value)


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(StoreError, match="something is there that is no file"):
        write(Path("/dev/null"), 1)


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz"])
def test_a_full_disk_is_named_and_leaves_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=f"{name}': No space left on device: name another file"):
        write(tmp_path / name, 10)

    assert names(tmp_path) == []

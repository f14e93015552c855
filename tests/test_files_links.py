"""A symbolic link is never followed at the end of a path, nor out of the data folder."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.stored_batches import fetch, frozen, in_time
from tmdb_assets.errors import StoreError
from tmdb_assets.files import (
    exclusive,
    is_held,
    read_file,
    remove,
    storing,
    within,
    write_whole,
)
from tmdb_assets.verification import verify_batch


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """Return a link to a file that nobody may touch."""
    (tmp_path / "outside").write_bytes(b"not ours")
    (tmp_path / "link").symlink_to("outside")
    return tmp_path / "link"


def test_a_link_is_neither_read_nor_locked(tmp_path: Path, link: Path) -> None:
    nowhere = tmp_path / "nowhere"
    (tmp_path / "dangling").symlink_to(nowhere)

    for path in (link, tmp_path / "dangling"):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            read_file(path)
        with pytest.raises(StoreError, match=r"a symbolic link there is not followed: remove it"):
            exclusive(path, 0).__enter__()
        with pytest.raises(StoreError, match=r"a symbolic link there is not followed: remove it"):
            is_held(path)

    assert not nowhere.exists()
    assert (tmp_path / "outside").read_bytes() == b"not ours"


def test_a_link_is_replaced_by_what_is_written_and_removed_by_itself(
    tmp_path: Path, link: Path
) -> None:
    write_whole(link, b"new")
    assert (link.is_symlink(), link.read_bytes()) == (False, b"new")

    link.unlink()
    link.symlink_to("outside")
    remove(link)

    assert {path.name for path in tmp_path.iterdir()} == {"outside"}
    assert (tmp_path / "outside").read_bytes() == b"not ours"


OBSTACLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "[Dd]irectory"),
    "pipe": (os.mkfifo, "not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "symbolic links"),
}


@pytest.mark.parametrize(("obstruct", "words"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_is_no_regular_file_is_not_read_and_nothing_waits(
    tmp_path: Path, obstruct: Callable[[Path], object], words: str
) -> None:
    obstruct(tmp_path / "file")

    with in_time(5), pytest.raises(OSError, match=words):
        read_file(tmp_path / "file")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device to read from")
def test_a_device_is_not_read() -> None:
    with in_time(5), pytest.raises(OSError, match="not a regular file"):
        read_file(Path("/dev/zero"))


# --- links out of the data folder -----------------------------------------------------------------


def test_a_path_within_stays_within_and_its_root_may_be_a_link(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to("root")
    (root / "to inside").symlink_to("inside")

    assert within(root, "inside", "file") == root / "inside" / "file"
    assert within(tmp_path / "link", "inside") == tmp_path / "link" / "inside"
    assert within(root, "to inside", "file") == root / "to inside" / "file"
    assert within(tmp_path / "nowhere", "a", "b") == tmp_path / "nowhere" / "a" / "b"
    assert within(root) == root


@pytest.mark.parametrize("to", ["..", "../root-2", "/", "../nowhere", "inside/../.."])
def test_a_path_that_leads_out_is_refused_with_the_remedy(tmp_path: Path, to: str) -> None:
    root = tmp_path / "root"
    for name in ("root/inside", "root-2"):
        (tmp_path / name).mkdir(parents=True)
    (root / "link").symlink_to(to)

    for names in (("link",), ("link", "file")):
        with pytest.raises(
            StoreError, match=r"/root/link.*' leads out of '.*/root': remove the symbolic link th"
        ):
            within(root, *names)


def test_links_that_lead_to_each_other_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")

    with pytest.raises(StoreError, match=r"symbolic link there"):
        read_file_of(within(tmp_path, "one", "file"))


def read_file_of(path: Path) -> bytes:
    with storing(path):
        return read_file(path)


def test_the_data_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    (batch,) = frozen(tmp_path / "data")

    folder = fetch(tmp_path / "data", batch)

    assert (folder / "receipt.json").exists()
    assert verify_batch(tmp_path / "data", batch).findings == ()


@pytest.mark.parametrize(
    "place",
    ["batches", "batches/films", "responses", "responses/films", "responses/films/films-0001"],
)
def test_no_folder_of_ours_may_be_a_link_that_leads_out(tmp_path: Path, place: str) -> None:
    data_dir, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (data_dir / place).parent.mkdir(parents=True)
    (data_dir / place).symlink_to(elsewhere)

    with pytest.raises(StoreError, match=r"leads out of '.*/data': remove the symbolic link there"):
        fetch(data_dir, *frozen(data_dir))

    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["list.json", "films-0001.txt"])
def test_no_frozen_file_may_be_a_link(tmp_path: Path, name: str) -> None:
    (batch,) = frozen(tmp_path / "data")
    path = tmp_path / "data" / "batches" / "films" / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match=rf"cannot use '.*/{name}': .*: a symbolic link there is"):
        fetch(tmp_path / "data", batch)

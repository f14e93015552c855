"""Lists as a whole: a batch that cannot be read is a finding, and the others are looked at."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.store.stored_batches import fetch, frozen, in_time, tree
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.verification import Flaw, repair, strangers, verify_list


def summary(data_dir: Path, name: str) -> Iterator[tuple[str, int, list[Flaw]]]:
    for one in verify_list(data_dir, name):
        yield one.batch, one.pending, [finding.flaw for finding in one.findings]


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Return a data folder with a list of three batches, two of them fetched."""
    data_dir = tmp_path / "data"
    for batch in frozen(data_dir, count=300)[:2]:
        fetch(data_dir, batch)
    return data_dir


def test_every_batch_of_a_list_is_looked_at(three: Path) -> None:
    assert [*summary(three, "films")] == [
        ("films-0001", 0, []),
        ("films-0002", 0, []),
        ("films-0003", 100, []),
    ]


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGED: dict[str, Callable[[Path], object]] = {
    "altered": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "lost": Path.unlink,
    "folder": as_folder,
    "pipe": as_pipe,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_batch_that_is_not_what_was_frozen_is_named_and_the_others_are_looked_at(
    three: Path, damage: Callable[[Path], object]
) -> None:
    damage(three / "batches" / "films" / "films-0001.txt")

    with in_time(5):
        found = [*summary(three, "films")]

    assert found == [
        ("films-0001", 100, [Flaw.DAMAGED]),
        ("films-0002", 0, []),
        ("films-0003", 100, []),
    ]
    with pytest.raises((BatchError, StoreError), match=r"films-0001\.txt"):
        repair(three, "films-0001")


def test_of_a_batch_that_cannot_be_looked_at_no_url_counts_as_having_an_outcome(
    three: Path,
) -> None:
    (three / "batches" / "films" / "films-0001.txt").unlink()
    (three / "responses" / "films" / "strange").mkdir()

    found = [(one.batch, one.urls, one.without_outcome) for one in verify_list(three, "films")]

    assert found == [
        ("films-0001", 100, 100),
        ("films-0002", 100, 0),
        ("films-0003", 100, 100),
        ("films", 0, 0),
    ]


def newer(folder: Path) -> None:
    path = folder / "outcomes.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"format":2', b'"format":3'))


def leads_out(folder: Path) -> None:
    shutil.move(folder, folder.parents[3] / "elsewhere")
    folder.symlink_to(folder.parents[3] / "elsewhere")


BROKEN: dict[str, Callable[[Path], object]] = {
    "newer outcomes": newer,
    "outcomes are a folder": lambda folder: as_folder(folder / "outcomes.jsonl"),
    "outcomes are a pipe": lambda folder: as_pipe(folder / "outcomes.jsonl"),
    "the receipt is a folder": lambda folder: as_folder(folder / "receipt.json"),
    "the receipt is a pipe": lambda folder: as_pipe(folder / "receipt.json"),
    "the folder is a file": lambda folder: (shutil.rmtree(folder), folder.touch()),
    "the folder leads out": leads_out,
    "the folder leads to itself": lambda folder: (shutil.rmtree(folder), folder.symlink_to(folder)),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_batch_whose_files_cannot_be_read_is_named_and_the_others_are_looked_at(
    three: Path, broken: Callable[[Path], object]
) -> None:
    broken(three / "responses" / "films" / "films-0001")
    before = tree(three)

    with in_time(5):
        found = [*summary(three, "films")]

    assert [(batch, bool(flaws)) for batch, _, flaws in found] == [
        ("films-0001", True),
        ("films-0002", False),
        ("films-0003", False),
    ]
    assert tree(three) == before


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\0" * 99, b"[" * 5000])
def test_a_damaged_list_is_refused_with_the_remedy(three: Path, content: bytes) -> None:
    (three / "batches" / "films" / "list.json").write_bytes(content)

    with pytest.raises(BatchError, match=r"list\.json' is damaged: restore it from a backup, or"):
        next(verify_list(three, "films"))
    with pytest.raises(BatchError, match="there is no list 'flims'"):
        next(verify_list(three, "flims"))


def test_what_belongs_to_no_batch_of_a_list_is_foreign(three: Path) -> None:
    (three / "responses" / "films" / "films-0009").mkdir()
    (three / "responses" / "films" / ".DS_Store").touch()

    *_, last = verify_list(three, "films")

    assert (last.batch, last.urls, last.bodies, last.pending) == ("films", 0, 0, 0)
    assert [(one.flaw, one.what) for one in last.findings] == [
        (Flaw.FOREIGN, ".DS_Store"),
        (Flaw.FOREIGN, "films-0009"),
    ]


def test_responses_without_a_list_are_strangers(three: Path, tmp_path: Path) -> None:
    nothing = [*strangers(three)], [*strangers(tmp_path / "nowhere")]
    shutil.move(three / "batches" / "films", tmp_path / "moved")
    (three / "responses" / "x\ny").touch()

    found = [(one.batch, one.flaw, one.what) for one in strangers(three)]

    assert nothing == ([], [])
    assert found == [
        ("responses", Flaw.FOREIGN, "films"),
        ("responses", Flaw.FOREIGN, r"x\ny"),
    ]

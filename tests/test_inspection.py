"""What `inspect` says of a folder, for every way in which a file can be other than it should."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    FAILED,
    FETCHED,
    finished,
    in_time,
    lines,
    outcome_of,
    record,
    targets,
    tree,
)
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.inspection import Inspection, inspect
from tmdb_assets.outcomes import encode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore

CLEAN = Inspection(
    last={},
    missing=frozenset(),
    altered=frozenset(),
    unrecorded=frozenset(),
    unfinished=frozenset(),
    foreign=frozenset(),
    strange_outcomes=0,
    unreadable_lines=0,
    attempts=0,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished(tmp_path, targets(4))


def look(folder: Path) -> Inspection:
    """Inspect four targets; the outcomes themselves are left out."""
    found = inspect(folder, targets(4))
    return replace(found, last={}, attempts=0)


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert inspect(tmp_path / "nowhere", targets(2)) == CLEAN


def test_a_finished_batch_is_clean_and_the_last_outcomes_are_told(folder: Path) -> None:
    found = inspect(folder, targets(4))

    assert replace(found, last={}, attempts=0) == CLEAN
    assert found.last == {target.url: outcome_of(target) for target in targets(4)}
    assert found.attempts == 4
    assert not found.has_broken_bodies
    assert all(map(found.holds, found.last.values()))


def swap(path: Path) -> None:
    other = path.with_name("movie-2.json")
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def linked(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    (path.parent / ".tmp-true").write_bytes(content)
    path.symlink_to(".tmp-true")


ALTERATIONS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "a byte": lambda path: path.write_bytes(path.read_bytes().replace(b"title", b"tItle")),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "link to what would be right": linked,
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_a_body_that_is_not_what_was_fetched_is_altered(
    folder: Path, alter: Callable[[Path], object]
) -> None:
    alter(folder / "movie-1.json")

    with in_time(5):
        found = inspect(folder, targets(4))

    assert (found.altered, found.missing) == ({"movie-1"}, frozenset())
    assert found.has_broken_bodies
    assert [found.holds(found.last[target.url]) for target in targets(4)] == [
        *(True, False, True, True)
    ]


def test_bodies_that_changed_places_are_both_altered(folder: Path) -> None:
    swap(folder / "movie-1.json")

    assert look(folder) == replace(CLEAN, altered=frozenset({"movie-1", "movie-2"}))


def test_a_body_that_is_not_there_is_missing(folder: Path) -> None:
    (folder / "movie-3.json").unlink()

    assert look(folder) == replace(CLEAN, missing=frozenset({"movie-3"}))


@pytest.mark.parametrize("kind", [ABSENT, FAILED])
def test_a_body_whose_last_outcome_denies_it_is_unrecorded(folder: Path, kind: str) -> None:
    outcome = outcome_of(targets(4)[0], ABSENT if kind == ABSENT else FAILED)
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(encode(outcome))

    found = inspect(folder, targets(4))

    assert (found.unrecorded, found.altered) == ({"movie-0"}, frozenset())
    assert found.last[outcome.url] == outcome
    assert found.holds(outcome) == (kind == ABSENT)
    assert found.attempts == 5


def test_without_outcomes_every_body_is_unrecorded(folder: Path) -> None:
    (folder / "outcomes.jsonl").unlink()

    assert look(folder).unrecorded == {target.name for target in targets(4)}


def test_unfinished_and_foreign_names_are_told_apart(folder: Path) -> None:
    for name in (".tmp-movie-0", "movie-9.json", "notes.txt", ".#x", ".tmp", "receipt.json.bak"):
        (folder / name).touch()
    (folder / ".tmp-folder").mkdir()

    assert look(folder) == replace(
        CLEAN,
        unfinished=frozenset({".tmp-movie-0", ".tmp-folder"}),
        foreign=frozenset({"movie-9.json", "notes.txt", ".#x", ".tmp", "receipt.json.bak"}),
    )


def test_lines_that_say_nothing_are_counted_and_a_torn_one_is_not(folder: Path) -> None:
    first, second, third, fourth = lines(folder)
    other = encode(replace(outcome_of(targets(9)[8])))
    renamed = first.replace(b'"name":"movie-0"', b'"name":"movie-1"')
    content = (first, b"\0" * 99 + b"\n", second, third, other, renamed, b"\n", fourth, fourth[:-9])
    (folder / "outcomes.jsonl").write_bytes(b"".join(content))

    assert look(folder) == replace(CLEAN, strange_outcomes=2, unreadable_lines=2)


def test_a_newer_format_is_refused(folder: Path) -> None:
    newer = encode(outcome_of(targets(1)[0])).replace(b'"format":2', b'"format":3')
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(newer)

    with pytest.raises(BatchError, match="update this one"):
        inspect(folder, targets(4))


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("receipt.json"),
}


@pytest.mark.parametrize("obstruct", OBSTACLES.values(), ids=OBSTACLES)
def test_outcomes_that_are_no_file_are_refused_and_nothing_waits(
    folder: Path, obstruct: Callable[[Path], object]
) -> None:
    (folder / "outcomes.jsonl").unlink()
    obstruct(folder / "outcomes.jsonl")

    with in_time(5), pytest.raises(StoreError, match=r"cannot use '.*/films-0001.*': "):
        inspect(folder, targets(4))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc to count descriptors")
@pytest.mark.parametrize("name", ["movie-1.json", "outcomes.jsonl"])
@pytest.mark.parametrize("obstruct", OBSTACLES.values(), ids=OBSTACLES)
def test_what_is_no_file_costs_no_descriptor(
    folder: Path, name: str, obstruct: Callable[[Path], object]
) -> None:
    # a sensor looks every half a minute, for months
    (folder / name).unlink()
    obstruct(folder / name)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(5):
        try:
            inspect(folder, targets(4))
        except StoreError:
            continue

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_nothing_is_changed_by_looking_even_while_the_batch_is_written(tmp_path: Path) -> None:
    folder = batch_folder(tmp_path, BATCH)
    with BatchStore(tmp_path, BATCH, targets(4)) as store:
        for target in targets(2):
            record(store, target)
        (folder / ".tmp-movie-2").write_bytes(b"half")
        before = tree(tmp_path)

        found = inspect(folder, targets(4))

        assert tree(tmp_path) == before
    assert replace(found, last={}, attempts=0) == replace(
        CLEAN, unfinished=frozenset({".tmp-movie-2"})
    )
    assert {outcome.outcome for outcome in found.last.values()} == {FETCHED}

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.mutilations import (
    KINDS,
    OBSTACLES,
    Mutilation,
    blockages,
    blocked,
    cleared,
    damages,
    is_file,
    obstacles,
    outside,
    there,
    told_again,
)
from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    FAILED,
    FETCHED,
    body_of,
    finished,
    in_time,
    lines,
    outcome_of,
    record,
    targets,
    tree,
)
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.model import OutcomeKind
from tmdb_assets.outcomes import encode
from tmdb_assets.receipt import batch_folder, needs_download
from tmdb_assets.store import BatchStore

ALL = targets(len(KINDS))
TRUE_BODIES = {
    f"{target.name}.json": body_of(target)
    for target, kind in zip(ALL, KINDS, strict=True)
    if kind is FETCHED
}
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system that syncs at once, where there is one


@contextmanager
def place() -> Iterator[Path]:
    """Give a data folder, with a file beside it that nobody may touch."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        (Path(name) / "outside").write_bytes(b"not ours")
        yield Path(name) / "data"


def go_on(data_dir: Path, at_most: int = len(KINDS)) -> dict[str, object]:
    """Fetch up to so many pending targets, seal the batch if that is all; return the receipt."""
    with BatchStore(data_dir, BATCH, ALL) as store:
        for target in store.pending[:at_most]:
            record(store, target, KINDS[ALL.index(target)])
        if at_most < len(store.pending):
            return {}
        receipt: dict[str, object] = json.loads(store.seal(1.0).read_bytes())
        return receipt


def go_on_whatever_is_in_the_way(data_dir: Path) -> dict[str, object]:
    """Resume; where that is refused, as only an obstacle may, remove it and resume again."""
    folder = batch_folder(data_dir, BATCH)
    with in_time(10):
        if not obstacles(folder):
            return go_on(data_dir)
        try:
            return go_on(data_dir)
        except StoreError as error:
            said = str(error)
        assert str(folder) in said
        cleared(folder)
        return go_on(data_dir)


def foreign_files(folder: Path) -> dict[str, bytes]:
    ours = {"outcomes.jsonl", "receipt.json", ".lock", *(f"{one.name}.json" for one in ALL)}
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if is_file(path) and path.name not in ours and not path.name.startswith(".tmp-")
    }


def assert_ended_like_an_undisturbed_one(data_dir: Path, receipt: dict[str, object]) -> None:
    folder = batch_folder(data_dir, BATCH)
    with BatchStore(data_dir, BATCH, ALL) as store:
        assert store.pending == ()
        assert +store.counts == {FETCHED: 6, ABSENT: 2}
    files = {path.name: path for path in folder.iterdir() if is_file(path)}
    bodies = {f"{one.name}.json": files.get(f"{one.name}.json") for one in ALL}
    assert {name: path.read_bytes() for name, path in bodies.items() if path} == TRUE_BODIES
    assert (receipt["fetched"], receipt["absent"], receipt["failed"]) == (6, 2, 0)
    assert not needs_download(data_dir, BATCH)
    assert not [name for name in files if name.startswith(".tmp-")]
    assert lines(folder)[-1].endswith(b"\n")
    assert outside(folder).read_bytes() == b"not ours"


@settings(max_examples=300)
@given(
    done=st.integers(0, len(KINDS)),
    mishaps=st.lists(st.lists(damages, max_size=8), min_size=1, max_size=3),
)
def test_whatever_happened_to_its_files_a_batch_ends_like_an_undisturbed_one(
    done: int, mishaps: list[list[Mutilation]]
) -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir, at_most=done)
        for mutilated in mishaps:
            for mutilate in mutilated:
                mutilate(folder)
            foreign = foreign_files(folder)

            receipt = go_on(data_dir)

            assert foreign_files(folder) == foreign
            assert_ended_like_an_undisturbed_one(data_dir, receipt)


@settings(max_examples=200)
@given(
    done=st.integers(0, len(KINDS)),
    mutilated=st.lists(damages | blockages, max_size=6),
    blockage=blockages,
)
def test_whatever_is_in_the_way_a_batch_ends_so_or_says_what_to_remove(
    done: int, mutilated: list[Mutilation], blockage: Mutilation
) -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir, at_most=done)
        for mutilate in (*mutilated, blockage):
            mutilate(folder)
        foreign = foreign_files(folder)

        receipt = go_on_whatever_is_in_the_way(data_dir)

        assert foreign_files(folder) == foreign
        assert_ended_like_an_undisturbed_one(data_dir, receipt)


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("name", ["outcomes.jsonl", ".lock"])
def test_an_obstacle_that_nothing_can_be_known_for_is_refused_and_nothing_is_harmed(
    name: str, obstacle: str
) -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir)
        for mutilate in (there(".tmp-movie-0", b"half"), blocked(name, obstacle)):
            mutilate(folder)
        before = tree(data_dir.parent)

        with in_time(5), pytest.raises(StoreError, match=r"cannot use '.*films-0001.*': "):
            go_on(data_dir)

        assert tree(data_dir.parent) == before


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("name", ["movie-0.json", ".tmp-movie-0", ".tmp-x", "receipt.json"])
def test_a_link_or_a_pipe_in_the_way_is_replaced_and_a_folder_is_named(
    name: str, obstacle: str
) -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir)
        for mutilate in (told_again(0, FAILED), blocked(name, obstacle)):
            mutilate(folder)

        with in_time(5):
            if obstacle == "folder":
                with pytest.raises(StoreError, match="films-0001/") as caught:
                    go_on(data_dir)
                assert name in str(caught.value)
                cleared(folder)
            receipt = go_on(data_dir)

        assert_ended_like_an_undisturbed_one(data_dir, receipt)


def newer(data_dir: Path) -> None:
    folder = batch_folder(data_dir, BATCH)
    line = encode(outcome_of(ALL[0])).replace(b'"format":2', b'"format":3')
    (folder / "outcomes.jsonl").write_bytes(b"".join([*lines(folder), line]))


def test_outcomes_of_a_newer_format_are_refused_before_anything_is_removed() -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir)
        damage = (
            *(there(".tmp-movie-0", b"half"), there("movie-2.json", b"{}")),
            *(there("movie-1.json", b"{}"), told_again(3, FAILED)),
        )
        for mutilate in damage:
            mutilate(folder)
        newer(data_dir)
        with (folder / "outcomes.jsonl").open("ab") as file:
            file.write(b"torn")
        before = tree(data_dir)

        with pytest.raises(BatchError, match="newer tmdb-assets: update this one"):
            go_on(data_dir)

        assert tree(data_dir) == before


def test_of_contradicting_outcomes_the_last_one_counts_and_no_body_stays_that_it_denies() -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir)
        told_again(0, ABSENT)(folder)

        receipt = go_on(data_dir)

        assert (receipt["fetched"], receipt["absent"]) == (5, 3)
        assert not (folder / "movie-0.json").exists()
        assert not needs_download(data_dir, BATCH)


BROKEN: dict[str, Callable[[Path], object]] = {
    "altered": lambda path: path.write_bytes(b"{}"),
    "a link": lambda path: (path.unlink(), path.symlink_to("receipt.json")),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("kind", [ABSENT, FAILED])
def test_a_broken_body_whose_url_is_not_fetched_again_does_not_stay(
    tmp_path: Path, how: str, kind: OutcomeKind
) -> None:
    folder = finished(tmp_path, targets(2))
    BROKEN[how](folder / "movie-1.json")

    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        for target in store.pending:
            record(store, target, kind)
        store.seal(1.0)

    assert {path.name for path in folder.glob("*.json")} == {"movie-0.json", "receipt.json"}


def test_an_absent_url_that_is_said_to_have_bytes_does_not_keep_a_batch_from_its_end() -> None:
    with place() as data_dir:
        folder = batch_folder(data_dir, BATCH)
        go_on(data_dir)
        path = folder / "outcomes.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"bytes":0', b'"bytes":9'))

        go_on(data_dir)

        assert not needs_download(data_dir, BATCH)

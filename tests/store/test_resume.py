from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    FAILED,
    FETCHED,
    body_of,
    finished,
    lines,
    names,
    pending,
    record,
    targets,
)
from tmdb_assets.errors import BatchError
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore


def test_a_resume_has_all_but_the_fetched_and_the_absent(tmp_path: Path) -> None:
    all_targets = targets(5)
    with BatchStore(tmp_path, BATCH, all_targets) as store:
        record(store, all_targets[1])
        record(store, all_targets[2], ABSENT)
        record(store, all_targets[3], FAILED)

    with BatchStore(tmp_path, BATCH, all_targets) as store:
        assert [target.name for target in store.pending] == ["movie-0", "movie-3", "movie-4"]
        assert store.counts == {FETCHED: 1, ABSENT: 1, FAILED: 1}
        assert store.attempts == 3


def test_the_last_outcome_of_a_url_is_the_one_that_counts(tmp_path: Path) -> None:
    mended, broken = targets(2)
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, mended, FAILED)
        record(store, mended)
        record(store, broken)
        record(store, broken, FAILED)

    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        assert store.pending == (broken,)
        assert +store.counts == {FETCHED: 1, FAILED: 1}
        assert store.attempts == 4


MISHAPS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b" "),
}


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS.keys())
def test_a_body_that_is_not_there_as_recorded_is_pending_again(
    tmp_path: Path, mishap: Callable[[Path], object]
) -> None:
    folder = finished(tmp_path, targets(3))
    mishap(folder / "movie-1.json")

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        assert [target.name for target in store.pending] == ["movie-1"]
        assert +store.counts == {FETCHED: 2}
        record(store, targets(3)[1])

    assert (folder / "movie-1.json").read_bytes() == body_of(targets(3)[1])
    assert pending(tmp_path, targets(3)) == []


def test_a_body_without_an_outcome_is_pending_and_overwritten(tmp_path: Path) -> None:
    folder = batch_folder(tmp_path, BATCH)
    folder.mkdir(parents=True)
    (folder / "movie-0.json").write_bytes(b"from before the crash")

    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        for target in store.pending:
            record(store, target)

    assert (folder / "movie-0.json").read_bytes() == body_of(targets(1)[0])


def test_outcomes_of_urls_that_are_not_of_the_batch_count_for_nothing(tmp_path: Path) -> None:
    finished(tmp_path, targets(5))

    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        assert store.pending == ()
        assert store.counts == {FETCHED: 2}
        assert store.attempts == 2


def test_a_torn_last_line_is_cut_off_so_that_the_next_one_is_whole(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(3))
    whole = lines(folder)
    (folder / "outcomes.jsonl").write_bytes(b"".join(whole)[:-30])

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        kept = lines(folder)
        for target in store.pending:
            record(store, target)

    assert kept == whole[:2]
    assert lines(folder) == whole
    assert pending(tmp_path, targets(3)) == []


@pytest.mark.parametrize("torn_bytes", [1, 65_535, 65_536, 200_000])
def test_a_torn_line_of_any_length_is_cut_off(tmp_path: Path, torn_bytes: int) -> None:
    folder = finished(tmp_path, targets(2))
    whole = lines(folder)
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(b"x" * torn_bytes)

    left = pending(tmp_path, targets(2))

    assert left == []
    assert lines(folder) == whole


def test_a_file_of_outcomes_without_any_whole_line_is_emptied(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    (folder / "outcomes.jsonl").write_bytes(b"x" * 70_000)

    left = pending(tmp_path, targets(2))

    assert left == ["movie-0", "movie-1"]
    assert lines(folder) == []


def test_unreadable_lines_are_told_and_cost_their_urls_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = finished(tmp_path, targets(3))
    first, _, third = lines(folder)
    (folder / "outcomes.jsonl").write_bytes(first + b"\0" * 99 + b"\n" + third)

    left = pending(tmp_path, targets(3))

    assert left == ["movie-1"]
    assert "batch films-0001: 1 lines of outcomes.jsonl are unreadable" in caplog.text


def test_leftover_temporaries_are_swept_and_foreign_files_are_not(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(1))
    for name in (".tmp-movie-0", ".tmp-123-abc", "notes.txt", ".DS_Store"):
        (folder / name).write_text("left")

    left = pending(tmp_path, targets(1))

    assert left == []
    assert names(folder) == {
        *("movie-0.json", "outcomes.jsonl", "receipt.json", ".lock", "notes.txt", ".DS_Store")
    }


def test_a_link_to_nowhere_in_the_folder_does_not_matter(tmp_path: Path) -> None:
    # some editors mark a file that they have open in this way
    folder = finished(tmp_path, targets(1))
    (folder / ".#outcomes.jsonl").symlink_to("ada@host.1234:1700000000")

    assert pending(tmp_path, targets(1)) == []


def test_outcomes_of_a_newer_format_are_refused_and_kept(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(1))
    newer = lines(folder)[0].replace(b'"format":2', b'"format":3')
    (folder / "outcomes.jsonl").write_bytes(newer)

    with pytest.raises(BatchError, match="update this one"):
        pending(tmp_path, targets(1))

    assert lines(folder) == [newer]
    with pytest.raises(BatchError, match="update this one"):
        # not a BatchBusyError: the lock was given back
        pending(tmp_path, targets(1))

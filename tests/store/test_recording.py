from pathlib import Path

import pytest

from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    FAILED,
    FETCHED,
    lines,
    names,
    outcome_of,
    record,
    targets,
)
from tmdb_assets.errors import StoreError
from tmdb_assets.outcomes import decode, encode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore


def test_the_responses_of_a_batch_lie_in_the_folder_of_its_list() -> None:
    folder = batch_folder(Path("data"), "my-films-0012")

    assert folder == Path("data/responses/my-films/my-films-0012")


def test_a_new_batch_is_pending_as_a_whole_in_its_order(tmp_path: Path) -> None:
    all_targets = targets(5)[::-1]

    with BatchStore(tmp_path, BATCH, all_targets) as store:
        assert store.pending == all_targets
        assert store.counts.total() == 0
        assert store.attempts == 0


@pytest.mark.parametrize(
    "body", [b'{"title": "Am\xc3\xa9lie"}\r\n', b"{}", b'{"a":"\\u0000"}' * 99]
)
def test_a_body_is_on_disk_byte_for_byte_and_its_outcome_after_it(
    tmp_path: Path, body: bytes
) -> None:
    (target,) = targets(1)
    outcome = outcome_of(target)

    with BatchStore(tmp_path, BATCH, (target,)) as store:
        store.record(outcome, body)
        folder = store.folder

    assert (folder / "movie-0.json").read_bytes() == body
    assert lines(folder) == [encode(outcome)]
    assert names(folder) == {"movie-0.json", "outcomes.jsonl", ".lock"}


def test_an_outcome_without_a_body_leaves_no_file(tmp_path: Path) -> None:
    absent, failed = targets(2)

    with BatchStore(tmp_path, BATCH, (absent, failed)) as store:
        record(store, absent, ABSENT)
        record(store, failed, FAILED)
        folder = store.folder

    assert [decode(line).outcome for line in lines(folder)] == [ABSENT, FAILED]
    assert names(folder) == {"outcomes.jsonl", ".lock"}


def test_no_outcome_is_written_when_its_body_cannot_be(tmp_path: Path) -> None:
    (target,) = targets(1)

    with BatchStore(tmp_path, BATCH, (target,)) as store:
        (store.folder / "movie-0.json").mkdir()
        with pytest.raises(StoreError, match=r"cannot use '.*/movie-0.json': .*: set TMDB_DATA_"):
            record(store, target)

        assert lines(store.folder) == []
        assert names(store.folder) == {"movie-0.json", "outcomes.jsonl", ".lock"}
        assert store.counts.total() == 0


def test_counts_and_attempts_follow_what_is_recorded(tmp_path: Path) -> None:
    first, second, third = targets(3)

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        store.record(outcome_of(first, FAILED, attempts=6), None)
        record(store, second, ABSENT)
        record(store, third)
        record(store, first)

        assert +store.counts == {FETCHED: 2, ABSENT: 1}
        assert store.attempts == 9

import errno
import json
import os
from pathlib import Path

import pytest

from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    finished,
    in_time,
    names,
    pending,
    record,
    targets,
)
from tmdb_assets.errors import StoreError
from tmdb_assets.store import BatchStore

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="no /proc to say which file a descriptor is"
)

BODIES = {"movie-0.json", "movie-2.json", "movie-3.json"}


class Disk:
    """Notes which files are synced and whether a receipt was there; fails for one of them."""

    def __init__(self, fails_for: str = "") -> None:
        self.synced: list[str] = []
        self.receipts: list[bool] = []
        self._fails_for = fails_for

    def sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.synced.append(path.name)
        self.receipts.append((path.parent / "receipt.json").exists())
        if path.name == self._fails_for:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def recorded(data_dir: Path, disk: Disk) -> BatchStore:
    store = BatchStore(data_dir, BATCH, targets(4), sync=disk.sync)
    with store:
        for target in store.pending:
            record(store, target, *([ABSENT] if target.name == "movie-1" else []))
    return store


def test_the_receipt_is_written_after_every_body_and_the_outcomes_are_on_the_disk(
    tmp_path: Path,
) -> None:
    disk = Disk()
    with recorded(tmp_path, disk) as store:
        before = list(disk.synced)
        store.seal(1.0)

    assert before == []  # not one by one: a slow disk would slow the net
    assert sorted(disk.synced) == sorted([*BODIES, "outcomes.jsonl"])
    assert disk.receipts == [False] * 4
    assert "receipt.json" in names(store.folder)


def test_bodies_of_an_earlier_run_are_synced_too(tmp_path: Path) -> None:
    disk = Disk()
    with BatchStore(tmp_path, BATCH, targets(4)) as store:
        record(store, targets(4)[0])
        record(store, targets(4)[1], ABSENT)

    with recorded(tmp_path, disk) as store:
        store.seal(1.0)

    assert set(disk.synced) == {*BODIES, "outcomes.jsonl"}


@pytest.mark.parametrize("name", [*sorted(BODIES), "outcomes.jsonl"])
def test_what_the_disk_does_not_take_leaves_no_receipt_and_the_next_seal_makes_one(
    tmp_path: Path, name: str
) -> None:
    with (
        recorded(tmp_path, Disk(fails_for=name)) as store,
        pytest.raises(StoreError, match=r"cannot use '.*/films-0001.*': Input/output error: "),
    ):
        store.seal(1.0)

    assert "receipt.json" not in names(store.folder)
    assert not [one for one in names(store.folder) if one.startswith(".tmp-")]
    assert pending(tmp_path, targets(4)) == []
    with BatchStore(tmp_path, BATCH, targets(4)) as again:
        assert json.loads(again.seal(1.0).read_bytes())["fetched"] == 3


def test_a_receipt_of_before_does_not_vouch_for_what_the_disk_did_not_take(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    (folder / "movie-1.json").unlink()
    disk = Disk(fails_for="movie-1.json")

    with BatchStore(tmp_path, BATCH, targets(2), sync=disk.sync) as store:
        record(store, targets(2)[1])
        with pytest.raises(StoreError, match="Input/output error"):
            store.seal(1.0)

    assert "receipt.json" not in names(folder)


def test_a_body_that_became_a_pipe_while_the_batch_was_open_stops_its_end_and_nothing_waits(
    tmp_path: Path,
) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        record(store, targets(1)[0])
        (store.folder / "movie-0.json").unlink()
        os.mkfifo(store.folder / "movie-0.json")

        with in_time(5), pytest.raises(StoreError, match=r"cannot use '.*/movie-0.json': "):
            store.seal(1.0)

    assert "receipt.json" not in names(store.folder)

import hashlib
import json
from pathlib import Path

import pytest

from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    FAILED,
    body_of,
    finished,
    names,
    pending,
    record,
    targets,
)
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.receipt import batch_folder, needs_download
from tmdb_assets.store import BatchStore


def test_there_is_no_receipt_while_a_url_has_no_outcome(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, targets(2)[0])
        with pytest.raises(BatchError, match=r"batch 'films-0001' has URLs without an outcome"):
            store.seal(1.0)

    assert "receipt.json" not in names(store.folder)


def test_the_receipt_tells_counts_and_a_digest_that_anyone_can_recompute(tmp_path: Path) -> None:
    fetched, absent, failed = all_targets = targets(3)
    with BatchStore(tmp_path, BATCH, all_targets) as store:
        record(store, failed, FAILED)
        record(store, absent, ABSENT)
        record(store, fetched)
        path = store.seal(12.34567)

    receipt = json.loads(path.read_bytes())
    completed_at = receipt.pop("completed_at")
    body_digest = hashlib.sha256((store.folder / "movie-0.json").read_bytes()).hexdigest()
    text = f"movie-0 {body_digest}\nmovie-1 \nmovie-2 \n"
    assert path == store.folder / "receipt.json"
    assert completed_at.endswith("+00:00")
    assert receipt == {
        "format": 2,
        "batch": "films-0001",
        "list": "films",
        "urls": 3,
        "fetched": 1,
        "absent": 1,
        "failed": 1,
        "purged": 0,
        "attempts": 3,
        "bytes": len(body_of(fetched)),
        "seconds": 12.346,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "oldest_as_of": "1970-01-01T00:00:00+00:00",
        "oldest_body_as_of": "1970-01-01T00:00:00+00:00",
    }


def test_the_digest_depends_on_the_bodies_and_not_on_the_order_of_events(tmp_path: Path) -> None:
    digests = []
    for place, order in enumerate((1, -1)):
        with BatchStore(tmp_path / str(place), BATCH, targets(4)) as store:
            for target in store.pending[::order]:
                record(store, target)
            digests.append(json.loads(store.seal(1.0).read_bytes())["digest"])

    assert digests[0] == digests[1]


def test_a_receipt_stays_while_nothing_is_pending(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    before = (folder / "receipt.json").read_bytes()

    left = pending(tmp_path, targets(2))

    assert left == []
    assert (folder / "receipt.json").read_bytes() == before


def test_a_receipt_goes_when_something_is_pending_again(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    (folder / "movie-1.json").unlink()

    left = pending(tmp_path, targets(2))

    assert left == ["movie-1"]
    assert "receipt.json" not in names(folder)


def test_a_batch_needs_a_download_until_its_receipt_tells_of_no_failure(tmp_path: Path) -> None:
    needs = [needs_download(tmp_path, BATCH)]
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, targets(2)[0])
        needs.append(needs_download(tmp_path, BATCH))
        record(store, targets(2)[1], FAILED)
        store.seal(1.0)
        needs.append(needs_download(tmp_path, BATCH))
        record(store, targets(2)[1], ABSENT)
        store.seal(1.0)
        needs.append(needs_download(tmp_path, BATCH))

    assert needs == [True, True, True, False]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"failed":1}', b"null"])
def test_a_receipt_that_does_not_say_that_none_failed_is_not_believed(
    tmp_path: Path, content: bytes
) -> None:
    folder = finished(tmp_path, targets(1))
    (folder / "receipt.json").write_bytes(content)

    assert needs_download(tmp_path, BATCH)


def test_a_receipt_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    (batch_folder(tmp_path, BATCH) / "receipt.json").mkdir(parents=True)

    with pytest.raises(StoreError, match=r"cannot use '.*/receipt.json': .*: set TMDB_DATA_DIR"):
        needs_download(tmp_path, BATCH)

from pathlib import Path

import pytest

from tests.store.stored_batches import BATCH, held, pending, record, targets
from tmdb_assets.batch_lock import this_host
from tmdb_assets.errors import BatchBusyError
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore

HOLD = """
import sys
from pathlib import Path
from tmdb_assets.store import BatchStore
with BatchStore(Path(sys.argv[1]), "films-0001", (), "the other one"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_opener_is_turned_away_while_the_first_one_lives(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        with pytest.raises(BatchBusyError, match="batch 'films-0001' is being downloaded by an"):
            BatchStore(tmp_path, BATCH, targets(1)).__enter__()
        record(store, targets(1)[0])

    assert pending(tmp_path, targets(1)) == []


def test_another_batch_of_the_list_is_free(tmp_path: Path) -> None:
    first = BatchStore(tmp_path, BATCH, targets(1))
    second = BatchStore(tmp_path, "films-0002", targets(1))

    with first, second:
        assert second.pending == targets(1)


def test_a_batch_is_free_again_when_the_process_that_held_it_closed_it(tmp_path: Path) -> None:
    with held(HOLD, tmp_path) as process:
        lock = (batch_folder(tmp_path, BATCH) / ".lock").read_text()
        with pytest.raises(BatchBusyError):
            pending(tmp_path, targets(1))
        assert lock == f"the-other-one {process.pid} {this_host()} 1\n"
        process.communicate()

        assert pending(tmp_path, targets(1)) == ["movie-0"]


def test_a_batch_is_free_again_when_the_process_that_held_it_was_killed(tmp_path: Path) -> None:
    with held(HOLD, tmp_path) as process:
        with pytest.raises(BatchBusyError):
            pending(tmp_path, targets(1))
        process.kill()
        process.communicate()

        assert pending(tmp_path, targets(1)) == ["movie-0"]

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.stored_batches import BATCH, lines, names, pending, record, targets
from tmdb_assets.errors import StoreError
from tmdb_assets.outcomes import decode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore

RECORD_TOO_MUCH = """
import hashlib, resource, sys
from pathlib import Path
from tmdb_assets.errors import StoreError
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.store import BatchStore
targets = [
    Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
    for number in range(200)
]
body = b"x" * int(sys.argv[2])
digest = hashlib.sha256(body).hexdigest()
with BatchStore(Path(sys.argv[1]), "films-0001", targets) as store:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    for target in targets:
        outcome = Outcome(
            target.url, target.name, OutcomeKind.FETCHED, 200, "", 1, len(body), digest, "", (1.0,),
            0.1,
        )
        try:
            store.record(outcome, body)
        except StoreError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
"""


def recorded_too_much(data_dir: Path, body_bytes: int) -> list[str]:
    """Return what was said while a bound on the size of files stood for a disk without room."""
    command = [sys.executable, "-c", RECORD_TOO_MUCH, str(data_dir), str(body_bytes)]
    return subprocess.check_output(command, text=True).splitlines()


def test_a_disk_without_room_for_outcomes_leaves_whole_lines(tmp_path: Path) -> None:
    said = recorded_too_much(tmp_path, body_bytes=10)

    folder = batch_folder(tmp_path, BATCH)
    kept = [decode(line).name for line in lines(folder)]
    assert kept == [f"movie-{number}" for number in range(len(kept))]
    assert 2 <= len(kept) <= 10
    assert len(said) == 200 - len(kept)
    path = folder / f"movie-{len(kept)}.json"
    assert said[0].startswith(f"cannot use '{path}': ")
    assert said[0].endswith(": make room there and run again: what was done is kept")
    assert pending(tmp_path, targets(200))[0] == f"movie-{len(kept)}"


def test_a_disk_without_room_for_a_body_leaves_nothing_of_it(tmp_path: Path) -> None:
    said = recorded_too_much(tmp_path, body_bytes=2000)

    folder = batch_folder(tmp_path, BATCH)
    assert len(said) == 200
    assert said[0].startswith(f"cannot use '{folder / 'movie-0.json'}': No space left on device: ")
    assert names(folder) == {"outcomes.jsonl", ".lock"}
    assert lines(folder) == []


def test_a_folder_that_became_a_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        shutil.rmtree(store.folder)
        store.folder.touch()

        with pytest.raises(StoreError, match=r"cannot use '.*': Not a directory: set TMDB_DATA_DI"):
            record(store, targets(1)[0])

    with pytest.raises(StoreError, match=r"cannot use '.*/films-0001': File exists: set TMDB_DAT"):
        pending(tmp_path, targets(1))


def test_a_folder_that_went_away_gets_no_receipt(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        record(store, targets(1)[0])
        shutil.rmtree(store.folder)

        with pytest.raises(StoreError, match=r"cannot use '.*/movie-0.json': No such file or dir"):
            store.seal(1.0)


@pytest.mark.parametrize("name", ["outcomes.jsonl", ".lock"])
def test_a_folder_in_the_place_of_a_file_is_named_and_the_lock_given_back(
    tmp_path: Path, name: str
) -> None:
    path = batch_folder(tmp_path, BATCH) / name
    path.mkdir(parents=True)

    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot use '.*': Is a directory: set TMDB_DATA_"):
            pending(tmp_path, targets(1))

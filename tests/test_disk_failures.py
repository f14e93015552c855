"""Disks that are full, read-only or lost half-way: a run stops with the remedy, and what was done
is true and is not done again.
"""

from pathlib import Path

import pytest

from tests.store.disks import deep, fill, mounted, remount
from tests.store.films import FILMS, THREADS, URLS, assert_resumes, disturbed, films, quick
from tests.store.stored_batches import ABSENT, BATCH, fetch, frozen, lines, names, record, targets
from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.errors import StoreError
from tmdb_assets.inspection import inspect
from tmdb_assets.model import OutcomeKind, Target
from tmdb_assets.outcomes import decode
from tmdb_assets.receipt import needs_download
from tmdb_assets.standin.server import StandIn
from tmdb_assets.store import BatchStore
from tmdb_assets.verification import verify_batch

ROOM = "No space left on device: make room there and run again: what was done is kept"


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "limiter"


# --- a disk without room ------------------------------------------------------------------------


@pytest.mark.parametrize("bound", ["size=200k", "nr_inodes=60"])
def test_a_full_disk_ends_a_run_with_the_remedy_and_room_lets_it_go_on(
    tmp_path: Path, limiter: Path, bound: str
) -> None:
    with mounted(bound) as root, StandIn(quick()) as server:
        found = films(tmp_path, root / "data", server, limiter)

        with pytest.raises(StoreError, match=ROOM) as caught:
            download_batch(FILMS, found.settings)

        settled = found.settled()
        assert f"{found.folder}/" in str(caught.value)
        assert 10 <= len(settled) < URLS
        remount(root, "size=32m", "nr_inodes=1k")
        assert_resumes(found, server, settled)


def test_a_disk_that_is_full_from_the_start_is_named_before_anything_is_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with mounted("size=200k") as root, StandIn(quick()) as server:
        found = films(tmp_path, root / "data", server, limiter)
        filler = fill(root)

        with pytest.raises(StoreError, match=rf"cannot use '{found.settings.data_dir}.*': {ROOM}"):
            download_batch(FILMS, found.settings)

        assert server.statistics()["arrivals"] == 0
        filler.unlink()
        remount(root, "size=32m")
        assert_resumes(found, server, set())


def test_a_list_that_does_not_fit_is_no_list_and_is_one_when_there_is_room(tmp_path: Path) -> None:
    with mounted("size=200k") as root:
        filler = fill(root)
        with pytest.raises(StoreError, match=ROOM):
            frozen(root / "data", lists=tmp_path)
        names_of_lists = batches.list_names(root / "data")
        filler.unlink()

        assert names_of_lists == ()
        assert batches.load(root / "data", frozen(root / "data", lists=tmp_path)[0])


def test_without_room_for_a_receipt_there_is_none_and_the_next_run_writes_it() -> None:
    with mounted("size=200k") as root:
        with BatchStore(root, BATCH, targets(5)) as store:
            for target in store.pending:
                record(store, target)
            filler = fill(root)
            with pytest.raises(StoreError, match=rf"cannot use '.*/receipt\.json': {ROOM}"):
                store.seal(1.0)

        assert not names(store.folder) - {
            *("outcomes.jsonl", ".lock"),
            *(f"movie-{number}.json" for number in range(5)),
        }
        filler.unlink()
        with BatchStore(root, BATCH, targets(5)) as again:
            assert again.pending == ()
            again.seal(1.0)
        assert not needs_download(root, BATCH)


def record_all_absent(store: BatchStore) -> None:
    for target in store.pending:
        record(store, target, ABSENT)


def test_without_room_for_outcomes_every_line_is_whole_and_the_rest_is_pending() -> None:
    with mounted("size=200k") as root:
        with BatchStore(root, BATCH, targets(200)) as store:
            filler = fill(root)
            with pytest.raises(StoreError, match=ROOM):
                record_all_absent(store)
            filler.unlink()
            kept = [decode(line).name for line in lines(store.folder)]
            after = targets(200)[len(kept)]
            record(store, after, ABSENT)  # once there is room the same run could go on

        with BatchStore(root, BATCH, targets(200)) as again:
            done = len(kept) + 1
            assert kept == [f"movie-{number}" for number in range(len(kept))]
            assert again.pending == targets(200)[done:]
            assert again.counts == {OutcomeKind.ABSENT: done}


# --- a disk that cannot be written --------------------------------------------------------------


def test_a_read_only_disk_is_named_before_anything_is_sent_and_can_be_verified(
    tmp_path: Path, limiter: Path
) -> None:
    remedy = "Read-only file system: set TMDB_DATA_DIR to a folder that can be written and has room"
    with mounted("size=8m") as root, StandIn(quick()) as server:
        found = films(tmp_path, root / "data", server, limiter)
        (batch,) = frozen(root / "data", "shows")
        fetch(root / "data", batch)
        remount(root, "ro")

        with pytest.raises(StoreError, match=rf"cannot use '{root}.*': {remedy}"):
            download_batch(FILMS, found.settings)
        with pytest.raises(StoreError, match=rf"cannot use '{root}.*': {remedy}"):
            BatchStore(root / "data", batch, batches.load(root / "data", batch)).__enter__()
        verified = verify_batch(root / "data", batch)
        with pytest.raises(StoreError, match=remedy):
            frozen(root / "data", "more", lists=tmp_path)

        assert server.statistics()["arrivals"] == 0
        assert (verified.findings, verified.pending) == ((), 0)
        remount(root, "rw")
        assert_resumes(found, server, set())


# --- what is lost half-way ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("permission", "Permission denied: set TMDB_DATA_DIR to a folder that can be written"),
        (
            "no files half-way",
            "Too many open files: raise the limit on open files (ulimit -n 4096)",
        ),
    ],
)
def test_what_is_lost_half_way_ends_a_run_with_the_remedy_and_nothing_is_burnt(
    tmp_path: Path, limiter: Path, how: str, words: str
) -> None:
    with StandIn(quick(latency_seconds=0.05)) as server:
        found = films(tmp_path, tmp_path / "data", server, limiter)

        said = disturbed(found, limiter, how)

        found.folder.chmod(0o755)
        settled = found.settled()
        asked = len(server.arrivals())
        assert words in said
        assert "Error: " in said
        assert 50 <= len(settled) < URLS
        # what waited for the disk or was in flight is lost, and asked for once more
        assert asked - len(settled) <= 3 * THREADS + 1
        assert_resumes(found, server, settled)


def test_without_descriptors_from_the_start_no_url_is_given_up(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        found = films(tmp_path, tmp_path / "data", server, limiter)

        said = disturbed(found, limiter, "no files from the start")

        settled = found.settled()
        assert "Error: " in said
        assert "Too many open files: raise the limit" in said
        assert_resumes(found, server, settled)


# --- names that are too long --------------------------------------------------------------------

TOO_LONG = "File name too long: set TMDB_DATA_DIR to a folder with a shorter path"


def test_a_data_folder_with_a_name_that_no_folder_can_have_gets_the_remedy(tmp_path: Path) -> None:
    data_dir = tmp_path / ("x" * 256)

    with pytest.raises(StoreError, match=TOO_LONG):
        frozen(data_dir)
    with pytest.raises(StoreError, match=TOO_LONG):
        BatchStore(data_dir, BATCH, targets(1)).__enter__()

    assert {path.name for path in tmp_path.iterdir()} == {"films.txt"}


def record_both(store: BatchStore, one: Target, other: Target) -> None:
    with store:
        record(store, one)
        record(store, other)


@pytest.mark.parametrize("room", [5, 20, 40, 55, 70])
def test_a_path_that_gets_too_long_anywhere_gets_the_remedy_and_loses_nothing(
    tmp_path: Path, room: int
) -> None:
    # so many of the 4,095 characters are left for what lies in the data folder
    data_dir = deep(tmp_path, 4095 - room)
    target = Target("https://api.themoviedb.org/3/movie/1", f"movie-{'1' * 60}")
    done = targets(1)[0]

    store = BatchStore(data_dir, BATCH, (done, target))
    with pytest.raises(StoreError, match=TOO_LONG) as caught:
        record_both(store, done, target)

    assert str(data_dir) in str(caught.value)
    if room == 70:  # enough for all but the last name
        found = inspect(store.folder, (done, target))
        assert set(found.last) == {done.url}
        assert names(store.folder) == {"movie-0.json", "outcomes.jsonl", ".lock"}

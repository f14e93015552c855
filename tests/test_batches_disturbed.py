"""What is left of `add` after crashes, a full disk, bad files, and other writers."""

import gzip
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.movie_lists import loaded, record, small_batches, written
from tmdb_assets.batches import (
    add,
    list_names,
    load,
    plan,
)
from tmdb_assets.errors import BatchBusyError, StoreError, UrlListError
from tmdb_assets.model import Settings

settings = pytest.fixture(small_batches)


def test_a_crash_before_the_record_leaves_nothing_that_counts(
    tmp_path: Path, settings: Settings
) -> None:
    add(written(tmp_path, *range(500)), settings)
    folder = record(settings).parent
    # this is what is there when the process dies just before the record is renamed
    record(settings).rename(folder / ".tmp-1-dead")

    names = list_names(settings.data_dir)
    added = add(written(tmp_path, *range(700, 920)), settings)

    assert names == ()
    assert added.new_batches == added.all_batches
    assert loaded(settings, added) == list(range(700, 920))
    assert sorted(path.name for path in folder.iterdir()) == [
        "list.json",
        *(f"{name}.txt" for name in added.all_batches),
    ]


def test_a_crash_while_a_list_grows_leaves_it_as_it_was(tmp_path: Path, settings: Settings) -> None:
    first = add(written(tmp_path, *range(150)), settings)
    old = record(settings).read_bytes()
    add(written(tmp_path, *range(500)), settings)
    record(settings).write_bytes(old)
    (record(settings).parent / ".tmp-1-dead").touch()

    kept = loaded(settings, first)
    again = add(written(tmp_path, *range(150), 7000, 7001), settings)

    assert kept == list(range(150))
    assert again.new_batches == ("movies-0003",)
    assert loaded(settings, again) == [*range(150), 7000, 7001]
    assert len(list(record(settings).parent.iterdir())) == 4


def test_leftovers_go_even_if_nothing_is_new_and_foreign_files_stay(
    tmp_path: Path, settings: Settings
) -> None:
    path = written(tmp_path, 1)
    add(path, settings)
    folder = record(settings).parent
    for name in (".tmp-1-dead", "movies-0002.txt", "notes.txt", "other-0002.txt"):
        (folder / name).touch()

    add(path, settings)

    assert sorted(entry.name for entry in folder.iterdir()) == [
        "list.json",
        "movies-0001.txt",
        "notes.txt",
        "other-0002.txt",
    ]


@pytest.mark.parametrize(
    "content",
    [b"url\n", b"/movie/1\n\x00", gzip.compress(b"/movie/1\n" * 9, mtime=0)[:-4]],
)
def test_a_file_that_cannot_be_used_leaves_no_list(
    tmp_path: Path, settings: Settings, content: bytes
) -> None:
    path = tmp_path / "movies.txt"
    path.write_bytes(content)

    for act in (plan, add):
        with pytest.raises(UrlListError):
            act(path, settings)

    assert not record(settings).parent.exists()


def test_a_missing_file_leaves_no_data_folder(tmp_path: Path, settings: Settings) -> None:
    for act in (plan, add):
        with pytest.raises(UrlListError, match=r"movies\.txt' does not exist: check the path"):
            act(tmp_path / "movies.txt", settings)

    assert not settings.data_dir.exists()


def test_a_data_folder_that_is_a_file_is_named_with_the_remedy(
    tmp_path: Path, settings: Settings
) -> None:
    path = written(tmp_path, 1)
    settings.data_dir.touch()
    remedy = r"cannot use '.*/data/batches.*': Not a directory: set TMDB_DATA_DIR to a folder"

    for act in (plan, add):
        with pytest.raises(StoreError, match=remedy):
            act(path, settings)
    with pytest.raises(StoreError, match=remedy):
        load(settings.data_dir, "movies-0001")


ADD_WITHOUT_ROOM = """
import resource, signal, sys
from pathlib import Path
from tmdb_assets.batches import add
from tmdb_assets.errors import StoreError
from tmdb_assets.settings import from_environment
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    add(Path(sys.argv[1]), from_environment({"TMDB_DATA_DIR": sys.argv[2]}))
except StoreError as error:
    sys.stdout.write(str(error))
"""


# The spool of 300 URLs of 41 bytes has 12 KiB, the record of a list without batches some 700 bytes.
@pytest.mark.parametrize(("numbers", "room"), [(300, 5_000), (2, 500)])
def test_a_disk_without_room_leaves_no_list_and_the_next_add_is_right(
    tmp_path: Path, settings: Settings, numbers: int, room: int
) -> None:
    path = written(tmp_path, *range(1_000_000, 1_000_000 + numbers))
    arguments = [str(path), str(settings.data_dir), str(room)]

    said = subprocess.check_output([sys.executable, "-c", ADD_WITHOUT_ROOM, *arguments], text=True)
    names = list_names(settings.data_dir)
    added = add(path, settings)

    assert "File too large: raise the limit on the size of files (ulimit -f)" in said
    assert names == ()
    assert len(loaded(settings, added)) == numbers


def test_a_second_writer_waits_for_a_while_and_then_gives_up(
    tmp_path: Path, settings: Settings
) -> None:
    path = written(tmp_path, 1)
    add(path, settings)
    lock = settings.data_dir / "batches" / ".lock"
    hold = f"import fcntl, sys; f = open({str(lock)!r}); fcntl.flock(f, fcntl.LOCK_EX); "
    hold += "print(1, flush=True); sys.stdin.read(1)"

    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BatchBusyError, match=r"another process held .*\.lock' for 0\.1 s: let"):
            add(path, settings, wait_seconds=0.1)
        planned = plan(path, settings)
        targets = load(settings.data_dir, "movies-0001")
        holder.communicate()

    assert planned.already == len(targets) == 1


def test_writers_at_the_same_time_lose_nothing_and_double_nothing(
    tmp_path: Path, settings: Settings
) -> None:
    paths = []
    for part in range(4):
        (tmp_path / str(part)).mkdir()
        paths.append(written(tmp_path / str(part), *range(part * 50, part * 50 + 120)))
    barrier = threading.Barrier(4)

    def work(path: Path) -> None:
        barrier.wait()
        add(path, settings)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, paths))

    assert sorted(loaded(settings, add(paths[0], settings))) == list(range(270))

"""What no store can live with: it is named with the remedy, and stays for good."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.limiter.file_limiter import FakeClock, first_slot
from tests.patience import HANG_SECONDS
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.file_store import FileStore


def a_folder(tmp_path: Path) -> Path:
    return tmp_path


def under_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "limiter"


def circle(tmp_path: Path) -> Path:
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path / "circle"


def odd_name(tmp_path: Path) -> Path:
    (tmp_path / "two\nlines").mkdir()
    return tmp_path / "two\nlines"


@pytest.mark.parametrize("place", [a_folder, under_a_file, circle, odd_name])
def test_a_path_that_can_be_no_file_is_named_with_the_remedy_in_one_line(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    path = place(tmp_path)

    with pytest.raises(LimiterUnavailableError) as caught:
        FileStore(path, 50)

    assert str(caught.value).startswith(f"limiter file {str(path)!r}: ")
    assert "TMDB_LIMITER" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_that_becomes_a_file_makes_the_store_fail_for_good(
    tmp_path: Path, clock: FakeClock
) -> None:
    folder = tmp_path / "folder"
    store = FileStore(folder / "limiter", 50, clock=clock)
    first_slot(store, clock)
    shutil.rmtree(folder)
    folder.touch()

    with pytest.raises(LimiterUnavailableError, match=r"folder/limiter.*TMDB_LIMITER"):
        store.book()
    folder.unlink()
    with pytest.raises(LimiterUnavailableError, match="folder/limiter"):
        store.book()
    store.close()


def test_a_path_that_becomes_a_folder_makes_the_store_fail(path: Path, busy: FileStore) -> None:
    path.unlink()
    path.mkdir()

    with pytest.raises(LimiterUnavailableError, match=r"directory.*TMDB_LIMITER"):
        busy.book()
    with pytest.raises(LimiterUnavailableError, match="directory"):
        busy.check_open()


def test_a_lock_that_the_system_refuses_makes_the_store_fail(path: Path, clock: FakeClock) -> None:
    store = FileStore(path, 50, clock=clock)
    spare = os.dup(store._fd)
    os.close(store._fd)

    with pytest.raises(LimiterUnavailableError, match=r"Bad file descriptor.*TMDB_LIMITER"):
        store.book()
    with pytest.raises(LimiterUnavailableError, match="Bad file descriptor"):
        store.check_open()

    os.dup2(spare, store._fd)
    os.close(spare)
    store.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_makes_the_store_fail() -> None:
    store = FileStore(Path("/dev/full"), 50)

    with pytest.raises(LimiterUnavailableError, match="No space left on device"):
        store.book()
    with pytest.raises(LimiterUnavailableError, match="No space left on device"):
        store.write_back(0)
    store.close()


HALF_A_RECORD = """
import resource, sys
from pathlib import Path
from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter.file_store import FileStore

store = FileStore(Path(sys.argv[1]), 50)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
try:
    store.book()
except LimiterUnavailableError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    print(error)
"""


def test_half_a_record_written_makes_the_store_fail(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HALF_A_RECORD, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_SECONDS,
    )

    assert path.stat().st_size == 20
    assert "No space left on device" in done.stdout
    assert repr(str(path)) in done.stdout


def test_a_failed_store_can_be_closed_and_keeps_its_error(tmp_path: Path, clock: FakeClock) -> None:
    store = FileStore(tmp_path / "folder" / "limiter", 50, clock=clock)
    shutil.rmtree(tmp_path / "folder")
    (tmp_path / "folder").touch()
    with pytest.raises(LimiterUnavailableError):
        store.book()

    store.close()

    with pytest.raises(LimiterUnavailableError):
        store.check_open()

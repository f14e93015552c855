import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.files import exclusive, make_folder, remove, sync_folder, write_whole

WRITE_TOO_MUCH = """
import resource, signal, sys
from pathlib import Path
from tmdb_assets.errors import StoreError
from tmdb_assets.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_whole(Path(sys.argv[1]), b"x" * 1000)
except StoreError as error:
    sys.stdout.write(str(error))
"""


def test_a_file_is_written_whole_and_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    umask = os.umask(0o022)
    try:
        write_whole(path, b"one")
        write_whole(path, b"two")
    finally:
        os.umask(umask)

    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    # a bound on the size of a file stands for a disk without room
    path = tmp_path / "file"
    path.write_bytes(b"old")

    said = subprocess.check_output([sys.executable, "-c", WRITE_TOO_MUCH, str(path)], text=True)

    assert said.startswith(f"cannot use {str(path)!r}: File too large: set TMDB_DATA_DIR to ")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_cannot_be_replaced_leaves_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "file" / "inside").mkdir(parents=True)

    with pytest.raises(StoreError, match=r"cannot use '.*/file': .*: set TMDB_DATA_DIR"):
        write_whole(tmp_path / "file", b"new")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_a_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    for act in (make_folder, sync_folder):
        with pytest.raises(StoreError, match=r"cannot use '.*/file/x': Not a directory: set TMDB_"):
            act(path / "x")


def test_removing_what_is_not_there_is_no_failure(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")

    assert list(tmp_path.iterdir()) == []


def test_a_lock_excludes_others_until_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / ".lock"

    busy = pytest.raises(BatchBusyError, match=r"held '.*/\.lock' for 0.1 s: let it end, or")
    with exclusive(path, 0), busy, exclusive(path, 0.1):
        raise AssertionError("two hold the lock")
    with exclusive(path, 0):
        assert path.exists()


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    hold = f"import fcntl, sys; f = open({str(path)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
    hold += "print('held', flush=True); sys.stdin.read(1)"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None

    with holder:
        holder.stdout.readline()
        with pytest.raises(BatchBusyError):
            exclusive(path, 0).__enter__()
        holder.stdin.close()
        with exclusive(path, 30):
            held = True

    assert held


def test_a_block_that_fails_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with pytest.raises(OSError, match="own"), exclusive(path, 0):
        raise OSError("its own failure, not the store's")

    with exclusive(path, 0):
        assert path.exists()

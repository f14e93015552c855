import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.store.stored_batches import fetch, frozen
from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.files import (
    TEMPORARY_PREFIX,
    exclusive,
    is_held,
    make_folder,
    remove,
    storing,
    sync_folder,
    temporary_in,
    write_whole,
)

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

    assert said.startswith(f"cannot use {str(path)!r}: File too large: raise the limit ")
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


# --- modes --------------------------------------------------------------------------------------


@contextmanager
def masked(umask: int) -> Iterator[None]:
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("umask", "mode"), [(0, 0o644), (0o022, 0o644), (0o077, 0o600)])
def test_every_file_of_a_list_has_mode_0644_less_the_umask(
    tmp_path: Path, umask: int, mode: int
) -> None:
    with masked(umask):
        (batch,) = frozen(tmp_path / "data")
        folder = fetch(tmp_path / "data", batch)
        (folder / "receipt.json").unlink()
        fetch(tmp_path / "data", batch)

    found = {
        path.name: stat.S_IMODE(path.lstat().st_mode)
        for path in (tmp_path / "data").rglob("*")
        if not path.is_dir()
    }
    assert {"list.json", f"{batch}.txt", "outcomes.jsonl", "receipt.json", ".lock"} <= found.keys()
    assert len(found) >= 9
    assert set(found.values()) == {mode}


def test_a_file_that_is_replaced_loses_the_mode_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o777)

    with masked(0o022):
        write_whole(path, b"new")

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


# --- remedies -----------------------------------------------------------------------------------

ROOM = "make room there and run again: what was done is kept"
ELSEWHERE = "set TMDB_DATA_DIR to a folder that can be written and has room"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, ROOM),
        (errno.EDQUOT, ROOM),
        (errno.EFBIG, "raise the limit on the size of files (ulimit -f)"),
        (errno.EMFILE, "raise the limit on open files (ulimit -n 4096) or set TMDB_THREADS lower"),
        (errno.ENFILE, "close other programs: this system has no file left"),
        (errno.ENAMETOOLONG, "set TMDB_DATA_DIR to a folder with a shorter path"),
        (
            errno.ENOLCK,
            "its file system knows no locks: set TMDB_DATA_DIR to a folder on another o",
        ),
        (errno.ELOOP, "a symbolic link there is not followed: remove it"),
        *((other, ELSEWHERE) for other in (errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT)),
    ],
)
def test_every_failure_of_the_system_comes_with_path_words_and_remedy(
    number: int, remedy: str
) -> None:
    with pytest.raises(StoreError) as caught, storing(Path("/data/x")):
        raise OSError(number, os.strerror(number))

    assert str(caught.value).startswith(f"cannot use '/data/x': {os.strerror(number)}: {remedy}")
    assert "\n" not in str(caught.value)


def test_a_failure_without_a_number_has_words_and_remedy_too() -> None:
    with (
        pytest.raises(StoreError, match=f"cannot use 'x': its words: {ELSEWHERE}"),
        storing(Path("x")),
    ):
        raise OSError("its words")


def test_what_is_no_failure_of_the_system_is_left_alone() -> None:
    with pytest.raises(ValueError, match="ours"), storing(Path("x")):
        raise ValueError("ours")


# --- looking at locks -----------------------------------------------------------------------------


def test_a_look_says_whether_a_lock_is_held_and_leaves_it_free(tmp_path: Path) -> None:
    path = tmp_path / ".lock"

    with exclusive(path, 0):
        held = is_held(path)

    assert (held, is_held(path), is_held(path)) == (True, False, False)


def test_no_two_temporaries_have_one_name(tmp_path: Path) -> None:
    found = {temporary_in(tmp_path) for _ in range(100)}

    assert len(found) == 100
    assert all(path.name.startswith(TEMPORARY_PREFIX) for path in found)
    assert {path.parent for path in found} == {tmp_path}

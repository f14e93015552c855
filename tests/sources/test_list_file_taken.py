"""The one unfinished file that a list has: taken over after a kill, never by two at once."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS
from tmdb_assets.errors import StoreError
from tmdb_assets.sources.list_file import check_place, writing
from tmdb_assets.watched import WatchedFolder

URL = "https://api.themoviedb.org/3/movie/{}"
UNFINISHED = ".list.txt.tmp-tmdb"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, count: int = 1) -> None:
    with writing(path) as lines:
        for number in range(count):
            lines.add(URL.format(number))


def killed_while_writing(path: Path) -> None:
    """Let a process write half a list and die."""
    command = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tmdb_assets.sources.list_file import writing\n"
        "with writing(Path(sys.argv[1])) as lines:\n"
        f"    for number in range(20000): lines.add({URL!r}.format(number))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", command, str(path)], timeout=HANG_SECONDS, check=False
    )
    assert ended.returncode == -signal.SIGKILL


def test_kills_leave_one_file_however_many_there_are_and_the_next_writer_takes_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list.txt"
    for _ in range(2):
        killed_while_writing(path)
        assert names(tmp_path) == [UNFINISHED]
    assert (tmp_path / UNFINISHED).stat().st_size > 100_000

    write(path, 2)

    assert path.read_text() == f"{URL.format(0)}\n{URL.format(1)}\n"
    assert names(tmp_path) == ["list.txt"]


def test_looking_whether_a_list_can_come_takes_a_leftover_away_too(tmp_path: Path) -> None:
    (tmp_path / UNFINISHED).write_text("half a li")

    check_place(tmp_path / "list.txt")

    assert names(tmp_path) == []


def test_a_second_writer_of_the_same_list_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    with writing(path) as lines:
        lines.add(URL)
        for act in (check_place, write):
            with pytest.raises(StoreError) as caught:
                act(path)
            assert str(caught.value) == (
                f"cannot write a list to {str(path)!r}: another process does now: "
                "let it end, or name another file"
            )
        write(tmp_path / "other.txt")

    assert path.read_text() == f"{URL}\n"
    assert names(tmp_path) == ["list.txt", "other.txt"]


def test_one_after_another_may_write(tmp_path: Path) -> None:
    for count in (3, 1, 0, 2):
        write(tmp_path / "list.txt", count)

    assert len((tmp_path / "list.txt").read_text().splitlines()) == 2
    assert names(tmp_path) == ["list.txt"]


def test_of_many_writers_none_ever_leaves_anything_but_one_whole_list(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"{URL.format(1)}\n")

    refusals: set[str] = set()

    def writer(number: int) -> int:
        written = 0
        for _ in range(300):
            try:
                with writing(path) as lines:
                    for _ in range(number):
                        lines.add(URL.format(number))
                written += 1
            except StoreError as error:
                refusals.add(str(error))
            found = path.read_text().splitlines()
            assert found == [URL.format(len(found))] * len(found) != []
        return written

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(writer, range(1, 9))) > 0
    assert all("another process does now" in one for one in refusals)
    assert names(tmp_path) == ["list.txt"]


def test_a_file_that_may_not_grow_is_named(tmp_path: Path) -> None:
    command = (
        "import resource, sys; from pathlib import Path\n"
        "from tmdb_assets.errors import StoreError\n"
        "from tmdb_assets.sources.list_file import writing\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    with writing(Path(sys.argv[1])) as lines:\n"
        f"        for number in range(150): lines.add({URL!r}.format(number))\n"
        "except StoreError as error: print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path / "list.txt")],
        timeout=HANG_SECONDS,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "list.txt': File too large: name another file" in ended.stdout
    assert names(tmp_path) == []


def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / UNFINISHED).symlink_to("precious")

    for act in (check_place, write):
        with pytest.raises(StoreError, match="symbolic links"):
            act(tmp_path / "list.txt")
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_pipe_in_the_place_of_the_unfinished_file_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / UNFINISHED)

    with pytest.raises(StoreError, match="cannot write a list to"):
        check_place(tmp_path / "list.txt")


def test_a_folder_that_cannot_be_written_is_found_before_there_is_a_list() -> None:
    with pytest.raises(StoreError, match="name another file"):
        check_place(Path("/proc/list.txt"))


def test_the_watched_folder_does_not_look_at_what_is_unfinished(tmp_path: Path) -> None:
    with writing(tmp_path / "list.txt") as lines:
        lines.add(URL)
        folder = WatchedFolder(tmp_path, {})

        assert names(tmp_path) == [UNFINISHED]
        assert (folder.memory(), folder.others) == ({}, [])


def test_a_file_that_the_caller_has_open_is_written_and_none_beside_it(tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        path = Path(f"/dev/fd/{file.fileno()}")
        check_place(path)

        write(path, 5000)

        file.seek(0)
        assert len(file.read().splitlines()) == 5000
    assert names(tmp_path) == []

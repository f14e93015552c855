"""Who may write a batch: within a host by `flock`, between hosts by a line that changes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.store.stored_batches import held, in_time
from tmdb_assets.batch_lock import BatchLock, holder_pid, this_host
from tmdb_assets.errors import BatchBusyError, StoreError

HOLD = """
import sys
from pathlib import Path
from tmdb_assets.batch_lock import BatchLock
with BatchLock(Path(sys.argv[1]), "films-0001", "run 7"):
    print("held", flush=True)
    sys.stdin.read()
"""
ELSEWHERE = "run-7 4711 another-host 1\n"
FOR_EVER = 1000.0


def lock(
    folder: Path, *, holder: str = "run 8", host: str = "here", still_seconds: float = 0.2
) -> BatchLock:
    return BatchLock(folder, "films-0001", holder, host, still_seconds)


def line(folder: Path) -> str:
    return (folder / ".lock").read_text()


@contextmanager
def written_by_another_host(folder: Path) -> Iterator[None]:
    """Have the line change all the time, without the lock: as where it does not reach."""
    is_over = threading.Event()

    def beat() -> None:
        beats = 0
        while not is_over.wait(0.01):
            beats += 1
            (folder / ".lock").write_text(f"run-7 4711 another-host {beats}\n")

    (folder / ".lock").write_text(ELSEWHERE)
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


# --- on one host --------------------------------------------------------------------------------


def test_a_second_process_is_refused_and_may_have_it_when_the_first_one_ended(
    tmp_path: Path,
) -> None:
    with held(HOLD, tmp_path) as process:
        said = line(tmp_path)
        with pytest.raises(
            BatchBusyError, match=r"batch 'films-0001' is being downloaded by another run: let th"
        ):
            lock(tmp_path).__enter__()
        assert line(tmp_path) == said == f"run-7 {process.pid} {this_host()} 1\n"
        process.communicate()
        ended = line(tmp_path)

    with in_time(5), lock(tmp_path, still_seconds=FOR_EVER):
        assert ended == ""


def test_a_process_that_was_killed_blocks_nobody_on_its_host_for_a_moment(tmp_path: Path) -> None:
    with held(HOLD, tmp_path) as process:
        process.kill()
        process.communicate()
        left = line(tmp_path)

        with in_time(5), lock(tmp_path, host=this_host(), still_seconds=FOR_EVER):
            now = line(tmp_path)

    assert left == f"run-7 {process.pid} {this_host()} 1\n"
    assert now == f"run-8 {os.getpid()} {this_host()} 1\n"


def test_a_second_thread_is_refused(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(BatchBusyError, match="by another run"):
        lock(tmp_path).__enter__()


@pytest.mark.parametrize(
    ("holder", "word"), [("", "-"), (" ", "-"), ("a b\nc", "a-b-c"), ("caf\xe9", "caf\xe9")]
)
def test_the_line_says_who_writes_where_in_one_line_of_four_words(
    tmp_path: Path, holder: str, word: str
) -> None:
    with lock(tmp_path, holder=holder):
        assert line(tmp_path) == f"{word} {os.getpid()} here 1\n"


def test_the_name_of_a_host_is_one_word_and_the_same_in_all_its_processes() -> None:
    code = "from tmdb_assets.batch_lock import this_host; print(this_host())"

    there = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert there == f"{this_host()}\n"
    assert len(this_host().split()) == 1


def test_a_clean_end_leaves_an_empty_file_and_a_failure_does_too(tmp_path: Path) -> None:
    with lock(tmp_path, still_seconds=0.0) as held:
        held.beat()
    ended = line(tmp_path)
    with pytest.raises(ZeroDivisionError), lock(tmp_path):
        raise ZeroDivisionError

    assert (ended, line(tmp_path)) == ("", "")
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_a_line_that_got_shorter_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(f"{'x' * 500} 1 here 1\n")

    with lock(tmp_path):
        assert line(tmp_path) == f"run-8 {os.getpid()} here 1\n"


# --- on several hosts ---------------------------------------------------------------------------


def test_while_the_line_of_another_host_changes_the_batch_is_refused(tmp_path: Path) -> None:
    with (
        written_by_another_host(tmp_path),
        pytest.raises(
            BatchBusyError, match=r"'films-0001' is being downloaded by another host \(run-7\): let"
        ),
    ):
        lock(tmp_path, still_seconds=FOR_EVER).__enter__()
    left = line(tmp_path)
    (tmp_path / ".lock").write_text("")

    with lock(tmp_path):  # which was given back
        assert left.startswith("run-7 4711 another-host ")


def test_a_line_of_another_host_that_stands_still_is_taken_over_after_that_time(
    tmp_path: Path,
) -> None:
    (tmp_path / ".lock").write_text(ELSEWHERE)
    began_at = time.monotonic()

    with lock(tmp_path):
        seconds = time.monotonic() - began_at
        assert line(tmp_path) == f"run-8 {os.getpid()} here 1\n"

    assert 0.2 <= seconds < 2


def test_a_change_at_the_last_moment_counts(tmp_path: Path) -> None:
    # the one look there is comes at the end of the time
    (tmp_path / ".lock").write_text(ELSEWHERE)
    change = threading.Timer(0.05, (tmp_path / ".lock").write_text, ["run-7 4711 another-host 2\n"])
    change.start()

    with pytest.raises(BatchBusyError, match="by another host"):
        lock(tmp_path, still_seconds=0.4).__enter__()

    change.join()


def test_this_machine_before_its_last_start_is_another_host(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(f"run-7 4711 {this_host()[::-1]} 1\n")
    began_at = time.monotonic()

    with BatchLock(tmp_path, "films-0001", "run 8", still_seconds=0.2):
        assert time.monotonic() - began_at >= 0.2


def test_a_writer_that_finds_the_line_of_another_stops_and_leaves_that_line(
    tmp_path: Path,
) -> None:
    with lock(tmp_path, still_seconds=0.0) as held:
        held.beat()
        (tmp_path / ".lock").write_text(ELSEWHERE)
        for _ in range(2):
            with pytest.raises(
                StoreError, match=r"'films-0001' is being written by another host too: what was "
            ):
                held.beat()

    assert line(tmp_path) == ELSEWHERE


def test_of_two_that_began_at_the_same_moment_the_first_one_stops(tmp_path: Path) -> None:
    # where flock does not reach both find an empty file: a second folder stands for that
    there = tmp_path / "there"
    there.mkdir()
    with lock(tmp_path, still_seconds=0.0) as first, lock(there, host="there", still_seconds=0.0):
        (tmp_path / ".lock").write_text(line(there))

        with pytest.raises(StoreError, match="by another host too"):
            first.beat()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 500,
        b"\n",
        b"run-7 4711\n",
        b"run-7 4711 another-host",
        b"\xff\xfe",
        b"x" * 9999,
    ],
)
def test_a_file_without_a_line_is_nobodys(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".lock").write_bytes(content)

    with in_time(5), lock(tmp_path, still_seconds=FOR_EVER):
        assert line(tmp_path) == f"run-8 {os.getpid()} here 1\n"


def test_a_line_that_is_no_text_stands_still_like_any_other(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"\xff \xff \xff \xff\n")

    with in_time(5), lock(tmp_path):
        assert line(tmp_path) == f"run-8 {os.getpid()} here 1\n"


# --- the beat -----------------------------------------------------------------------------------


def test_every_beat_that_is_due_changes_the_line(tmp_path: Path) -> None:
    with lock(tmp_path, still_seconds=0.0) as held:
        lines = [line(tmp_path)]
        for _ in range(11):
            held.beat()
            lines.append(line(tmp_path))

    assert lines == [f"run-8 {os.getpid()} here {number}\n" for number in range(1, 13)]


def test_a_beat_that_is_not_due_costs_no_look_at_the_disk(tmp_path: Path) -> None:
    with lock(tmp_path, still_seconds=FOR_EVER) as held:
        (tmp_path / ".lock").unlink()
        began_at = time.monotonic()
        for _ in range(50_000):
            held.beat()

        assert time.monotonic() - began_at < 1
        assert not (tmp_path / ".lock").exists()


def test_a_lock_file_that_went_away_stops_its_writer(tmp_path: Path) -> None:
    with lock(tmp_path, still_seconds=0.0) as held:
        (tmp_path / ".lock").unlink()

        with pytest.raises(StoreError, match=r"cannot use '.*/\.lock': No such file or directory"):
            held.beat()

    assert list(tmp_path.iterdir()) == []


# --- what is in the way -------------------------------------------------------------------------


OBSTACLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "Is a directory"),
    "pipe": (os.mkfifo, "not a regular file"),
    "link": (lambda path: path.symlink_to("notes"), "Too many levels of symbolic links: a symb"),
    "link to nowhere": (lambda path: path.symlink_to("nowhere"), "Too many levels of symbolic li"),
}


@pytest.mark.parametrize(("obstruct", "words"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_is_no_file_is_refused_and_touched_by_nobody(
    tmp_path: Path, obstruct: Callable[[Path], object], words: str
) -> None:
    (tmp_path / "notes").write_text(ELSEWHERE)
    obstruct(tmp_path / ".lock")

    with in_time(5), pytest.raises(StoreError, match=rf"cannot use '.*/\.lock': {words}"):
        lock(tmp_path).__enter__()

    assert (tmp_path / "notes").read_text() == ELSEWHERE
    assert {path.name for path in tmp_path.iterdir()} == {"notes", ".lock"}


# --- whose it is --------------------------------------------------------------------------------


def test_the_process_that_holds_a_lock_is_told_by_its_line(tmp_path: Path) -> None:
    with held(HOLD, tmp_path) as process:
        said = line(tmp_path)
        found = holder_pid(said, "run-7"), holder_pid(said, "run-8")

    assert found == (process.pid, None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "run-7", "run-7 4711", f"run-7 4711 {this_host()}"),
        f"run-7 4711 another-{this_host()} 1",
        f"run-77 4711 {this_host()} 1",
        f"- 4711 {this_host()} 1",
        *(f"run-7 {pid} {this_host()} 1" for pid in ("-4711", "4711.0", "0x1f", "pid", "²", "_1")),
    ],
)
def test_a_line_of_somebody_else_or_of_no_lock_tells_no_process(text: str) -> None:
    assert holder_pid(text, "run-7") is None


def test_a_number_that_is_no_process_tells_none() -> None:
    assert holder_pid(f"run-7 {'9' * 5000} {this_host()} 1", "run-7") is None

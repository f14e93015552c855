"""What several tests of stored batches need: targets, their true bodies, a look at the disk."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.made_outcome import made_outcome
from tmdb_assets import batches
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.settings import from_environment
from tmdb_assets.store import BatchStore

BATCH = "films-0001"
FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED


def targets(count: int) -> tuple[Target, ...]:
    return tuple(
        Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
        for number in range(count)
    )


def body_of(target: Target) -> bytes:
    return json.dumps({"title": target.name * 3}).encode()


def outcome_of(target: Target, kind: OutcomeKind = FETCHED, attempts: int = 1) -> Outcome:
    is_fetched = kind is FETCHED
    return made_outcome(
        target,
        kind,
        body_of(target) if is_fetched else b"",
        sent_at=[1.0] * attempts,
        reason="" if is_fetched else "HTTP 404",
    )


def record(store: BatchStore, target: Target, kind: OutcomeKind = FETCHED) -> None:
    store.record(outcome_of(target, kind), body_of(target) if kind is FETCHED else None)


def finished(data_dir: Path, all_targets: Sequence[Target]) -> Path:
    """Fetch a whole batch and return its folder."""
    with BatchStore(data_dir, BATCH, all_targets) as store:
        for target in store.pending:
            record(store, target)
        store.seal(1.5)
        return store.folder


def frozen(
    data_dir: Path, name: str = "films", count: int = 6, lists: Path | None = None
) -> tuple[str, ...]:
    """Freeze a list of so many URLs into batches of 100 and return their names.

    Args:
        data_dir: where to.
        name: of the list.
        count: of its URLs.
        lists: where the file of URLs comes to lie; beside the data if None.
    """
    path = (lists or data_dir.parent) / f"{name}.txt"
    path.write_text("".join(f"/movie/{number}\n" for number in range(count)))
    settings = from_environment({"TMDB_DATA_DIR": str(data_dir), "TMDB_BATCH_SIZE": "100"})
    return batches.add(path, settings).all_batches


def fetch(data_dir: Path, batch: str) -> Path:
    """Fetch what a frozen batch lacks, every third URL being absent; return its folder."""
    all_targets = batches.load(data_dir, batch)
    with BatchStore(data_dir, batch, all_targets) as store:
        for target in store.pending:
            record(store, target, FETCHED if all_targets.index(target) % 3 else ABSENT)
        store.seal(1.0)
        return store.folder


def pending(data_dir: Path, all_targets: Sequence[Target]) -> list[str]:
    with BatchStore(data_dir, BATCH, all_targets) as store:
        return [target.name for target in store.pending]


def lines(folder: Path) -> list[bytes]:
    return (folder / "outcomes.jsonl").read_bytes().splitlines(keepends=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return what is below a folder: modes, moments of the last change, contents or where links go.

    Lock files are left out: whoever looks whether they are held takes them for a moment.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        if path.name == ".lock" and not path.is_symlink() and path.is_file():
            continue
        status = path.lstat()
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = str(path.readlink()).encode()
        changed_at = 0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        found[str(path.relative_to(root))] = (status.st_mode, changed_at, content)
    return found


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Fail a test that waits for ever, as one that opens a pipe would; in the main thread."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"still at it after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def held(script: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a script in another process hold something in the folder until the end of its input."""
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process

"""What it costs that a loss of power takes nothing: ways to bring 2,000 bodies to the disk.

In the folder of the project, since a temporary folder may lie in memory.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

BODIES = 2_000
BODY = os.urandom(40_000)
LINE = b"x" * 400


def put(folder: Path, number: int, *, is_synced: bool) -> None:
    """Write one body as the store does."""
    temporary = folder / f".tmp-{number}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(descriptor, BODY)
    if is_synced:
        os.fsync(descriptor)
    os.close(descriptor)
    temporary.replace(folder / f"movie-{number}.json")


def sync_all(folder: Path) -> None:
    """Sync every body, then the folder."""
    for path in (*folder.glob("movie-*.json"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def written(folder: Path, way: str) -> tuple[float, float]:
    """Return the seconds of writing and of the end."""
    outcomes = os.open(folder / "outcomes.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    began = time.perf_counter()
    for number in range(BODIES):
        put(folder, number, is_synced=way == "after each")
        os.write(outcomes, LINE)
        if way == "after each":
            os.fsync(outcomes)
    ended = time.perf_counter()
    if way == "all at the end":
        os.fsync(outcomes)
        sync_all(folder)
    os.close(outcomes)
    return ended - began, time.perf_counter() - ended


def main() -> Iterator[tuple[str, str, str]]:
    """Yield seconds per way, and those of reading all back."""
    name = f"{BODIES:,} bodies of 40 kB"
    for way in ("never", "after each", "all at the end"):
        with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".tmp_bench_") as place:
            os.sync()
            writing, end = written(Path(place), way)
            yield name, f"fsync {way}", f"{writing:.2f} s writing, {end:.2f} s at the end"
            began = time.perf_counter()
            for path in Path(place).glob("movie-*.json"):
                hashlib.sha256(path.read_bytes()).digest()
            seconds = time.perf_counter() - began
    yield name, "digests read back, as a resume does", f"{seconds:.2f} s"

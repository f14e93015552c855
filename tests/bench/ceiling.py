"""No cap, no latency: a run of ours beside a bare requests pool with atomic file writes.

Both ask the same URLs with the same threads, one after the other, each in a fresh process; the
stand-in is a process of its own. The bare pool checks nothing and keeps no outcomes.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import requests
from requests.adapters import HTTPAdapter

from tests.system.judge import judging
from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.settings import from_environment

URLS, ROUNDS = 4000, 3


def bare(folder: Path, origin: str, threads: int) -> float:
    """Fetch with a plain session and return the seconds."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=threads))

    def fetch(number: int) -> None:
        answer = session.get(f"{origin}/3/movie/{number}", timeout=30)
        if answer.ok:
            temporary = folder / f".{number}.tmp"
            temporary.write_bytes(answer.content)
            Path(temporary).replace(folder / f"{number}.json")

    began_at = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fetch, range(1, URLS + 1)))
    return time.perf_counter() - began_at


def ours(folder: Path, origin: str, threads: int) -> float:
    """Download one batch and return the seconds; the limiter is open, its silence over."""
    path = folder / "movies.txt"
    path.write_text("".join(f"/movie/{number}\n" for number in range(1, URLS + 1)))
    settings = from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_BATCH_SIZE": str(URLS),
            "TMDB_THREADS": str(threads),
            "TMDB_REQUESTS_PER_SECOND": "999999",
            "TMDB_LIMITER": f"file:{folder}/limiter",
        }
    )
    (batch,) = batches.add(path, settings).all_batches
    _end_silence(settings.limiter.removeprefix("file:"))
    began_at = time.perf_counter()
    report = download_batch(batch, settings)
    seconds = time.perf_counter() - began_at
    if report.failed:
        raise SystemExit(f"{report.failed} failed: {report.failures}")
    return seconds


def _end_silence(path: str) -> None:
    from tmdb_assets.limiter.file_store import FileStore  # noqa: PLC0415 - the other one must not pay

    store = FileStore(Path(path), 999_999)
    while store.book()[0] is None:
        time.sleep(0.05)
    store.close()


def main() -> Iterator[tuple[str, str, str]]:
    """Yield the figures of both by number of threads."""
    for threads in (32, 160):
        figures: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
        with judging(latency_seconds=0, cap=None) as (server, _):
            for _ in range(ROUNDS):
                for who, measured in figures.items():
                    measured.append(_in_fresh_process(who, server.origin, threads))
        rates = {who: URLS / median(s for s, _ in figures[who]) for who in figures}
        name = f"no cap, no latency, {threads} threads"
        for who, measured in figures.items():
            cpu = median(cpu for _, cpu in measured) / URLS * 1000
            yield name, who, f"{rates[who]:.0f} URLs/s, {cpu:.2f} CPU s per 1,000"
        yield name, "ours / bare", f"{rates['ours'] / rates['bare']:.2f}"


def _in_fresh_process(who: str, origin: str, threads: int) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.ceiling", who, origin, str(threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, cpu_seconds = json.loads(done.stdout)
    return seconds, cpu_seconds


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as here:
        function = {"bare": bare, "ours": ours}[sys.argv[1]]
        wall = function(Path(here), sys.argv[2], int(sys.argv[3]))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps([wall, usage.ru_utime + usage.ru_stime]))  # noqa: T201 - for the parent

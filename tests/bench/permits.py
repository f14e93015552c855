"""One process that takes permits and sends nothing: what the limiter costs by itself.

    python -m tests.bench.permits LIMITER THREADS UNTIL

After each permit its thread sleeps as long as TMDB takes to answer. At the end it prints permits,
how often it asked for one, and CPU seconds since its threads began, as JSON.
"""

import json
import resource
import sys
import threading
import time
from pathlib import Path

from tests.bench.settings import bench_settings
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.file_store import FileStore
from tmdb_assets.limiter.redis_store import RedisStore

PER_SECOND = 50
LATENCY_SECONDS = 2.3


class AskedFile(FileStore):
    """The real store, which counts."""

    asked = 0

    def book(self) -> tuple[int | None, int]:
        self.asked += 1
        return super().book()


class AskedRedis(RedisStore):
    """The same over Redis."""

    asked = 0

    def book(self) -> tuple[int | None, int]:
        self.asked += 1
        return super().book()


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def open_store(limiter: str) -> AskedFile | AskedRedis:
    settings = bench_settings(Path("nowhere"), "http://127.0.0.1:1", 1, 100, limiter)
    if limiter.startswith("file:"):
        return AskedFile(Path(limiter.removeprefix("file:")), PER_SECOND)
    return AskedRedis(limiter, f"tmdb_assets:{settings.limiter_key}", PER_SECOND)


def main() -> None:
    limiter, threads, until = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    store = open_store(limiter)
    door = Door(store, PER_SECOND)
    permits = 0
    lock = threading.Lock()
    is_over = threading.Event()

    def work() -> None:
        nonlocal permits
        try:
            while not is_over.wait(0):
                with door:
                    door.permit()
                with lock:
                    permits += 1
                is_over.wait(LATENCY_SECONDS)
        except LimiterClosedError:
            return

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    cpu_before = cpu()
    for worker in workers:
        worker.start()
    time.sleep(max(0.0, until - time.monotonic()))
    figures = {"permits": permits, "asked": store.asked, "cpu_seconds": cpu() - cpu_before}
    is_over.set()
    door.close()
    for worker in workers:
        worker.join(5.0)
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main()

"""One process that fetches so many URLs as fast as one limiter or another lets it.

    python -m tests.bench.contender KIND STORE ORIGIN THREADS FIRST COUNT

Ours goes through our client. The others are what their documentation shows: a permit from the stock
bucket, then a GET through a session that all threads share. At the end it prints its CPU seconds
and what the answers were, as JSON.
"""

import json
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import requests
from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate, RedisBucket, SQLiteBucket
from pyrate_limiter.abstracts import AbstractBucket
from redis import Redis
from requests.adapters import HTTPAdapter
from requests_ratelimiter import LimiterSession

from tests.bench.settings import bench_settings
from tmdb_assets.client.session import Client
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import Target
from tmdb_assets.slowdown import Slowdown

PER_SECOND = 50
TIMEOUT_SECONDS = 30

Fetch = Callable[[str], str]


@contextmanager
def ours(store: str, origin: str, threads: int) -> Iterator[Fetch]:
    settings = bench_settings(Path("nowhere"), origin, threads, 2000, store)
    door = open_door(settings)
    client, slowdown = Client(settings, door), Slowdown(door)

    def fetch(url: str) -> str:
        attempt = client.attempt(Target(url, "name"))
        slowdown.heed(attempt)
        return str(attempt.status or attempt.fault)

    yield fetch
    client.close()
    door.close()


def _bucket(kind: str, store: str) -> AbstractBucket:
    rates = [Rate(PER_SECOND, Duration.SECOND)]
    if kind == "memory":
        return InMemoryBucket(rates)
    if kind == "sqlite":
        return SQLiteBucket.init_from_file(rates, db_path=store, use_file_lock=True)
    bucket = RedisBucket.init(rates, Redis.from_url(store), "bench")
    if not isinstance(bucket, RedisBucket):
        raise TypeError("an asynchronous bucket")
    return bucket


@contextmanager
def stock(kind: str, store: str, threads: int) -> Iterator[Fetch]:
    limiter = Limiter(_bucket(kind, store))
    session = _mounted(requests.Session(), threads)

    def fetch(url: str) -> str:
        limiter.try_acquire("tmdb")
        return str(session.get(url, timeout=TIMEOUT_SECONDS).status_code)

    yield fetch
    session.close()


@contextmanager
def ratelimiter(threads: int) -> Iterator[Fetch]:
    session = LimiterSession(per_second=PER_SECOND)
    _mounted(session, threads)

    def fetch(url: str) -> str:
        return str(session.get(url, timeout=TIMEOUT_SECONDS).status_code)

    yield fetch
    session.close()


def _mounted(session: requests.Session, threads: int) -> requests.Session:
    session.mount("http://", HTTPAdapter(pool_maxsize=threads))
    return session


def _lent(kind: str, store: str, origin: str, threads: int) -> AbstractContextManager[Fetch]:
    if kind == "ours":
        return ours(store, origin, threads)
    return ratelimiter(threads) if kind == "ratelimiter" else stock(kind, store, threads)


def main() -> None:
    kind, store, origin = sys.argv[1:4]
    threads, first, count = map(int, sys.argv[4:])
    numbers = iter(range(first, first + count))
    statuses: Counter[str] = Counter()
    lock = threading.Lock()

    def work(fetch: Fetch) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                status = fetch(f"{origin}/3/movie/{number}")
            except Exception as error:  # noqa: BLE001 - it counts as what came of the request
                status = type(error).__name__
            with lock:
                statuses[status] += 1

    with _lent(kind, store, origin, threads) as fetch:
        workers = [
            threading.Thread(target=work, args=(fetch,), daemon=True) for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = used.ru_utime + used.ru_stime
    sys.stdout.write(json.dumps({"cpu_seconds": cpu_seconds, "statuses": statuses}))


if __name__ == "__main__":
    main()

"""How long tables of 100,000 answers take, in what memory, how large they are, and how fast to ask.

Fifty batches: mostly plain details of movies, some of series and persons, some movies with much
appended, and some credits. Bodies are the stand-in's, each with an id of its own; those of a batch
go when its tables are made, so that the disk holds one batch at a time. Each batch is made by a
fresh process, as Dagster does it.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tables.made_tables import freeze, store
from tmdb_assets.receipt import batch_folder
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.tables.asking import answering
from tmdb_assets.tables.catalog import refresh_catalog
from tmdb_assets.tables.making import make_tables

BATCHES = 50
URLS = 2000
_APPENDED = "credits,external_ids,images,keywords,recommendations,release_dates,similar,videos"
_SHARES = (
    (60, "/movie/{}", ""),
    (10, "/tv/{}", ""),
    (10, "/person/{}", ""),
    (5, "/movie/{}", f"append_to_response={_APPENDED}"),
    (15, "/movie/{}/credits", ""),
)
_SAMPLES = 100
QUERIES = {
    "movies and votes by genre": """
        SELECT genre.name, count(*), avg(vote_average)
        FROM (SELECT unnest(genres) AS genre, vote_average FROM movies)
        GROUP BY ALL ORDER BY 2 DESC
    """,
    "who plays in most movies": """
        SELECT actor.id, any_value(actor.name), count(*)
        FROM (SELECT unnest(credits."cast") AS actor FROM movies WHERE credits IS NOT NULL)
        GROUP BY ALL ORDER BY 3 DESC LIMIT 20
    """,
    "outcomes by kind and reason": """
        SELECT list, outcome, reason, count(*), sum(bytes), min(as_of), max(as_of)
        FROM outcomes GROUP BY ALL
    """,
    "one answer as JSON": """
        SELECT url, body->>'$.cast[0].name' FROM responses WHERE path = '/3/movie/1750/credits'
    """,
}


def main() -> Iterator[tuple[str, str, str]]:
    """Yield seconds, peak memory, sizes, and seconds of queries."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        made = [_batch(data_dir, number) for number in range(BATCHES)]
        answers = BATCHES * URLS
        name = f"tables of {answers:,}"
        seconds = sum(one["seconds"] for one in made)
        yield name, "seconds", f"{seconds:.1f} ({answers / seconds:,.0f} answers/s)"
        yield name, "slowest batch", f"{max(one['seconds'] for one in made):.2f} s"
        yield name, "peak memory", f"{max(one['mib'] for one in made):.0f} MiB"
        sizes = [sum(one[kind] for one in made) / 1e6 for kind in ("json_bytes", "parquet_bytes")]
        yield name, "JSON -> Parquet", f"{sizes[0]:,.0f} MB -> {sizes[1]:,.0f} MB"
        yield name, "catalogue", f"{refresh_catalog(data_dir).seconds:.2f} s"
        for what, sql in QUERIES.items():
            began_at = time.perf_counter()
            with answering(data_dir, sql) as answer:
                rows = sum(1 for _ in answer.rows)
            seconds = time.perf_counter() - began_at
            yield "query", f"{what}: {rows} rows", f"{seconds:.2f} s"


def _batch(data_dir: Path, number: int) -> dict[str, float]:
    """Make up what was downloaded, make its tables in a fresh process, and remove the bodies."""
    bodies = dict(_bodies(number * URLS))
    data_dir.mkdir(parents=True, exist_ok=True)
    batch = freeze(data_dir, [*bodies])
    for path, body in bodies.items():
        store(data_dir, batch, path, body)
    command = [sys.executable, "-m", "tests.bench.tables", str(data_dir), batch]
    found: dict[str, float] = json.loads(subprocess.check_output(command))
    shutil.rmtree(batch_folder(data_dir, batch))
    return found


def _bodies(first: int) -> Iterator[tuple[str, dict[str, Any]]]:
    place = first
    for share, pattern, query in _SHARES:
        samples = _samples(pattern, query)
        for turn in range(URLS * share // 100):
            place += 1
            path = pattern.format(place)
            body = {**samples[turn % len(samples)], "id": place}
            yield f"{path}?{query}" if query else path, body


def _samples(pattern: str, query: str) -> list[dict[str, Any]]:
    found = []
    for number in range(2, 3 * _SAMPLES):
        answer = answer_to(f"/3{pattern.format(number)}", query)
        if answer.status == 200:
            found.append(json.loads(answer.body))
    return found[:_SAMPLES]


def _measure(data_dir: Path, batch: str) -> None:
    report = make_tables(data_dir, batch)
    if report.odd or report.rows["outcomes"] != URLS:
        raise SystemExit(f"not as made up: {report}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    mib = peak / 1024**2 if sys.platform == "darwin" else peak / 1024
    found = {"seconds": report.seconds, "mib": mib}
    found |= {"json_bytes": report.json_bytes, "parquet_bytes": report.parquet_bytes}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    _measure(Path(sys.argv[1]), sys.argv[2])

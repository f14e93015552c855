"""100,000 URLs without a cap, one in twenty of them in trouble, in one process: does memory grow?

The kinds of trouble are all those that pass with the next requests, do not stall and do not ask
everybody to slow down. `BENCH_URLS=10000` shortens it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from tests.system.judge import judging
from tests.system.project import ROOT
from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.model import Settings
from tmdb_assets.receipt import batch_folder
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.survey import Survey
from tmdb_assets.verification import verify_list

URLS, BATCHES = 100_000, 5
SAMPLE_SECONDS = 5.0
LONGEST_SECONDS = 2400.0
NAME = "movies-stand-in"

PASSING = (
    *("500", "502", "503", "504", "404_html", "close", "reset", "reset_in_body"),
    *("reset_in_headers", "truncated", "truncated_chunked", "truncated_unframed"),
    *("bad_gzip", "bad_gzip_crc", "bad_json", "bad_utf8", "cut_gzip", "gzip_no_trailer"),
    *("deep_json", "empty", "header_flood", "html", "redirect_same", "wrong_id"),
)

Row = tuple[str, str, str]


def main() -> Iterator[Row]:
    """Yield memory over time, speed, and whether all is true."""
    urls = int(os.environ.get("BENCH_URLS", URLS))
    name = f"{urls:,} URLs, no cap, 5 % faults"
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=0, cap=None, fault_share=0.05, fault_kinds=PASSING) as (server, _),
    ):
        settings = _settings(Path(folder), server.origin, urls)
        path = Path(folder, "movies.txt")
        path.write_text("".join(f"/movie/{number}\n" for number in range(1, urls + 1)))
        batches.add(path, settings)
        samples, said_at_end = _watch(Path(folder), server.origin, urls)
        for tenth in range(1, 11):
            reached = (one for one in samples if one[0] >= urls * tenth / 10)
            done, mib = next(reached, samples[-1])
            yield name, f"RSS at {tenth * 10} % ({done:,} URLs)", f"{mib:.0f} MiB"
        yield name, "RSS at most", f"{max(mib for _, mib in samples):.0f} MiB"
        yield name, "what the process said of its time", said_at_end
        said = server.statistics()
        yield name, "requests / misbehaved", f"{said['arrivals']:,} / {_sum(said['faults']):,}"
        yield from _truths(name, settings)


def _sum(counts: object) -> int:
    return sum(counts.values()) if isinstance(counts, dict) else 0


def _settings(folder: Path, origin: str, urls: int) -> Settings:
    return from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_BATCH_SIZE": str(urls // BATCHES),
            "TMDB_REQUESTS_PER_SECOND": "999999",
            "TMDB_LIMITER": f"file:{folder}/limiter",
        }
    )


def _watch(folder: Path, origin: str, urls: int) -> tuple[list[tuple[int, float]], str]:
    """Download in a fresh process; return URLs done and MiB, every few seconds, and its words."""
    survey, samples = Survey(folder / "data", NAME), list[tuple[int, float]]()
    command = [sys.executable, "-m", "tests.bench.faults_100k", str(folder), origin, str(urls)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + LONGEST_SECONDS
        try:
            # at the end it waits for a word, so that the last sample is of a process that lives
            while process.poll() is None and time.monotonic() < deadline:
                standing = survey.look()
                done = standing.fetched + standing.absent + standing.failed
                samples.append((done, _rss_mib(process.pid)))
                if standing.complete == BATCHES:
                    break
                time.sleep(SAMPLE_SECONDS)
            said, _ = process.communicate("", timeout=60)
        finally:
            process.kill()
    return samples, f"{said}, exit {process.returncode}"


def _rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _truths(name: str, settings: Settings) -> Iterator[Row]:
    """Compare everything with what a stand-in serves that does not misbehave."""
    verified = list(verify_list(settings.data_dir, NAME))
    findings = [finding for one in verified for finding in one.findings]
    bodies, urls = sum(one.bodies for one in verified), sum(one.urls for one in verified)
    yield name, "findings of verify", f"{len(findings)} {findings[:3] if findings else ''}".strip()
    found: Counter[str] = Counter()
    for batch in batches.read_list(settings.data_dir, NAME).batches:
        folder = batch_folder(settings.data_dir, batch.name)
        for target in batches.load(settings.data_dir, batch.name):
            found[_truth(target.url, folder / f"{target.name}.json")] += 1
    pending = sum(one.pending for one in verified)
    yield name, "URLs / bodies / pending", f"{urls:,} / {bodies:,} / {pending}"
    yield (
        name,
        "compared with a healthy stand-in",
        ", ".join(f"{what} {count:,}" for what, count in sorted(found.items())),
    )


def _truth(url: str, path: Path) -> str:
    number = int(url.rpartition("/")[2])
    answer = answer_to(f"/3/movie/{number}", "")
    if answer.status == HTTPStatus.NOT_FOUND:
        return "a body too many" if path.exists() else "rightly absent"
    if not path.exists():
        return "no body"
    body = path.read_bytes()
    if json.loads(body)["id"] != number:
        return "wrong id"
    return "right" if body == answer.body else "altered"


def _download(folder: Path, origin: str, urls: int) -> None:
    """Download all batches one after another, and wait for the word to end."""
    settings = _settings(folder, origin, urls)
    began_at = time.monotonic()
    for batch in batches.read_list(settings.data_dir, NAME).batches:
        report = download_batch(batch.name, settings)
        sys.stderr.write(f"{batch.name}: {report.failed} failed, {report.seconds:.0f} s\n")
    seconds = time.monotonic() - began_at
    sys.stdout.write(f"{urls / seconds:.0f} URLs/s, {seconds:.0f} s")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _download(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

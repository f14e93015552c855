import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tmdb_assets import batches
from tmdb_assets.cap_use import CapUse, fullest_second
from tmdb_assets.download import download_batch
from tmdb_assets.errors import (
    BatchBusyError,
    BatchError,
    ConfigurationError,
    CredentialError,
    LimiterUnavailableError,
    StoreError,
)
from tmdb_assets.model import Outcome, OutcomeKind, Settings, Target
from tmdb_assets.outcomes import decode, encode
from tmdb_assets.receipt import batch_folder, needs_download
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.faults import Share
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.store import BatchStore

BATCH = "films-stand-in-0001"
OUTCOME = Outcome("", "", OutcomeKind.ABSENT, 404, "", 1, 0, "", "", (), 0.1)
THREADS = 16
PASSING = (
    *("503", "502", "500", "504", "reset", "close", "reset_in_body", "truncated"),
    *("truncated_chunked", "bad_json", "bad_gzip", "html", "empty", "404_html"),
)
"""Kinds of misbehaviour that are over with the next request, and cost no long pause."""

DOWNLOAD = """
import sys
from pathlib import Path
from tmdb_assets.download import download_batch
from tmdb_assets.settings import from_environment
data_dir, origin, limiter = sys.argv[1:]
download_batch("films-stand-in-0001", from_environment({
    "TMDB_DATA_DIR": data_dir,
    "TMDB_ALLOWED_ORIGINS": origin,
    "TMDB_LIMITER": f"file:{limiter}",
    "TMDB_REQUESTS_PER_SECOND": "1000",
    "TMDB_THREADS": "16",
}))
"""


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "limiter"


@dataclass(frozen=True)
class Place:
    """A folder with one frozen batch of films."""

    folder: Path
    settings: Settings
    targets: tuple[Target, ...]

    @property
    def responses(self) -> Path:
        return batch_folder(self.settings.data_dir, BATCH)

    def outcomes(self) -> list[Outcome]:
        lines = (self.responses / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
        return [decode(line) for line in lines if line.endswith(b"\n")]

    def settled(self) -> set[str]:
        """Return the paths of URLs that need no request any more."""
        return {
            outcome.url.removeprefix(self.settings.origins[0])
            for outcome in self.outcomes()
            if outcome.outcome is not OutcomeKind.FAILED
        }

    def bodies(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.responses.glob("movie-*.json")}

    def true_bodies(self) -> dict[str, bytes]:
        answers = {target.name: self.answer(target) for target in self.targets}
        return {f"{name}.json": body for name, (status, body) in answers.items() if status == 200}

    def answer(self, target: Target) -> tuple[int, bytes]:
        answer = answer_to(target.url.removeprefix(self.settings.origins[0]), "")
        return answer.status, answer.body


def place(folder: Path, origin: str, limiter: Path, count: int, token: str = "") -> Place:
    settings = from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_LIMITER": f"file:{limiter}",
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_THREADS": str(THREADS),
            "TMDB_READ_ACCESS_TOKEN": token,
        }
    )
    path = folder / "films.txt"
    path.write_text("".join(f"/movie/{number}\n" for number in range(100, 100 + count)))
    batches.add(path, settings)
    return Place(folder, settings, batches.load(settings.data_dir, BATCH))


def quick(**changes: object) -> StandInSettings:
    return replace(StandInSettings(latency_seconds=0, cap=None, fault_times=1), **changes)  # type: ignore[arg-type]


def asked(server: StandIn) -> Counter[str]:
    return Counter(url for _, url, _ in server.arrivals())


def paths(targets: Sequence[Target], origin: str) -> set[str]:
    return {target.url.removeprefix(origin) for target in targets}


# --- to the end ---------------------------------------------------------------------------------


def test_every_url_is_asked_once_and_its_body_stored_as_it_was_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 300)

        report = download_batch(BATCH, films.settings, "run 7")

        assert asked(server) == dict.fromkeys(paths(films.targets, server.origin), 1)
    bodies = films.bodies()
    absent = 300 - len(bodies)
    assert bodies == films.true_bodies()
    assert 0 < absent < 300
    assert Counter(outcome.name for outcome in films.outcomes()) == dict.fromkeys(
        (target.name for target in films.targets), 1
    )
    assert (films.responses / ".lock").read_text() == ""
    assert (report.batch, report.urls, report.resumed) == (BATCH, 300, 0)
    assert (report.fetched, report.absent, report.failed) == (300 - absent, absent, 0)
    assert (report.requests, report.refused) == (300, 0)
    assert report.bytes == sum(map(len, bodies.values()))
    assert (report.failures, report.pauses) == ((), ())
    assert report.folder == films.responses


def test_the_rates_and_times_of_the_report_are_those_of_the_outcomes(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick(latency_seconds=0.05)) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        began_at = time.time()

        report = download_batch(BATCH, films.settings)

    sent_at = sorted(moment for outcome in films.outcomes() for moment in outcome.sent_at)
    rate = 99 / (sent_at[-1] - sent_at[0])
    assert report.requests_per_second == pytest.approx(rate, rel=0.001)
    assert report.share_of_cap == pytest.approx(rate / 1000, rel=0.001)
    assert 0.0 < report.latency_p50_seconds <= report.latency_p95_seconds <= report.seconds
    assert report.seconds <= time.time() - began_at
    assert began_at <= sent_at[0]
    assert len(report.latencies_seconds) == 100
    assert sorted(report.latencies_seconds) == pytest.approx(
        sorted(outcome.seconds for outcome in films.outcomes()), abs=1e-6
    )
    assert sorted(report.latencies_seconds)[49] == report.latency_p50_seconds
    assert 0.0 < report.permit_wait_seconds <= report.seconds


def test_the_report_tells_how_the_run_and_all_beside_it_used_the_cap(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        # what another run leaves that sends all the time
        other = batch_folder(films.settings.data_dir, "shows-stand-in-0001")
        other.mkdir(parents=True)
        now = time.time()
        moments = tuple(now + number / 100 for number in range(6000))
        (other / "outcomes.jsonl").write_bytes(encode(replace(OUTCOME, sent_at=moments)))

        report = download_batch(BATCH, films.settings)

    own = sorted(moment for outcome in films.outcomes() for moment in outcome.sent_at)
    others = sum(own[0] <= moment <= own[-1] for moment in moments)
    use = report.cap_use
    assert report.cap == 1000
    assert use.batches == 2
    assert use.requests == sum(use.per_second) == pytest.approx(100 + others, abs=1)
    assert sum(use.own_per_second) == 100
    assert len(use.per_second) == len(use.own_per_second)
    assert fullest_second(own)[0] + 90 <= use.fullest <= 1000


def test_the_receipt_vouches_for_all_bodies(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        before = needs_download(films.settings.data_dir, BATCH)
        report = download_batch(BATCH, films.settings)

    receipt = json.loads((films.responses / "receipt.json").read_bytes())
    bodies = films.bodies()
    digest = hashlib.sha256()
    for target in films.targets:
        body = bodies.get(f"{target.name}.json")
        mine = hashlib.sha256(body).hexdigest() if body is not None else ""
        digest.update(f"{target.name} {mine}\n".encode())
    assert (before, needs_download(films.settings.data_dir, BATCH)) == (True, False)
    assert receipt["digest"] == digest.hexdigest()
    assert (receipt["urls"], receipt["attempts"]) == (100, 100)
    assert receipt["fetched"] == report.fetched == len(bodies)
    assert receipt["bytes"] == report.bytes


def test_of_a_server_that_misbehaves_only_true_bodies_are_stored(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick(fault_share=0.2, fault_kinds=PASSING)) as server:
        films = place(tmp_path, server.origin, limiter, 300)

        report = download_batch(BATCH, films.settings)

        statistics = server.statistics()
        asked_for = asked(server)
    faulty = {path for path, count in asked_for.items() if count == 2}
    share = Share(0.2, PASSING, 1, 0)
    assert films.bodies() == films.true_bodies()
    assert faulty == {path for path in asked_for if share.kind_of(path)}
    assert 30 <= len(faulty) <= 90
    assert max(asked_for.values()) == 2
    assert report.failed == 0
    assert report.requests == statistics["arrivals"] == 300 + len(faulty)
    assert sum(count for _, count in report.pauses) == len(faulty)
    assert Counter(outcome.name for outcome in films.outcomes()) == dict.fromkeys(
        (target.name for target in films.targets), 1
    )


def test_what_never_works_fails_by_itself_and_is_tried_again_by_the_next_run(
    tmp_path: Path, limiter: Path
) -> None:
    script = {"/3/movie/105": ["error_44", "error_44"], "/3/movie/107": ["redirect_other"]}
    with StandIn(quick(script=script)) as server:
        films = place(tmp_path, server.origin, limiter, 100)

        reports = [download_batch(BATCH, films.settings)]
        needs = [needs_download(films.settings.data_dir, BATCH)]
        server.reset()
        server.change({"script": {"/3/movie/105": ["error_44"]}})
        reports.append(download_batch(BATCH, films.settings))
        second = asked(server)
        needs.append(needs_download(films.settings.data_dir, BATCH))
        server.change({"script": {}})
        reports.append(download_batch(BATCH, films.settings))
        needs.append(needs_download(films.settings.data_dir, BATCH))

    assert [report.failed for report in reports] == [2, 1, 0]
    assert [report.resumed for report in reports] == [0, 98, 99]
    assert [report.requests for report in reports] == [100, 2, 1]
    assert set(reports[0].failures) == {
        ("HTTP 500, TMDB code 44", 1, (f"{films.settings.origins[0]}/3/movie/105",)),
        ("redirected elsewhere", 1, (f"{films.settings.origins[0]}/3/movie/107",)),
    }
    assert second == {"/3/movie/105": 1, "/3/movie/107": 1}
    assert needs == [True, True, False]
    assert films.bodies() == films.true_bodies()


def test_answers_429_are_counted_and_waited_out(tmp_path: Path, limiter: Path) -> None:
    script = {"/3/movie/105": ["429"], "/3/movie/107": ["429_retry_after"]}
    with StandIn(quick(script=script)) as server:
        films = place(tmp_path, server.origin, limiter, 100)

        report = download_batch(BATCH, films.settings)

    assert (report.refused, report.requests, report.failed) == (2, 102, 0)
    assert 1 <= report.cooldowns <= 2  # the second may say the same as the first
    assert 0.9 * report.cooldowns <= report.cooldown_seconds <= report.seconds
    assert report.limiter_rate < films.settings.requests_per_second
    assert films.bodies() == films.true_bodies()


# --- once more ----------------------------------------------------------------------------------


def test_a_finished_batch_costs_no_request(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        first = download_batch(BATCH, films.settings)
        receipt = (films.responses / "receipt.json").read_bytes()
        server.reset()

        report = download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
    assert (report.urls, report.resumed, report.requests) == (100, 100, 0)
    assert (report.fetched, report.absent) == (first.fetched, first.absent)
    assert (report.bytes, report.requests_per_second, report.latency_p95_seconds) == (0, 0.0, 0.0)
    assert (report.latencies_seconds, report.permit_wait_seconds) == ((), 0.0)
    assert report.cap_use == CapUse(0, 0, 0, 0.0, (), ())
    assert (films.responses / "receipt.json").read_bytes() == receipt


@pytest.mark.parametrize("content", [None, b"", b'{"failed": 1}'])
def test_a_run_that_was_killed_just_before_its_receipt_gets_one_from_the_next(
    tmp_path: Path, limiter: Path, content: bytes | None
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        download_batch(BATCH, films.settings)
        path = films.responses / "receipt.json"
        digest = json.loads(path.read_bytes())["digest"]
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        server.reset()

        report = download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
    assert report.resumed == 100
    assert not needs_download(films.settings.data_dir, BATCH)
    assert json.loads(path.read_bytes())["digest"] == digest


def test_a_body_that_went_away_is_fetched_again_and_nothing_else(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        download_batch(BATCH, films.settings)
        lost = sorted(films.bodies())[:3]
        for name in lost:
            (films.responses / name).unlink()
        server.reset()

        report = download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 3
    assert (report.urls, report.resumed, report.requests, report.failed) == (100, 97, 3, 0)
    assert films.bodies() == films.true_bodies()


@contextmanager
def downloading(films: Place, limiter: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process download the batch."""
    command = [
        *(sys.executable, "-c", DOWNLOAD, str(films.settings.data_dir)),
        *(films.settings.origins[0], str(limiter)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_arrivals(server: StandIn, count: int) -> None:
    deadline = time.monotonic() + 20.0
    while len(server.arrivals()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_half_way_is_resumed_without_asking_anything_anew(
    tmp_path: Path, number: signal.Signals
) -> None:
    limiter = tmp_path / "limiter"
    with StandIn(quick(latency_seconds=0.2)) as server:
        films = place(tmp_path, server.origin, limiter, 300)
        with downloading(films, limiter) as process:
            wait_for_arrivals(server, 150)
            process.send_signal(number)
            _, said = process.communicate(timeout=20)
        settled = films.settled()
        before = asked(server)
        server.reset()
        server.change({"latency_seconds": 0})

        report = download_batch(BATCH, films.settings)

        after = asked(server)
    assert process.returncode != 0, said
    assert 50 <= len(settled) < 300
    # what a kill costs is in the hands of threads, waits for the disk, or is being written; after a
    # kind end all that has landed but what was being written at that moment
    lost = 3 * THREADS + 1 if number == signal.SIGKILL else 1
    assert len(set(before) - settled) <= lost
    assert after == dict.fromkeys(paths(films.targets, films.settings.origins[0]) - settled, 1)
    assert (report.resumed, report.requests) == (len(settled), 300 - len(settled))
    assert films.bodies() == films.true_bodies()
    assert not needs_download(films.settings.data_dir, BATCH)


# --- not at all ---------------------------------------------------------------------------------


def test_an_origin_that_is_not_allowed_any_more_is_not_asked(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        elsewhere = replace(films.settings, origins=("http://127.0.0.1:9",))

        with pytest.raises(
            ConfigurationError, match=f"'{BATCH}' was frozen for {server.origin}, which TMDB_"
        ):
            download_batch(BATCH, elsewhere)

        assert server.statistics()["arrivals"] == 0
    assert not films.responses.exists()


def test_tmdb_is_not_asked_without_a_token(tmp_path: Path) -> None:
    limiter = tmp_path / "limiter"
    path = tmp_path / "films.txt"
    path.write_text("/movie/550\n")
    settings = from_environment(
        {"TMDB_DATA_DIR": str(tmp_path / "data"), "TMDB_LIMITER": f"file:{limiter}"}
    )
    (batch,) = batches.add(path, settings).all_batches

    with pytest.raises(ConfigurationError, match="set TMDB_READ_ACCESS_TOKEN: TMDB answers nobody"):
        download_batch(batch, settings)

    assert not batch_folder(settings.data_dir, batch).exists()
    assert not limiter.exists()


def test_too_many_threads_for_this_system_are_refused_before_anything_is_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)

        with pytest.raises(ConfigurationError, match=r"threads need .* open files, this sy"):
            download_batch(BATCH, replace(films.settings, threads=2**40))

        assert server.statistics()["arrivals"] == 0


def test_a_key_that_is_refused_ends_the_run_at_once_and_keeps_what_came_before(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick(token="a-token", refuse_after=50)) as server:  # noqa: S106 - not a secret
        films = place(tmp_path, server.origin, limiter, 300, "a-token")

        with pytest.raises(CredentialError, match="check TMDB_READ_ACCESS_TOKEN") as caught:
            download_batch(BATCH, films.settings)

        assert 50 <= int(str(server.statistics()["arrivals"])) <= 49 + THREADS
    true_bodies = films.true_bodies()
    assert "a-token" not in str(caught.value)
    assert len(films.outcomes()) == 49
    assert films.bodies().items() <= true_bodies.items()
    assert not (films.responses / "receipt.json").exists()


@pytest.mark.parametrize("name", ["films-stand-in-0002", "flims-0001", "films", f"../{BATCH}", ""])
def test_a_batch_that_is_not_there_is_named(tmp_path: Path, limiter: Path, name: str) -> None:
    films = place(tmp_path, "http://127.0.0.1:9", limiter, 100)

    with pytest.raises(BatchError, match=r"`tmdb-assets status` shows all"):
        download_batch(name, films.settings)


def test_a_batch_that_another_run_has_is_not_asked_for_twice(tmp_path: Path, limiter: Path) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        busy = pytest.raises(BatchBusyError, match=f"'{BATCH}' is being downloaded by another")

        with BatchStore(films.settings.data_dir, BATCH, films.targets), busy:
            download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0
        assert download_batch(BATCH, films.settings).urls == 100


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_sent(
    tmp_path: Path, limiter: Path
) -> None:
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, limiter, 100)
        films.responses.parent.mkdir(parents=True)
        films.responses.touch()

        with pytest.raises(StoreError, match=r"in-0001': File exists: set TMDB_DATA_DIR to a"):
            download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0


def test_without_a_limiter_nothing_is_sent(tmp_path: Path) -> None:
    (tmp_path / "limiter").mkdir()
    with StandIn(quick()) as server:
        films = place(tmp_path, server.origin, tmp_path / "limiter", 100)

        with pytest.raises(LimiterUnavailableError, match="limiter': Is a directory"):
            download_batch(BATCH, films.settings)

        assert server.statistics()["arrivals"] == 0

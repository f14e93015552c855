"""A list that is fetched anew: what still holds is confirmed, what changed is replaced, no more."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import child_download
from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.inspection import inspect
from tmdb_assets.model import Outcome, OutcomeKind, Settings, Target
from tmdb_assets.purging import purge_list
from tmdb_assets.receipt import batch_folder, is_settled, needs_download
from tmdb_assets.renewal import Renewal, write_renewal
from tmdb_assets.report import Report
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.verification import verify_batch

FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED
LIST, BATCH = "films-stand-in", "films-stand-in-0001"
RESOURCES = ("", "/credits", "/images", "/watch/providers")
REVISION = "stand_in_revision"


@pytest.fixture(scope="module")
def slots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "slots"


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn(replace(StandInSettings(), latency_seconds=0, cap=None)) as server:
        yield server


@dataclass(frozen=True)
class Films:
    """A downloaded list of one batch.

    Attributes:
        before: the outcomes of its first download, by path.
    """

    settings: Settings
    server: StandIn
    targets: tuple[Target, ...]
    before: dict[str, Outcome]

    @property
    def folder(self) -> Path:
        return batch_folder(self.settings.data_dir, BATCH)

    def outcomes(self) -> dict[str, Outcome]:
        found = inspect(self.folder, self.targets).last
        return {one.url.removeprefix(self.server.origin): one for one in found.values()}

    def documents(self) -> dict[str, dict[str, object]]:
        return {
            path: json.loads((self.folder / f"{one.name}.json").read_bytes())
            for path, one in self.outcomes().items()
            if one.has_body
        }

    def files(self) -> dict[str, tuple[int, int]]:
        """Return inodes and moments of the last change of all bodies."""
        found = {path.name: path.stat() for path in self.folder.glob("movie-*.json")}
        return {name: (one.st_ino, one.st_mtime_ns) for name, one in found.items()}

    def asked(self) -> Counter[tuple[str, int | None]]:
        """Return what arrived since the last look, with the status of the answer."""
        found = Counter((url, status) for _, url, status in self.server.arrivals())
        self.server.reset()
        return found

    def statuses(self) -> dict[int | None, int]:
        counts: Counter[int | None] = Counter()
        for (_, status), times in self.asked().items():
            counts[status] += times
        return dict(counts)

    def want_newer(self, *, keep_history: bool = False) -> float:
        """Have all that is there be too old; return the moment."""
        since = time.time()
        write_renewal(self.settings.data_dir, LIST, Renewal(since, keep_history=keep_history))
        return since

    def refresh(self, *, keep_history: bool = False) -> Report:
        self.want_newer(keep_history=keep_history)
        return self.go_on()

    def go_on(self) -> Report:
        report = download_batch(BATCH, self.settings)
        assert verify_batch(self.settings.data_dir, BATCH).findings == ()
        return report


def downloaded(
    folder: Path, server: StandIn, slots: Path, *paths: str, combine: bool = False
) -> Films:
    settings = from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": server.origin,
            "TMDB_LIMITER": f"file:{slots}",
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_THREADS": "16",
            "TMDB_MAX_ATTEMPTS": "1",
        }
    )
    path = folder / "films.txt"
    path.write_text("".join(f"{one}\n" for one in paths))
    batches.add(path, settings, combine=combine)
    films = Films(settings, server, batches.load(settings.data_dir, BATCH), {})
    films.go_on()
    server.reset()
    return replace(films, before=films.outcomes())


SINGLE = [f"/3/movie/{number}" for number in range(100, 160)]
TOGETHER = [f"/3/movie/{number}{name}" for number in range(100, 120) for name in RESOURCES]


def test_what_did_not_change_is_confirmed_and_its_file_stays(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *SINGLE)
    files, absent = films.files(), sum(one.outcome is ABSENT for one in films.before.values())

    since = films.want_newer()
    is_open = needs_download(films.settings.data_dir, BATCH)
    report = films.go_on()

    assert 0 < absent < 30
    assert is_open
    assert films.statuses() == {304: 60 - absent, 404: absent}
    assert (report.conditional, report.unchanged, report.bytes) == (60 - absent, 60 - absent, 0)
    assert films.files() == files
    after = films.outcomes()
    assert min(one.as_of for one in after.values()) >= since
    assert {url: (one.sha256, one.etag, one.bytes) for url, one in after.items()} == {
        url: (one.sha256, one.etag, one.bytes) for url, one in films.before.items()
    }
    assert is_settled(films.settings.data_dir, BATCH)
    films.go_on()
    assert films.statuses() == {}


@pytest.mark.parametrize("keep_history", [True, False])
def test_what_changed_is_replaced_and_what_did_not_stays(
    tmp_path: Path, server: StandIn, slots: Path, *, keep_history: bool
) -> None:
    films = downloaded(tmp_path, server, slots, *SINGLE)
    documents, files = films.documents(), films.files()
    server.change({"revision": 7, "revised_share": 0.5, "gone": SINGLE[-9:]})

    report = films.refresh(keep_history=keep_history)

    now, after = films.documents(), films.outcomes()
    changed = {path for path, one in now.items() if one.get(REVISION) == 7}
    gone = documents.keys() - now.keys()
    assert gone == documents.keys() & set(SINGLE[-9:])
    assert 0 < len(changed) < len(now)
    assert report.unchanged == len(now) - len(changed)
    assert now == {
        path: {**one, REVISION: 7} if path in changed else one
        for path, one in documents.items()
        if path not in gone
    }
    assert {path for path in now if after[path].status == 304} == now.keys() - changed
    stayed = {f"{after[path].name}.json" for path in now.keys() - changed}
    assert {name: films.files()[name] for name in stayed} == {name: files[name] for name in stayed}
    kept = list(films.settings.data_dir.glob(f"history/{LIST}/{BATCH}/*.json"))
    assert len(kept) == (len(changed) + len(gone) if keep_history else 0)
    assert all(REVISION not in json.loads(path.read_bytes()) for path in kept)


def test_a_server_that_ignores_conditions_costs_bytes_and_no_file_is_written_anew(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *SINGLE)
    files, absent = films.files(), sum(one.outcome is ABSENT for one in films.before.values())
    server.change({"honours_conditions": False})

    report = films.refresh()

    assert films.statuses() == {200: 60 - absent, 404: absent}
    assert (report.conditional, report.unchanged) == (60 - absent, 0)
    assert report.bytes == sum(one.bytes for one in films.before.values())
    assert films.files() == files


def test_what_came_together_is_confirmed_together(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *TOGETHER, combine=True)
    files, absent = films.files(), sum(one.outcome is ABSENT for one in films.before.values()) // 4

    report = films.refresh()

    # of a thing that is not there nothing is known that could be confirmed
    assert films.statuses() == {304: 20 - absent, 404: 4 * absent}
    assert (report.unchanged, report.combined) == (4 * (20 - absent),) * 2
    assert films.files() == files
    assert {one.as_of for one in films.before.values()} & {
        one.as_of for one in films.outcomes().values()
    } == set()


def test_of_what_came_together_every_part_is_renewed_when_one_changed(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *TOGETHER, combine=True)
    documents, files = films.documents(), films.files()
    paths = [path for path in documents if path.count("/") == 3][:3]
    server.change({"revisions": dict.fromkeys(paths, 3)})

    films.refresh()

    now = films.documents()
    assert films.statuses()[200] == 3
    assert now == {
        path: {**one, REVISION: 3} if path in paths else one for path, one in documents.items()
    }
    rewritten = {name for name, one in films.files().items() if files[name] != one}
    assert rewritten == {f"{films.before[path].name}.json" for path in paths}


def test_a_list_that_combines_since_then_is_asked_for_anew_without_conditions(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *TOGETHER)
    documents, files = films.documents(), films.files()
    absent = sum(one.outcome is ABSENT for one in films.before.values()) // 4
    batches.add(tmp_path / "films.txt", films.settings, combine=True)

    films.refresh()

    assert films.statuses() == {200: 20 - absent, 404: 4 * absent}
    assert films.documents() == documents
    # the id of a part may stand elsewhere now: then it is another file with the same content
    assert films.files().keys() == files.keys()
    films.refresh()
    assert films.statuses()[304] == 20 - absent


def test_only_what_was_asked_for_on_a_condition_is_counted_as_such(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *TOGETHER)
    batches.add(tmp_path / "films.txt", films.settings, combine=True)

    assert films.refresh().conditional == 0


def test_what_cannot_be_refreshed_stays_readable_and_is_tried_by_the_next_run(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *SINGLE)
    documents = films.documents()
    bad = list(documents)[:3]
    server.change({"revision": 2, "script": {path: ["error_44"] for path in bad}})

    since = films.want_newer()
    report = films.go_on()

    assert report.failed == 3
    assert {path: films.documents()[path] for path in bad} == {
        path: documents[path] for path in bad
    }
    assert {films.outcomes()[path].outcome for path in bad} == {FAILED}
    assert max(films.outcomes()[path].as_of for path in bad) < since
    assert needs_download(films.settings.data_dir, BATCH)
    server.change({"script": {}})
    films.asked()

    assert films.go_on().failed == 0
    assert films.asked() == {(path, 200): 1 for path in bad}
    assert all(one[REVISION] == 2 for one in films.documents().values())
    assert is_settled(films.settings.data_dir, BATCH)


def wait_for_outcomes(path: Path, count: int) -> None:
    deadline = time.monotonic() + 20.0
    while path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_refresh_that_was_killed_goes_on_with_the_next_run(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *(f"/3/movie/{one}" for one in range(100, 300)))
    documents = films.documents()
    server.change({"revision": 5, "latency_seconds": 0.1})
    since = films.want_newer(keep_history=True)
    command = child_download.command(
        BATCH, films.settings.data_dir, server.origin, slots, threads=8
    )
    with subprocess.Popen(command) as process:
        wait_for_outcomes(films.folder / "outcomes.jsonl", 200 + 60)
        process.kill()
    found = inspect(films.folder, films.targets)
    done = {url for url, one in found.last.items() if one.as_of >= since}
    server.reset()
    server.change({"latency_seconds": 0})

    assert 60 <= len(done) < 200
    assert not found.missing
    assert len(found.altered) <= 1  # what was renamed, and its outcome was not written yet
    films.go_on()

    asked = {f"{server.origin}{path}": times for (path, _), times in films.asked().items()}
    assert asked == dict.fromkeys({one.url for one in films.targets} - done, 1)
    assert films.documents() == {path: {**one, REVISION: 5} for path, one in documents.items()}
    kept = list(films.settings.data_dir.glob(f"history/{LIST}/{BATCH}/*.json"))
    assert len(kept) == len(documents)
    assert is_settled(films.settings.data_dir, BATCH)


def test_what_was_purged_is_not_asked_for_until_somebody_wants_it_anew(
    tmp_path: Path, server: StandIn, slots: Path
) -> None:
    films = downloaded(tmp_path, server, slots, *TOGETHER, combine=True)
    documents = films.documents()
    now = time.time()

    (purged,) = purge_list(films.settings.data_dir, LIST, now, now)

    assert purged.bodies == len(documents)
    assert films.documents() == {}
    assert not needs_download(films.settings.data_dir, BATCH)
    assert is_settled(films.settings.data_dir, BATCH)
    report = films.go_on()
    assert (report.purged, report.fetched, report.requests) == (len(documents), 0, 0)
    assert films.statuses() == {}

    report = films.refresh()

    assert (report.purged, report.conditional) == (0, 0)
    assert films.documents() == documents

"""A list downloaded with `--combine` has the same files as without, for fewer requests."""

import json
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.inspection import inspect
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.receipt import batch_folder, is_settled
from tmdb_assets.report import Report
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.verification import verify_batch

FETCHED, ABSENT = OutcomeKind.FETCHED, OutcomeKind.ABSENT
RESOURCES = ("", "/credits", "/images", "/watch/providers")


@pytest.fixture(scope="module")
def slots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "slots"


def quick(**changes: object) -> StandInSettings:
    return replace(StandInSettings(latency_seconds=0.02, cap=None), **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Downloaded:
    """A list that was downloaded to its end.

    Attributes:
        outcomes: last ones, by path and query.
        documents: what the files hold, by path and query.
        planned: requests that were promised.
        asked: how often for each path and query, at the server's door.
    """

    reports: tuple[Report, ...]
    outcomes: dict[str, Outcome]
    documents: dict[str, object]
    planned: int
    asked: Counter[str]


def download(
    folder: Path, server: StandIn, slots: Path, paths: list[str], *, combine: bool
) -> Downloaded:
    """Download these paths as a list of its own."""
    name = "combined" if combine else "single"
    settings = from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": server.origin,
            "TMDB_LIMITER": f"file:{slots}",
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_THREADS": "24",
            "TMDB_MAX_ATTEMPTS": "4",
        }
    )
    path = folder / f"{name}.txt"
    path.write_text("".join(f"{one}\n" for one in paths))
    added = batches.add(path, settings, combine=combine)
    server.reset()
    began_at = time.time()
    reports, outcomes, documents = [], {}, {}
    for batch in added.all_batches:
        reports.append(download_batch(batch, settings))
        targets = batches.load(settings.data_dir, batch)
        place = batch_folder(settings.data_dir, batch)
        for outcome in inspect(place, targets).last.values():
            url = outcome.url.removeprefix(server.origin)
            outcomes[url] = outcome
            if outcome.has_body:
                documents[url] = json.loads((place / f"{outcome.name}.json").read_bytes())
        assert verify_batch(settings.data_dir, batch).findings == ()
        assert is_settled(settings.data_dir, batch)
    asked = Counter(url for _, url, _ in server.arrivals())
    told = [one.attempts for one in outcomes.values() if one.as_of >= began_at]
    assert sum(told) == asked.total()
    assert sum(report.requests for report in reports) == asked.total()
    return Downloaded(tuple(reports), outcomes, documents, added.plan.requests, asked)


def assert_alike(single: Downloaded, combined: Downloaded) -> None:
    """Check that two downloads differ in nothing but their requests."""
    assert combined.documents == single.documents
    assert {url: one.outcome for url, one in combined.outcomes.items()} == {
        url: one.outcome for url, one in single.outcomes.items()
    }
    assert {url: one.name for url, one in combined.outcomes.items()} == {
        url: one.name for url, one in single.outcomes.items()
    }


def appended(url: str) -> int:
    """Return how many sub-resources a request asks for besides the thing itself."""
    names = parse_qs(urlsplit(url).query).get("append_to_response", [""])[0]
    return len(names.split(",")) if names else 0


def test_movies_take_a_request_each_and_are_the_same(tmp_path: Path, slots: Path) -> None:
    paths = [f"/3/movie/{number}{name}" for name in RESOURCES for number in range(100, 150)]
    with StandIn(quick()) as server:
        single = download(tmp_path, server, slots, paths, combine=False)
        combined = download(tmp_path, server, slots, paths, combine=True)

    absent = sum(one.outcome is ABSENT for one in combined.outcomes.values()) // 4
    assert_alike(single, combined)
    assert single.asked == dict.fromkeys(paths, 1)
    assert 0 < absent < 25
    assert combined.planned == 50
    # of a thing that is not there, the parts are asked for alone
    assert combined.asked.total() == 50 + 3 * absent
    (report,) = combined.reports
    assert report.combined == 4 * (50 - absent)
    assert (report.fetched, report.absent, report.failed) == (report.combined, 4 * absent, 0)
    assert report.urls_per_second > report.requests_per_second


MIXED = [
    *(f"/3/movie/{number}{name}" for number in (100, 101) for name in RESOURCES),
    *(f"/3/movie/tt0000102{name}" for name in ("", "/credits", "/release_dates", "/changes")),
    *(f"/3/movie/103{name}?language=de-DE" for name in (*RESOURCES, "/videos", "/translations")),
    *(
        f"/3/movie/104{name}?include_image_language=en,null&language=fr"
        for name in ("", "/images", "/videos")
    ),
    *(f"/3/movie/105/{name}" for name in ("recommendations", "similar", "changes", "keywords")),
    *(f"/3/movie/106/{name}?page=2" for name in ("recommendations", "similar")),
    *("/3/movie/106/reviews", "/3/movie/106/lists", "/3/movie/106?append_to_response=credits"),
    *(
        f"/3/tv/110{name}"
        for name in ("", "/aggregate_credits", "/content_ratings", "/images", "/episode_groups")
    ),
    *("/3/tv/110/screened_theatrically", "/3/tv/110/alternative_titles", "/3/tv/110/reviews"),
    *(f"/3/tv/110/season/1{name}" for name in ("", "/credits", "/images", "/videos", "/changes")),
    *(f"/3/tv/110/season/0{name}?language=de" for name in ("", "/external_ids", "/translations")),
    *(f"/3/tv/110/season/1/episode/1{name}" for name in ("", "/images", "/credits", "/videos")),
    *(f"/3/tv/110/season/1/episode/1{name}?language=fr" for name in ("/images", "/credits")),
    *(
        f"/3/person/120{name}"
        for name in ("", "/images", "/tagged_images", "/combined_credits", "/external_ids")
    ),
    *("/3/person/120/movie_credits", "/3/person/120/translations", "/3/person/120/changes"),
    *("/3/collection/130", "/3/collection/130/images", "/3/collection/130/translations"),
    *("/3/company/140", "/3/company/140/images", "/3/company/140/alternative_names"),
    *("/3/network/150", "/3/network/150/images", "/3/configuration", "/3/movie/popular"),
    *("/3/movie/999999999", "/3/movie/999999999/credits", "/3/tv/110/season/99/credits"),
    *("/3/tv/110/season/99", "/3/tv/110/season/1/episode/99", "/3/movie/107/nonsense"),
    *("/3/movie/100?language=en", "/3/movie/100/credits?language=en", "/3/genre/movie/list"),
]


def test_all_kinds_of_things_are_the_same_however_they_are_mixed(
    tmp_path: Path, slots: Path
) -> None:
    paths = [*MIXED[::2], *MIXED[1::2]]
    with StandIn(quick()) as server:
        single = download(tmp_path, server, slots, paths, combine=False)
        combined = download(tmp_path, server, slots, paths, combine=True)

    assert_alike(single, combined)
    assert combined.planned < len(MIXED) / 2
    absent = Counter(url for url, one in combined.outcomes.items() if one.outcome is ABSENT)
    assert combined.asked.total() <= combined.planned + len(absent)
    assert max(map(appended, combined.asked)) == 7


def test_a_server_that_misbehaves_changes_nothing_about_it(tmp_path: Path, slots: Path) -> None:
    paths = [f"/3/movie/{number}{name}" for number in range(200, 230) for name in RESOURCES]
    kinds = ("503", "reset", "truncated", "bad_json", "html", "empty", "bad_gzip", "504")
    with StandIn(quick(latency_seconds=0)) as server:
        single = download(tmp_path, server, slots, paths, combine=False)
        server.change({"fault_share": 0.3, "fault_kinds": kinds, "fault_times": 1})
        combined = download(tmp_path, server, slots, paths, combine=True)

    assert_alike(single, combined)
    assert sum(len(report.pauses) for report in combined.reports) > 3


def test_what_always_fails_together_is_asked_for_alone(tmp_path: Path, slots: Path) -> None:
    paths = [f"/3/movie/{number}{name}" for number in (100, 101) for name in RESOURCES]
    script = {"/3/movie/100": ["html"] * 2, "/3/movie/101": ["error_44"]}
    with StandIn(quick()) as server:
        single = download(tmp_path, server, slots, paths, combine=False)
        server.change({"script": script})
        combined = download(tmp_path, server, slots, paths, combine=True)

    assert_alike(single, combined)
    assert combined.asked == {
        "/3/movie/100?append_to_response=credits,images,watch%2Fproviders": 2,
        "/3/movie/101?append_to_response=credits,images,watch%2Fproviders": 1,
        **dict.fromkeys(paths, 1),
    }
    assert {one.combined_with for one in combined.outcomes.values()} == {""}


def test_a_list_that_grows_asks_for_what_is_new_and_that_together(
    tmp_path: Path, slots: Path
) -> None:
    first = [f"/3/movie/{number}{name}" for number in range(300, 305) for name in RESOURCES[:2]]
    more = [f"/3/movie/{number}{name}" for number in range(300, 307) for name in RESOURCES]
    with StandIn(quick()) as server:
        download(tmp_path, server, slots, first, combine=True)
        combined = download(tmp_path, server, slots, more, combine=True)
        single = download(tmp_path, server, slots, more, combine=False)

    assert_alike(single, combined)
    assert combined.planned == combined.asked.total() == 7
    assert [report.resumed for report in combined.reports] == [10, 0]

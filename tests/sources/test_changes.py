import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.client.servers import Link, RawServer, answer
from tests.patience import HANG_SECONDS
from tests.sources.child_changes import days_ago, started_changes
from tmdb_assets import retry
from tmdb_assets.errors import (
    BatchError,
    ConfigurationError,
    CredentialError,
    DownloadStoppedError,
    StoreError,
)
from tmdb_assets.model import Settings
from tmdb_assets.sources.change_pages import MOST_PAGES
from tmdb_assets.sources.changes import ChangesReport, Since, make_list
from tmdb_assets.sources.shapes import Wish
from tmdb_assets.standin.changes import page_of
from tmdb_assets.standin.server import StandIn

MakeSettings = Callable[..., Settings]
Freeze = Callable[..., None]
TODAY = date(2026, 8, 27)
ONE_DAY = timedelta(days=1)
MANY = range(1, 3002)
"""As many ids as the stand-in changes."""


def now() -> datetime:
    return datetime.combine(TODAY, datetime.min.time(), UTC)


def items(kind: str, *days: date) -> list[dict[str, Any]]:
    """Return the items that the stand-in has for these days."""
    found: list[dict[str, Any]] = []
    for day in days:
        for number in range(1, 4):
            page = json.loads(json.dumps(page_of(kind, (day, day + ONE_DAY), number, 250)))
            found += page["results"]
    return found


def ids(kind: str, *days: date) -> list[int]:
    return list(dict.fromkeys(one["id"] for one in items(kind, *days) if one["id"] is not None))


def make(
    settings: Settings, path: Path, since: date = TODAY, **changes: Any
) -> tuple[ChangesReport, list[str]]:
    """Make a list; return the report and the ends of its URLs."""
    wanted = replace(Since(since.isoformat()), **changes)
    report = make_list(wanted, settings, path, now=now)
    urls = path.read_text().splitlines() if path.exists() else []
    return report, [url.removeprefix(f"{settings.origins[0]}/3") for url in urls]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.txt"


def test_a_list_has_what_lists_have_about_changed_ids(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    freeze(settings, "films", *(f"/movie/{number}" for number in MANY))

    report, urls = make(settings, path)

    changed = set(ids("movie", TODAY))
    assert urls == [f"/movie/{number}" for number in MANY if number in changed]
    assert report.ids == {"movie": len(changed)}
    assert (report.frozen, report.new, report.written) == (len(urls), 0, len(urls))
    assert (report.since, report.until) == (TODAY, TODAY)
    assert report.first[0].endswith(urls[0])


def test_whatever_is_about_an_id_counts_seasons_and_episodes_too(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    number = ids("tv", TODAY)[0]
    other = next(one for one in range(1, 3000) if one not in ids("tv", TODAY))
    ends = ["", "/credits", "/season/1", "/season/1/episode/2/images", "?language=de-DE"]
    freeze(settings, "one", *(f"/tv/{one}{end}" for one in (number, other) for end in ends))
    freeze(
        settings, "two", f"/tv/{number}", f"/movie/{number}/x", "/tv/popular", f"/tv/{number}1/x"
    )

    _, urls = make(settings, path, kinds=("tv",))

    assert [url for url in urls if url.startswith(f"/tv/{number}") and "1/x" not in url] == [
        f"/tv/{number}{end}" for end in ends
    ]
    assert not [url for url in urls if not url.startswith(f"/tv/{number}")]


def test_days_are_asked_for_one_by_one_and_all_of_their_pages(
    settings: Settings, path: Path, server: StandIn
) -> None:
    report, _ = make(settings, path, TODAY - 2 * ONE_DAY, kinds=("movie", "person"), new=True)

    asked = {url for _, url, _ in server.arrivals()}
    assert asked == {
        f"/3/{kind}/changes?end_date={day + ONE_DAY}&page={page}&start_date={day}"
        for kind in ("movie", "person")
        for day in (TODAY - 2 * ONE_DAY, TODAY - ONE_DAY, TODAY)
        for page in (1, 2, 3)
    }
    assert [(one.window.day, one.window.kind) for one in report.tallies] == [
        (day, kind)
        for day in (TODAY - 2 * ONE_DAY, TODAY - ONE_DAY, TODAY)
        for kind in ("movie", "person")
    ]
    assert server.statistics()["repeated_urls"] == 0


def test_null_ids_and_repeated_ones_are_dropped_and_counted(settings: Settings, path: Path) -> None:
    days = (TODAY - ONE_DAY, TODAY)
    report, _ = make(settings, path, days[0], kinds=("movie",), new=True)

    for place, day in enumerate(days):
        tally, found = report.tallies[place], items("movie", day)
        without = sum(one["id"] is None for one in found)
        assert (tally.pages, tally.items, tally.without_id) == (3, len(found), without)
        assert tally.ids == len(set(ids("movie", *days[: place + 1]))) - (
            report.tallies[0].ids if place else 0
        )
        assert tally.again == len(found) - without - tally.ids
    assert sum(one.without_id for one in report.tallies) > 0
    assert report.ids["movie"] == len(ids("movie", *days))


def test_ids_that_no_list_has_come_too_if_they_are_wanted(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    changed = ids("movie", TODAY)
    freeze(settings, "films", f"/movie/{changed[0]}/credits", f"/movie/{changed[1]}")

    wish = Wish(("credits", "images"))
    report, urls = make(settings, path, kinds=("movie",), new=True, wish=wish)

    end = "?append_to_response=credits,images"
    assert urls[:2] == [f"/movie/{changed[0]}/credits", f"/movie/{changed[1]}"]
    assert urls[2:] == [f"/movie/{number}{end}" for number in changed[2:]]
    assert (report.frozen, report.new) == (2, len(changed) - 2)


def test_when_nothing_of_it_is_in_a_list_nothing_is_written(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    other = next(one for one in MANY if one not in ids("tv", TODAY))
    freeze(settings, "shows", f"/tv/{other}")

    report, urls = make(settings, path)

    assert (report.written, urls, path.exists()) == (0, [], False)


@pytest.mark.parametrize("lines", [(), ("/tv/popular", "/keyword/5", "/movie/tt0137523")])
def test_where_no_list_has_anything_nothing_is_asked(
    settings: Settings, path: Path, server: StandIn, freeze: Freeze, lines: tuple[str, ...]
) -> None:
    if lines:
        freeze(settings, "others", *lines)
    said: list[str] = []

    report = make_list(Since(TODAY.isoformat()), settings, path, now=now, say=said.append)

    assert server.statistics()["arrivals"] == 0
    assert (report.written, report.tallies, report.ids, path.exists()) == (0, (), {}, False)
    assert said[-1] == "no list has a person: its changes are not asked for (--new takes ids in)"


def test_kinds_that_no_list_has_are_left_out_unless_new_ids_are_wanted(
    settings: Settings, path: Path, server: StandIn, freeze: Freeze
) -> None:
    freeze(settings, "films", "/movie/1")

    assert list(make(settings, path)[0].ids) == ["movie"]
    assert {url.split("/")[2] for _, url, _ in server.arrivals()} == {"movie"}
    assert list(make(settings, path, new=True)[0].ids) == ["movie", "tv", "person"]


def test_a_damaged_list_is_named_before_anything_is_sent(
    settings: Settings, path: Path, server: StandIn, freeze: Freeze
) -> None:
    freeze(settings, "films", "/movie/1")
    (record,) = settings.data_dir.glob("batches/films-stand-in/list.json")
    record.write_text("{}")

    with pytest.raises(BatchError, match=r"list\.json' is damaged"):
        make(settings, path, new=True)
    assert server.statistics()["arrivals"] == 0


def test_an_id_counts_however_tmdb_lets_it_be_written(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    changed, other = ids("movie", TODAY)[0], 1 + max(ids("movie", TODAY))
    ends = ("{}", "0{}", "{}-fight-club", "{}-fight-club/credits", "00{}-?language=de-DE")
    lines = [f"/movie/{end.format(one)}" for one in (changed, other) for end in ends]
    freeze(settings, "films", *lines, f"/movie/{changed}x", f"/movie/0x{changed}", "/movie/0")

    report, urls = make(settings, path, kinds=("movie",), new=True)

    assert urls[: len(ends)] == lines[: len(ends)]
    assert (report.frozen, report.nameless) == (len(ends), 0)
    assert f"/movie/{changed}" not in urls[len(ends) :]


def test_urls_that_name_no_tmdb_id_are_counted_and_told_of(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    freeze(settings, "films", "/movie/tt0137523/credits", "/movie/550", "/person/nm0000151")
    freeze(settings, "shows", "/tv/tt0137523")
    said: list[str] = []

    wanted = Since(TODAY.isoformat(), kinds=("movie", "person"))
    report = make_list(wanted, settings, path, now=now, say=said.append)

    assert report.nameless == 2
    assert said[0].startswith("2 URLs name no TMDB id (as http://127.0.0.1:")
    assert said[0].endswith("refresh these with refresh --older-than")


def test_the_same_url_in_two_lists_comes_once(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    url = f"/person/{ids('person', TODAY)[3]}"
    freeze(settings, "one", url)
    freeze(settings, "two", url)

    report, urls = make(settings, path)

    assert urls == [url]
    assert report.frozen == 1


def test_urls_of_origins_that_may_not_be_asked_stay_out(
    make_settings: MakeSettings, path: Path, freeze: Freeze, server: StandIn
) -> None:
    number = ids("movie", TODAY)[0]
    freeze(make_settings("http://127.0.0.1:1"), "old", f"/movie/{number}")

    assert make(make_settings(server.origin), path)[1] == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Since("2026-8-1"), "'2026-8-1' is no date"),
        (Since("2026-08-28"), "2026-08-28 is yet to come"),
        (Since("2025-08-25"), "2025-08-25 is too long ago: take 2025-08-26 or later"),
        (Since("2026-08-27", kinds=("keyword",)), "lists no changes of 'keyword': take from"),
        (Since("2026-08-27", wish=Wish(("credits",))), "have these too, with --new"),
        (
            Since("2026-08-27", new=True, wish=Wish(("credits",))),
            "'credits' is no sub-resource of person",
        ),
    ],
)
def test_what_there_is_not_is_refused_before_anything_is_sent(
    settings: Settings, path: Path, server: StandIn, wanted: Since, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_list(wanted, settings, path, now=now)

    assert words in str(caught.value)
    assert server.statistics()["arrivals"] == 0


def test_tmdb_is_not_asked_without_a_credential(make_settings: MakeSettings, path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set TMDB_READ_ACCESS_TOKEN"):
        make(make_settings(), path)


@pytest.mark.parametrize("place", ["nowhere/changes.txt", "/proc/changes.txt"])
def test_a_place_that_cannot_be_written_is_named_before_anything_is_sent(
    settings: Settings, tmp_path: Path, server: StandIn, place: str
) -> None:
    with pytest.raises(StoreError, match="cannot write a list to"):
        make(settings, tmp_path / place, new=True)
    assert server.statistics()["arrivals"] == 0


def test_a_refused_credential_ends_it_and_leaves_no_half_list(
    settings: Settings, path: Path, server: StandIn, freeze: Freeze
) -> None:
    freeze(settings, "films", *(f"/movie/{number}" for number in MANY))
    path.write_text("before\n")
    server.change({"refuse_after": 5})

    with pytest.raises(CredentialError, match="refuses the credential"):
        make(replace(settings, threads=4), path, TODAY - 30 * ONE_DAY)

    asked = server.statistics()["arrivals"]
    assert isinstance(asked, int)
    assert asked < 20
    assert path.read_text() == "before\n"
    assert sorted(one.name for one in path.parent.iterdir()) == ["changes.txt", "data"]


def test_who_waits_for_an_answer_is_not_waited_for_after_a_failure(
    settings: Settings, path: Path, server: StandIn
) -> None:
    server.change({"script": {"/3/movie/changes": ["stall"], "/3/tv/changes": ["401"] * 99}})
    began_at = time.monotonic()

    with pytest.raises(CredentialError):
        make(settings, path, kinds=("movie", "tv"), new=True)

    assert time.monotonic() - began_at < 10


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 1)])
def test_what_is_killed_leaves_no_half_list(
    settings: Settings, path: Path, server: StandIn, number: int, code: int
) -> None:
    server.change({"latency_seconds": 0.2})
    with started_changes(settings, path, days_ago(9)) as process:
        deadline = time.monotonic() + 30
        while len(server.arrivals()) < 5:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        process.send_signal(number)
        assert process.wait(HANG_SECONDS) == code

    assert len(server.arrivals()) < 30
    assert not path.exists()


def test_a_page_that_does_not_come_ends_it(
    settings: Settings, path: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)
    server.change({"script": {"/3/tv/changes": ["html"] * 99}})

    with pytest.raises(DownloadStoppedError, match="asked for 2 times: HTML instead of JSON"):
        make(settings, path, new=True)


def test_what_passes_is_asked_for_again(
    settings: Settings, path: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "BACKOFF_SECONDS", 0.01)
    server.change({"script": {"/3/tv/changes": ["503", "reset", "bad_json"]}})

    report, _ = make(replace(settings, max_attempts=4), path, new=True)

    assert report.ids["tv"] == len(ids("tv", TODAY))


def test_a_long_time_is_read_in_pieces_and_told_of(settings: Settings, path: Path) -> None:
    said: list[str] = []
    since = Since((TODAY - 20 * ONE_DAY).isoformat(), kinds=("tv",), new=True)

    report = make_list(since, settings, path, now=now, say=said.append)

    assert len(report.tallies) == 21
    assert [line.partition(":")[0] for line in said] == [
        "changes of 2026-08-07 to 2026-08-20",
        "changes of 2026-08-21 to 2026-08-27",
    ]


def test_pages_that_tmdb_does_not_give_are_counted(make_settings: MakeSettings, path: Path) -> None:
    page = {"results": [{"id": 5, "adult": False}], "page": 1, "total_pages": 507}

    def script(link: Link) -> None:
        while link.request() and link.send(answer(json.dumps(page).encode())):
            pass

    with RawServer(script) as server:
        report, _ = make(make_settings(server.origin), path, kinds=("movie",), new=True)

    assert (report.tallies[0].pages, report.tallies[0].lost_pages) == (MOST_PAGES, 7)
    assert len(server.requests) == MOST_PAGES


def test_adult_ones_are_not_new(settings: Settings, path: Path) -> None:
    page = {"results": [{"id": 5, "adult": True}, {"id": 6}], "page": 1, "total_pages": 1}

    def script(link: Link) -> None:
        while link.request() and link.send(answer(json.dumps(page).encode())):
            pass

    with RawServer(script) as server:
        _, urls = make(replace(settings, origins=(server.origin,)), path, kinds=("tv",), new=True)

    assert urls == ["/tv/6"]

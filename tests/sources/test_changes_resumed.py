"""What `changes` asks when it is asked again: days that are over once, and the last one anew."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from tests.client.servers import Link, RawServer, answer
from tests.patience import HANG_SECONDS, wait_until
from tests.sources.child_changes import days_ago, started_changes
from tmdb_assets.errors import DownloadStoppedError, StoreError
from tmdb_assets.model import Settings
from tmdb_assets.sources.changes import LONGEST_DAYS, ChangesReport, Since, make_list
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

MakeSettings = Callable[..., Settings]
TODAY = date(2026, 8, 27)
ONE_DAY = timedelta(days=1)
KINDS = ("movie", "tv")


def make(
    settings: Settings,
    path: Path,
    days: int,
    at: time = time(12),
    say: Callable[[str], object] = lambda _: None,
) -> ChangesReport:
    """Make a list of what changed on so many days and today, at a time of today."""
    since = Since((TODAY - days * ONE_DAY).isoformat(), kinds=KINDS, new=True)
    moment = datetime.combine(TODAY, at, UTC)
    return make_list(since, settings, path, now=lambda: moment, say=say)


def days_asked(server: StandIn) -> set[str]:
    return {url.rpartition("=")[2] for _, url, _ in server.arrivals()}


def kept(settings: Settings) -> set[str]:
    return {path.name for path in (settings.data_dir / "changes").iterdir()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "changes.txt"


def test_days_that_are_over_are_asked_once_and_today_always_anew(
    settings: Settings, path: Path, server: StandIn
) -> None:
    first = make(settings, path, 20)
    urls = path.read_bytes()
    server.reset()

    second = make(settings, path, 20)

    assert second == first
    assert path.read_bytes() == urls
    assert days_asked(server) == {str(TODAY)}
    assert len(server.arrivals()) == 3 * len(KINDS)
    assert len(kept(settings)) == 20 * len(KINDS)


def test_a_longer_time_asks_for_what_is_not_kept_alone(
    settings: Settings, path: Path, server: StandIn, make_settings: MakeSettings, tmp_path: Path
) -> None:
    make(settings, path, 3)
    server.reset()

    longer = make(settings, path, 5)

    assert days_asked(server) == {str(TODAY - n * ONE_DAY) for n in (0, 4, 5)}
    path.unlink()
    fresh = make_settings(server.origin, TMDB_DATA_DIR=str(tmp_path / "fresh"))
    assert make(fresh, path, 5) == longer


@pytest.mark.parametrize(("at", "again"), [(time(5, 59), True), (time(6), False)])
def test_yesterday_is_asked_again_in_the_first_hours_of_a_day(
    settings: Settings, path: Path, server: StandIn, at: time, *, again: bool
) -> None:
    make(settings, path, 2, at)
    server.reset()
    make(settings, path, 2, at)

    yesterday = {str(TODAY - ONE_DAY)} if again else set()
    assert days_asked(server) == {str(TODAY), *yesterday}


def test_what_the_stand_in_said_is_not_taken_for_tmdbs(
    settings: Settings, path: Path, make_settings: MakeSettings
) -> None:
    make(settings, path, 2)
    with StandIn(StandInSettings(latency_seconds=0, cap=None, changes_per_day=120)) as other:
        report = make(make_settings(other.origin), path, 2)

        assert days_asked(other) == {str(TODAY - n * ONE_DAY) for n in range(3)}
        assert {tally.pages for tally in report.tallies} == {2}
    assert all(line.startswith(other.origin) for line in path.read_text().splitlines())


def test_days_that_cannot_be_asked_for_any_more_go(settings: Settings, path: Path) -> None:
    folder = settings.data_dir / "changes"
    folder.mkdir(parents=True)
    oldest = TODAY - LONGEST_DAYS * ONE_DAY
    for day in (oldest - ONE_DAY, oldest):
        (folder / f"tv-{day}.json").touch()

    make(settings, path, 0)

    assert kept(settings) == {f"tv-{oldest}.json"}


def test_no_day_is_kept_for_longer_than_six_months(settings: Settings, path: Path) -> None:
    folder = settings.data_dir / "changes"
    folder.mkdir(parents=True)
    for name, days in (("old", 181), ("new", 179)):
        file = folder / f"{name}-{TODAY - 9 * ONE_DAY}.json"
        file.touch()
        moment = (datetime.now(UTC) - days * ONE_DAY).timestamp()
        os.utime(file, (moment, moment))

    make(settings, path, 0)

    assert kept(settings) == {f"new-{TODAY - 9 * ONE_DAY}.json"}


def test_a_data_folder_that_cannot_be_written_is_named_before_anything_is_sent(
    settings: Settings, path: Path, server: StandIn
) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / "changes").write_text("no folder")

    with pytest.raises(StoreError, match="changes'"):
        make(settings, path, 2)
    assert server.statistics()["arrivals"] == 0


class Failing:
    """A TMDB that lists some pages for each day, and of one day never the last one."""

    def __init__(self, bad: date, pages: int) -> None:
        self.bad: date | None = bad
        self.pages = pages
        self.asked: list[str] = []

    def __call__(self, link: Link) -> None:
        while head := link.request():
            query = head.split(b" ")[1].decode().partition("?")[2]
            fields = dict(pair.split("=") for pair in query.split("&"))
            self.asked.append(fields["start_date"])
            page = {"results": [{"id": int(fields["page"])}], "total_pages": self.pages}
            is_last = fields["page"] == str(self.pages)
            is_bad = is_last and fields["start_date"] == str(self.bad)
            # TMDB's error 11 with 200 is not tried again
            body = {"status_code": 11, "success": False} if is_bad else page
            if not link.send(answer(json.dumps(body).encode())):
                return


@pytest.mark.parametrize("pages", [1, 3])
def test_after_a_page_that_does_not_come_it_goes_on_where_it_stopped(
    make_settings: MakeSettings, path: Path, pages: int
) -> None:
    failing = Failing(TODAY - 2 * ONE_DAY, pages)
    said: list[str] = []
    with RawServer(failing) as server:
        settings = replace(make_settings(server.origin), threads=1)
        with pytest.raises(DownloadStoppedError):
            make(settings, path, 20, say=said.append)
        assert not path.exists()
        assert said[-1] == (
            f"stopped at {failing.bad}: the days before are kept, the same command goes on there"
        )
        failing.bad, failing.asked[:] = None, []

        report = make(settings, path, 20)

    assert set(failing.asked) == {str(TODAY - n * ONE_DAY) for n in range(3)}
    assert len(report.tallies) == 21 * len(KINDS)
    assert {tally.pages for tally in report.tallies} == {pages}


def test_a_first_day_that_does_not_come_promises_nothing(
    make_settings: MakeSettings, path: Path
) -> None:
    said: list[str] = []
    with RawServer(Failing(TODAY - ONE_DAY, 1)) as server, pytest.raises(DownloadStoppedError):
        make(make_settings(server.origin), path, 1, say=said.append)

    assert said == []


def test_a_kill_costs_the_days_that_were_under_way_and_no_more(
    settings: Settings, path: Path, server: StandIn
) -> None:
    server.change({"latency_seconds": 0.05})
    since = days_ago(12)
    folder = settings.data_dir / "changes"
    with started_changes(settings, path, since, "--kind", "tv") as process:
        wait_until(lambda: len(list(folder.glob("tv-*.json"))) >= 3, "three days are kept", 0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(HANG_SECONDS) == -signal.SIGKILL
    days = {file.stem.removeprefix("tv-") for file in folder.glob("tv-*.json")}
    server.reset()

    report = make_list(Since(since, kinds=("tv",), new=True), settings, path)

    assert 3 <= len(days) < len(report.tallies)
    assert days.isdisjoint(days_asked(server))
    assert len(days) + len(days_asked(server)) == len(report.tallies)

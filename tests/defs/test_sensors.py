import gzip
import json
from pathlib import Path

import dagster as dg
import pytest

from tests.defs.project import Project
from tmdb_assets import batches
from tmdb_assets.defs.sensors import RUNS_PER_TICK, dead_runs, new_url_lists


class Ticker:
    """Ticks the sensor as the daemon does: with the cursor it left, doing what it asks."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.cursor: str | None = None
        self.folder: Path = project.folder / "url_lists"
        self.folder.mkdir()

    def tick(self) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=self.project.instance, cursor=self.cursor)
        result = new_url_lists(context, tmdb=self.project.tmdb)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        for request in result.dynamic_partitions_requests or []:
            self.project.instance.add_dynamic_partitions(
                "tmdb_batches", list(request.partition_keys)
            )
        return result

    def keys(self) -> list[str]:
        """Tick and return the partitions that it wants runs for."""
        requests = self.tick().run_requests or []
        assert all(request.run_key == request.partition_key for request in requests)
        return [str(request.partition_key) for request in requests]

    def drop(self, name: str, urls: int = 150, start: int = 1) -> Path:
        path = self.folder / name
        path.write_text("".join(f"/movie/{number}\n" for number in range(start, start + urls)))
        return path


@pytest.fixture
def ticker(project: Project) -> Ticker:
    return Ticker(project)


def test_a_list_is_taken_when_two_ticks_find_it_the_same(ticker: Ticker) -> None:
    ticker.drop("movies.txt")

    first, second, third = ticker.keys(), ticker.keys(), ticker.keys()

    assert first == []
    assert second == ["movies-stand-in-0001", "movies-stand-in-0002"]
    assert third == []


def test_a_list_that_still_grows_is_left_until_it_rests(ticker: Ticker) -> None:
    ticker.drop("movies.txt", 100)
    ticker.tick()
    ticker.drop("movies.txt", 130)

    while_it_grew = ticker.keys()

    assert while_it_grew == []
    assert len(ticker.keys()) == 2


def test_a_list_that_grew_later_gets_runs_for_its_new_urls_only(ticker: Ticker) -> None:
    ticker.drop("movies.txt", 100)
    ticker.tick()
    assert ticker.keys() == ["movies-stand-in-0001"]
    ticker.drop("movies.txt", 160)
    ticker.tick()

    assert ticker.keys() == ["movies-stand-in-0002"]


def test_a_compressed_list_is_taken_too(ticker: Ticker) -> None:
    (ticker.folder / "tv.txt.gz").write_bytes(gzip.compress(b"/tv/1\n/tv/2\n"))
    ticker.tick()

    assert ticker.keys() == ["tv-stand-in-0001"]


def test_hidden_temporary_and_other_files_and_folders_are_left_alone(ticker: Ticker) -> None:
    for name in (".movies.txt", "movies.txt.part", "movies.csv", "movies.txt~"):
        ticker.drop(name)
    (ticker.folder / "folder.txt").mkdir()
    ticker.tick()

    assert ticker.keys() == []


def test_a_bad_list_is_named_in_the_tick_and_does_not_block_the_others(ticker: Ticker) -> None:
    (ticker.folder / "bad.txt").write_text("nonsense\n")
    ticker.tick()

    only_bad = ticker.tick()
    (ticker.folder / "worse.txt").write_text("nonsense\n")
    ticker.drop("good.txt", 10)
    ticker.tick()

    assert "bad.txt" in ((only_bad.skip_reason and only_bad.skip_reason.skip_message) or "")
    assert ticker.keys() == ["good-stand-in-0001"]


def test_with_a_lost_cursor_nothing_is_asked_twice(ticker: Ticker) -> None:
    ticker.drop("movies.txt")
    ticker.tick()
    assert ticker.keys()
    ticker.cursor = None
    ticker.tick()

    assert ticker.keys() == []


def test_a_list_that_was_only_added_by_hand_gets_no_runs(ticker: Ticker, project: Project) -> None:
    project.add(100)
    ticker.tick()

    assert ticker.keys() == []


def test_a_frozen_list_event_tells_what_was_taken(ticker: Ticker) -> None:
    ticker.drop("movies.txt")
    ticker.tick()

    result = ticker.tick()

    (event,) = result.asset_events
    assert event.asset_key == dg.AssetKey("url_lists")
    assert event.metadata["urls"].value == 150
    assert event.metadata["new_batches"].value == 2


def test_many_batches_are_requested_in_bounded_ticks(ticker: Ticker, project: Project) -> None:
    ticker.drop("movies.txt", (RUNS_PER_TICK + 3) * 100)
    ticker.tick()

    first, second, third = ticker.keys(), ticker.keys(), ticker.keys()

    assert [len(first), len(second), len(third)] == [RUNS_PER_TICK, 3, 0]
    everything = batches.read_list(project.data_dir, "movies-stand-in").batches
    assert [*first, *second] == [batch.name for batch in everything]


def test_a_missing_folder_is_no_error(ticker: Ticker) -> None:
    ticker.folder.rmdir()

    assert ticker.tick().skip_reason is not None


def test_the_sensor_for_dead_runs_remembers_its_suspects_in_the_cursor(project: Project) -> None:
    context = dg.build_sensor_context(instance=project.instance)

    result = dead_runs(context, tmdb=project.tmdb)

    assert isinstance(result, dg.SensorResult)
    assert json.loads(result.cursor or "") == {}

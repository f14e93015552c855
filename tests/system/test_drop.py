"""Lists dropped into the folder that a real `dagster dev` watches, as people drop them."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import wait_until
from tests.system.dagster_dev import Place, dagster_dev_in
from tests.system.dagster_questions import TERMINATE

SENSOR = "new_url_lists"
LARGE, LARGE_BATCH = 100_000, 20_000
SMALL = ["partly-stand-in-0001", "renamed-stand-in-0001", "slow-stand-in-0001"]

logger = logging.getLogger(__name__)


@pytest.fixture
def place(tmp_path: Path, limiter: Path) -> Iterator[Place]:
    stand_in = {"latency_seconds": 0.1, "cap": 50}
    with dagster_dev_in(
        tmp_path, limiter, stand_in, TMDB_BATCH_SIZE=str(LARGE_BATCH), TMDB_THREADS="16"
    ) as place:
        yield place


def test_lists_are_taken_once_and_whole_however_they_come_and_whether_the_sensor_is_off_or_on(
    place: Place,
) -> None:
    dev = place.dev
    lines = drop_small_ones(place)
    wait_until(lambda: dev.runs().keys() >= set(SMALL), "the small lists have runs", 0.3)
    dev.switch_off(SENSOR)
    place.write("url_lists/off.txt", 301, 20)
    place.write("url_lists/large.txt", 1001, LARGE)
    code, out, err = place.project.run("status")
    check = dev.checks("url_lists")["every_line_was_taken"]
    dev.switch_on(SENSOR)
    large = [f"large-stand-in-{number:04}" for number in range(1, LARGE // LARGE_BATCH + 1)]
    everything = sorted([*SMALL, *large, "off-stand-in-0001"])
    wait_until(lambda: dev.runs().keys() >= set(everything), "all have runs", 0.3)
    before = len(dev.ticks(SENSOR))
    wait_until(lambda: are_canceled(place, large), "nobody downloads 100,000 URLs", 0.5)
    wait_until(lambda: len(dev.ticks(SENSOR)) > before + 2, "it looked twice more", 0.3)
    wait_until(lambda: dev.have_succeeded(SMALL), "the small lists are downloaded", 0.3)

    runs, ticks = dev.runs(), dev.ticks(SENSOR)
    seconds = [(tick["endTimestamp"] or 0) - tick["timestamp"] for tick in ticks]
    logger.info("%d ticks, the longest took %.1f s", len(ticks), max(seconds))
    assert sorted(runs) == sorted(dev.partitions()) == everything
    assert {key: len(runs) for key, runs in runs.items()} == dict.fromkeys(everything, 1)
    assert [tick["error"] for tick in ticks if tick["status"] == "FAILURE"] == []
    assert [place.done(key) for key in SMALL] == [2, 20, lines]
    assert code == 0
    assert "url_lists/bad.txt" in out + err
    assert (check["status"], check["evaluation"]["severity"]) == ("FAILED", "ERROR")
    named = str(check["evaluation"]["metadataEntries"])
    assert "bad.txt" in named
    assert "partly.txt" in named


def drop_small_ones(place: Place) -> int:
    """Drop lists while the sensor looks; return how many lines the slow one has."""
    folder = place.project.folder / "url_lists"
    folder.joinpath("deeper").mkdir(parents=True)
    for name in (".hidden.txt", "growing.txt.part", "deeper/deep.txt"):
        folder.joinpath(name).write_text("/movie/9001\n")
    folder.joinpath("bad.txt").write_text("nonsense\n")
    folder.joinpath("partly.txt").write_text("/movie/101\nnonsense\n/movie/102\n")
    place.write("url_lists/renamed.txt", 201, 20)
    return write_slowly(place, folder / "slow.txt", 2)


def write_slowly(place: Place, path: Path, ticks: int) -> int:
    """Write a list line by line until the sensor looked at it so many times; return its lines."""
    before = len(place.dev.ticks(SENSOR))
    with path.open("w") as file:
        lines = 0
        while len(place.dev.ticks(SENSOR)) < before + ticks:
            lines += 1
            file.write(f"/movie/{lines}\n")
            file.flush()
            time.sleep(0.2)
    return lines


def are_canceled(place: Place, keys: list[str]) -> bool:
    """Terminate what can be; Dagster refuses it while a run starts."""
    runs = [run for key in keys for run in place.dev.runs()[key]]
    can_be = [run["runId"] for run in runs if run["status"] in {"QUEUED", "STARTED"}]
    if can_be:
        place.dev.ask(TERMINATE, ids=can_be)
    return {run["status"] for run in runs} == {"CANCELED"}

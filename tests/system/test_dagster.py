"""Every way to start through Dagster, against a real `dagster dev`: as a user's clicks would."""

import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_SECONDS, wait_until
from tests.system.dagster_dev import ENDED, Place, dagster_dev_in
from tests.system.dagster_questions import BACKFILL_OF_JOB, FAILURE
from tests.system.project import COMMAND, asked_since, most_in_any_second
from tmdb_assets.defs.assets import TOO_MANY_FAILED_TAG
from tmdb_assets.fetch_pool import PROGRESS_SECONDS

QUEUED_TAG = "dagster/code_location"
"""On every run that passes the queue; its limit is three."""

FAILING = {f"/3/movie/{number}": ["html"] for number in range(1, 21)}
"""Twenty URLs of a batch of 84 fail once: more than TMDB_MAX_FAILED_SHARE allows."""

URLS = 504 + 3 * 60 + 80

logger = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, limiter: Path) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("dagster_dev")
    stand_in = {"latency_seconds": 0.3, "cap": 50, "script": FAILING}
    with dagster_dev_in(folder, limiter, stand_in, TMDB_MAX_ATTEMPTS="1") as place:
        yield place


@dataclass(frozen=True)
class Ways:
    """What became of all ways to start at once.

    Attributes:
        runs: by partition, of each the newest first.
        one: a partition with one run, and no failures.
        failed_once: the run that failed, and was executed again.
        said: exit code and output of each command.
    """

    runs: dict[str, list[dict[str, Any]]]
    arrivals: Sequence[tuple[float, str, int | None]]
    one: str
    by_hand: str
    failed_once: str
    said: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def ways(place: Place) -> Ways:
    dev, project = place.dev, place.project
    before = len(place.stand_in.arrivals())
    nightly = place.add("nightly", 1001, 60)
    # other tests leave unfinished batches, too
    evaluated = [one for one in dev.evaluate_schedule() if any(key in str(one) for key in nightly)]
    again, *movies = place.add("movies", 1, 504)
    late = place.add("late", 2001, 60)
    dev.backfill(movies[:2])
    dev.backfill(movies[2:3], BACKFILL_OF_JOB)
    failed_once = dev.materialize(again)
    wait_until(lambda: dev.status(failed_once) in ENDED, "a run failed")

    dev.launch_all(evaluated)
    dev.materialize(movies[3])
    dev.re_execute(failed_once)
    place.write("url_lists/dropped.txt", 3001, 80)
    commands = {
        "materialize": place.by_hand(movies[4]),
        "run": project.start("run", place.write("command.txt", 4001, 60)),
        "retry": project.start("retry", "late-stand-in"),
    }
    said = {}
    for name, command in commands.items():
        out, _ = command.communicate(timeout=HANG_SECONDS)
        said[name] = (command.returncode, out)
    others = ["dropped-stand-in-0001", "command-stand-in-0001"]
    keys = [again, *movies, *nightly, *late, *others]
    wait_until(lambda: dev.have_succeeded(keys), "all runs succeeded", 0.5)
    runs = {key: runs for key, runs in dev.runs().items() if key in keys}
    arrivals = place.stand_in.arrivals()[before:]
    return Ways(runs, arrivals, movies[3], movies[4], failed_once, said)


def has_tag(run: dict[str, Any], name: str) -> bool:
    return any(tag["key"] == name for tag in run["tags"])


def most_in_flight(place: Place, runs: list[dict[str, Any]]) -> int:
    """Return how many runs were at most between the queue and their ends."""
    edges = []
    for run in runs:
        moments = {one["__typename"]: one["timestamp"] for one in place.dev.events(run["runId"])}
        edges.append((float(moments["RunStartingEvent"]) / 1000, 1))
        edges.append((run["endTime"], -1))
    most = now = 0
    for _, step in sorted(edges):
        now += step
        most = max(most, now)
    return most


def test_all_ways_to_start_at_once_share_one_cap_and_one_queue_and_ask_each_url_once(
    ways: Ways, place: Place
) -> None:
    asked = asked_since(ways.arrivals, 0)
    runs = [run for runs in ways.runs.values() for run in runs]
    queued = [run for run in runs if has_tag(run, QUEUED_TAG)]
    (failed,) = [run for run in runs if run["status"] != "SUCCESS"]
    (by_hand,) = ways.runs[ways.by_hand]
    at_once = most_in_flight(place, queued)
    logger.info("%d runs, at most %d of them in flight", len(runs), at_once)

    assert [code for code, _ in ways.said.values()] == [0, 0, 0], ways.said
    assert {path for path, times in asked.items() if times > 1} == FAILING.keys()
    assert (len(asked), asked.total()) == (URLS, URLS + len(FAILING))
    assert most_in_any_second(ways.arrivals) <= 50
    assert place.stand_in.statistics()["refused"] == 0
    assert (failed["runId"], failed["status"]) == (ways.failed_once, "FAILURE")
    assert has_tag(failed, TOO_MANY_FAILED_TAG)
    assert sorted(map(len, ways.runs.values())) == [1] * 9 + [2]
    assert not has_tag(by_hand, QUEUED_TAG)
    assert len(queued) == len(runs) - 1
    assert 2 <= at_once <= 3
    assert not list(place.project.folder.glob("data/dagster/run-daemon.log"))


def test_a_run_that_is_executed_again_does_not_pass_for_one_with_too_many_failures(
    ways: Ways,
) -> None:
    runs = [run for runs in ways.runs.values() for run in runs if run["status"] == "SUCCESS"]

    marks = [
        tag["value"] for run in runs for tag in run["tags"] if tag["key"] == TOO_MANY_FAILED_TAG
    ]
    assert marks == ["false"]


CHECKS = ("cap_was_held", "every_url_has_one_outcome", "files_are_as_fetched", "no_url_failed")


def test_a_run_shows_its_numbers_its_checks_and_our_words_in_fewer_than_100_events(
    ways: Ways, place: Place
) -> None:
    (run,) = ways.runs[ways.one]
    events = place.dev.events(run["runId"])
    words = [one["message"] for one in events if one["__typename"] == "LogMessageEvent"]
    numbers = place.dev.numbers(ways.one)
    checks = [place.dev.check_of(run["runId"], "tmdb_responses", name) for name in CHECKS]
    progress = 2000 / 50 / PROGRESS_SECONDS
    logger.info("%d events", len(events))

    # this run was short; one of 2,000 URLs at 50/s has some lines of progress more
    assert len(events) + progress < 100
    assert any(f"batch {ways.one}: 84 URLs, 0 done before" in one for one in words), words
    assert any(f"batch {ways.one}: " in one and " fetched, " in one for one in words), words
    assert [one["eventType"] for one in events].count("ASSET_CHECK_EVALUATION") == 4
    assert [one["eventType"] for one in events].count("ASSET_MATERIALIZATION") == 1
    assert numbers["urls"] == numbers["requests"] == 84
    assert numbers["fetched"] + numbers["absent"] == 84
    assert numbers["failed"] == numbers["refused_429"] == 0
    assert 0 < numbers["most_in_a_second"] <= 50
    assert checks == [["SUCCEEDED"]] * 4


def test_terminate_and_ctrl_c_stop_soon_keep_what_is_done_and_give_their_places_back(
    place: Place,
) -> None:
    dev, project = place.dev, place.project
    keys = place.add("stops", 5001, 500, batch_size=250)
    runs = {dev.materialize(key): key for key in keys}
    begun = "250 URLs, 0 done before"
    wait_until(lambda: all(says(place, run, begun) for run in runs), "both have begun")
    wait_until(lambda: max(map(place.done, keys)) >= 20, "one of them sends")
    command = project.start("run", place.write("commanded.txt", 5501, 120))

    # of both one sends, and the other waits until the elder has ended
    stop(place, list(runs))
    wait_until(lambda: place.done("commanded-stand-in-0001") >= 20, "the command's run sends")
    os.kill(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=HANG_SECONDS)
    commanded = dev.runs()["commanded-stand-in-0001"]
    done = {key: place.done(key) for key in keys}
    settled, before = set(project.outcomes()), len(place.stand_in.arrivals())

    for run, key in runs.items():
        assert says(place, run, f"stopped with {done[key]} of 250 URLs done"), (done, key)
    assert 0 <= min(done.values()) < max(done.values()) < 250
    assert command.returncode == 1
    assert "all that was fetched is kept. To resume: tmdb-assets stand-in" in err
    assert "-- tmdb-assets retry commanded-stand-in" in err
    assert [run["status"] for run in commanded] == ["CANCELED"]

    first, second = runs
    again = [dev.re_execute(first), dev.materialize(runs[second])]
    assert project.run("retry", "commanded-stand-in")[0] == 0
    wait_until(lambda: {dev.status(run) for run in again} == {"SUCCESS"}, "both succeeded")

    asked = asked_since(place.stand_in.arrivals(), before)
    assert asked.keys() == {f"/3/movie/{number}" for number in range(5001, 5621)} - settled
    assert set(asked.values()) == {1}
    assert most_in_flight(place, [dev.run_of(run) for run in again]) == 2


def test_ctrl_c_while_a_run_starts_leaves_no_run_behind(place: Place) -> None:
    key = "early-stand-in-0001"
    with place.project.start("run", place.write("early.txt", 6001, 200)) as command:
        wait_until(lambda: statuses(place, key) == ["STARTING"], "it starts", 0.05)
        os.kill(command.pid, signal.SIGINT)
        command.communicate(timeout=HANG_SECONDS)
    wait_until(lambda: is_over(place, key), "all has ended, retries too")

    (run,) = place.dev.runs()[key]
    assert run["status"] == "CANCELED"
    assert place.done(key) < 200


def test_a_click_on_a_batch_that_a_command_downloads_does_not_end_the_command(
    place: Place,
) -> None:
    key = "twice-stand-in-0001"
    with place.project.start("run", place.write("twice.txt", 7001, 90)) as command:
        wait_until(lambda: place.done(key) >= 10, "the command's run sends", 0.05)
        place.stand_in.change({"latency_seconds": 15.0})  # its batch lasts until the other came
        clicked = place.dev.materialize(key)
        wait_until(lambda: place.dev.status(clicked) in ENDED, "the other has ended")
        place.stand_in.change({"latency_seconds": 0.3})
        out, err = command.communicate(timeout=HANG_SECONDS)

    assert (command.returncode, err) == (0, ""), out
    assert place.done(key) == 90
    assert place.dev.status(clicked) == "FAILURE"
    assert says_why(place, clicked, "is being downloaded by another run")


def test_a_command_with_another_cap_than_dagster_has_is_told_so_and_sends_nothing(
    place: Place,
) -> None:
    slower = {**place.project.environment, "TMDB_REQUESTS_PER_SECOND": "10"}
    command = subprocess.run(
        [*COMMAND, "run", place.write("slower.txt", 8001, 20)],
        cwd=place.project.folder,
        env=slower,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert command.returncode == 1
    assert "TMDB_REQUESTS_PER_SECOND=10, but the Dagster that runs it was started with 50" in (
        " ".join(command.stderr.split())
    )
    assert not {f"/3/movie/{number}" for number in range(8001, 8021)} & set(
        asked_since(place.stand_in.arrivals(), 0)
    )


def says_why(place: Place, run: str, words: str) -> bool:
    return words in json.dumps(place.dev.ask(FAILURE, id=run))


def statuses(place: Place, key: str) -> list[str]:
    return [run["status"] for run in place.dev.runs().get(key, [])]


def is_over(place: Place, key: str) -> bool:
    runs = [place.dev.run_of(run["runId"]) for run in place.dev.runs()[key]]
    promised = [run for run in runs if run["tags"].get("dagster/will_retry") == "true"]
    retried = [run for run in promised if "dagster/auto_retry_run_id" in run["tags"]]
    return {run["status"] for run in runs} <= ENDED and len(promised) == len(retried)


def says(place: Place, run: str, words: str) -> bool:
    return any(words in event.get("message", "") for event in place.dev.events(run))


def stop(place: Place, runs: list[str]) -> None:
    """Terminate runs, and log after how many seconds each was canceled."""
    began_at = time.monotonic()
    place.dev.terminate(runs)
    seconds: dict[str, float] = {}

    def all_ended() -> bool:
        for run in runs:
            if run not in seconds and place.dev.status(run) == "CANCELED":
                seconds[run] = round(time.monotonic() - began_at, 1)
        return len(seconds) == len(runs)

    wait_until(all_ended, "the runs are canceled")
    logger.info("terminated after %s s", sorted(seconds.values()))

"""`tmdb-assets run` from end to end, in processes of its own."""

import json
import os
import signal

from tests.patience import HANG_SECONDS, wait_until
from tests.system.project import Project, asked_since, most_in_any_second
from tmdb_assets.standin.process import StandInProcess


def done(project: Project) -> int:
    return len(project.outcomes())


def test_a_list_is_downloaded_to_the_end_under_the_cap_and_what_failed_is_tried_again(
    project: Project, stand_in: StandInProcess
) -> None:
    project.environment["TMDB_MAX_ATTEMPTS"] = "1"
    stand_in.change({"script": {"/3/movie/5": ["html"], "/3/movie/6": ["503"]}})
    path = project.write_list(250)

    code, out, err = project.run("run", path)
    _, failed, _ = project.run("failed", "movies-stand-in")

    arrivals = stand_in.arrivals()
    assert (code, err) == (1, "")
    assert "tmdb_assets" not in out
    assert "failed movies-stand-in" in out
    assert "# HTML instead of JSON, after 1 attempts\n" in failed
    assert sorted(line for line in failed.splitlines() if not line.startswith("#")) == [
        f"{stand_in.origin}/3/movie/5",
        f"{stand_in.origin}/3/movie/6",
    ]
    assert len(arrivals) == len(asked_since(arrivals, 0)) == 250
    assert most_in_any_second(arrivals) <= 50
    assert stand_in.statistics()["refused"] == 0
    wait_until(lambda: not project.processes(), "all processes ended")

    code, _, _ = project.run("run", path)

    kinds = [outcomes[-1]["outcome"] for outcomes in project.outcomes().values()]
    assert code == 0
    assert asked_since(stand_in.arrivals(), 250) == {"/3/movie/5": 1, "/3/movie/6": 1}
    assert (kinds.count("fetched"), kinds.count("absent")) == (244, 6)
    assert len(list(project.folder.glob("data/responses/*/*/receipt.json"))) == 3

    code, as_json, _ = project.run("run", path, "--json")

    standing = json.loads(as_json)
    assert code == 0
    assert (standing["complete"], standing["pending"], standing["failed"]) == (3, 0, 0)
    assert len(stand_in.arrivals()) == 252


def test_ctrl_c_stops_in_good_order_and_the_next_run_resumes(
    project: Project, stand_in: StandInProcess
) -> None:
    path = project.write_list(400)
    with project.start("run", path) as process:
        wait_until(lambda: done(project) > 60, "60 outcomes")
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=HANG_SECONDS)
    wait_until(lambda: not project.processes(), "all processes ended")
    settled, before = set(project.outcomes()), len(stand_in.arrivals())

    code, _, _ = project.run("run", path)

    assert process.returncode == 1
    assert "all that was fetched is kept. To resume: tmdb-assets stand-in" in err
    assert "-- tmdb-assets retry movies-stand-in" in err
    assert code == 0
    assert not settled & set(asked_since(stand_in.arrivals(), before))
    assert done(project) == 400


def test_kill_9_of_everything_loses_nothing_and_repeats_only_what_was_in_flight(
    project: Project, stand_in: StandInProcess
) -> None:
    path = project.write_list(400)
    with project.start("run", path) as process:
        wait_until(lambda: done(project) > 100, "100 outcomes")
        project.kill_all()
        process.communicate(timeout=HANG_SECONDS)
    settled, before = set(project.outcomes()), len(stand_in.arrivals())
    asked_before = set(asked_since(stand_in.arrivals(), 0))

    code, _, err = project.run("run", path)

    asked = asked_since(stand_in.arrivals(), before)
    assert (code, err) == (0, "")
    assert not settled & set(asked)
    assert asked_before - settled <= set(asked)
    assert max(asked.values()) == 1
    assert {len(outcomes) for outcomes in project.outcomes().values()} == {1}
    assert done(project) == 400


def test_a_refused_key_ends_the_run_with_few_requests_and_says_which_variable_to_set(
    project: Project, stand_in: StandInProcess
) -> None:
    stand_in.change({"refuse_after": 30})
    path = project.write_list(400)

    code, _, err = project.run("run", path)

    assert code == 1
    assert "check TMDB_READ_ACCESS_TOKEN" in err
    # three runs with 32 threads each, and what had been answered
    assert len(stand_in.arrivals()) <= 30 + 3 * 32

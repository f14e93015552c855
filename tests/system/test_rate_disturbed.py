"""The cap at the server's door while processes die, stop, and lose what they share."""

import time
from pathlib import Path

import pytest

from tests.system.crowd import SLOW_SECONDS, URLS_EACH, Crowd, keeps_the_cap, summed
from tests.system.judge import KERNEL, REAL_TIME, Verdict, tapped


@pytest.fixture
def limiter(tmp_path: Path) -> str:
    """A file that is not there yet: every test begins cold."""
    return f"file:{tmp_path}/limiter"


def test_processes_that_are_killed_and_replaced_all_the_time_keep_the_cap_and_use_it(
    limiter: str,
) -> None:
    with (
        tapped(latency_seconds=2.3, cap=None) as judge,
        Crowd(judge[0].origin, limiter, processes=4, seconds=14) as crowd,
    ):
        kills = crowd.disturb(crowd.replace_one, every=(0.5, 0.9))
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    assert kills >= 10
    assert verdict.most <= verdict.allowed, verdict
    assert verdict.uses(45), verdict
    assert summed(lines, "errors") == {}
    assert max(line.longest_wait_seconds for line in lines) <= 10


def test_a_process_that_is_stopped_and_goes_on_keeps_the_cap_and_nobody_is_wedged(
    limiter: str,
) -> None:
    # 100 threads at 2.3 s nearly fill the pipe: the elder mostly has a slot that a stop makes stale
    with (
        tapped(latency_seconds=2.3, cap=None) as judge,
        Crowd(judge[0].origin, limiter, processes=2, threads=100, seconds=15) as crowd,
    ):
        stops = crowd.disturb(crowd.stop_one_for_a_while, every=(0.02, 0.15))
        lines, verdict = crowd.lines(), Verdict.of(*judge)
        arrivals = judge[0].arrivals()

    late = arrivals[-1][0] - 7.0
    senders = {number_of(url) // URLS_EACH for moment, url, _ in arrivals if moment > late}
    assert stops >= 8
    # A process that is stopped in the 0.1 ms between its last look at the clock and its send
    # sends one request late, and nobody can prevent it. Such a stray makes a second of 51 once or
    # twice, seldom in a test; a limiter that sends with stale slots makes a hundred.
    assert verdict.most <= verdict.allowed + 1, verdict
    assert verdict.over <= 6 or verdict.priority not in {KERNEL, REAL_TIME}, verdict
    assert summed(lines, "errors") == {}
    assert senders == {0, 1}
    assert not any(line.threads for line in lines)


def test_faults_of_the_server_break_neither_cap_nor_rate(limiter: str) -> None:
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None, fault_share=0.05) as judge,
        Crowd(judge[0].origin, limiter, seconds=10) as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)
        faults = judge[0].statistics()["faults"]

    assert isinstance(faults, dict)
    assert sum(faults.values()) >= 5
    keeps_the_cap(verdict, lines, at_least=48)


def test_a_state_that_is_lost_damaged_or_put_back_costs_a_silence_and_never_the_cap(
    limiter: str, tmp_path: Path
) -> None:
    path = tmp_path / "limiter"
    with (
        tapped(latency_seconds=2.3, cap=None) as judge,
        Crowd(judge[0].origin, limiter, processes=2, seconds=14) as crowd,
    ):
        crowd.wait_until_sending()
        old = path.read_bytes()
        for disturb in (path.unlink, lambda: path.write_bytes(b"?" * 500), lambda: put(old, path)):
            time.sleep(2.0)
            disturb()
            crowd.start_one()
            time.sleep(1.6)
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    silences = [seconds for seconds in verdict.gaps_seconds if seconds > 0.5]
    assert verdict.most <= verdict.allowed, verdict
    assert len(silences) == 3
    assert all(1.4 <= seconds <= 2.5 for seconds in silences), silences
    assert summed(lines, "errors") == {}
    assert len(lines) == 5


def number_of(url: str) -> int:
    return int(url.rpartition("/")[2])


def put(record: bytes, path: Path) -> None:
    """Rename a file with this record over the path."""
    other = path.with_name("other")
    other.write_bytes(record)
    other.replace(path)

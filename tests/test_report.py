from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.cap_use import CapUse
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.report import EXAMPLES, Report, Statistics, percentile, rate_per_second


def outcome(
    number: int,
    kind: OutcomeKind = OutcomeKind.FETCHED,
    reason: str = "",
    sent_at: tuple[float, ...] = (1.0,),
) -> Outcome:
    return Outcome(
        url=f"https://api.themoviedb.org/3/movie/{number}",
        name=f"movie-{number}",
        outcome=kind,
        status=200,
        reason=reason,
        attempts=len(sent_at),
        bytes=7 if kind is OutcomeKind.FETCHED else 0,
        sha256="",
        etag="",
        sent_at=sent_at,
        seconds=0.5,
    )


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, 0.0),
        ([3.0], 0.5, 3.0),
        ([3.0], 0.95, 3.0),
        ([2.0, 1.0], 0.5, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(number) for number in range(100, 0, -1)], 0.95, 95.0),
        ([float(number) for number in range(1, 22)], 0.95, 20.0),
        ([1.0, 2.0, 3.0], 0.0, 1.0),
        ([1.0, 2.0, 3.0], 1.0, 3.0),
    ],
)
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(
    values: list[float], share: float, expected: float
) -> None:
    assert percentile(values, share) == expected


@given(
    st.lists(st.floats(0, 60), min_size=1, max_size=300),
    st.sampled_from([Fraction(1, 2), Fraction(95, 100)]),
)
def test_a_percentile_is_what_counting_says(values: list[float], share: Fraction) -> None:
    def is_enough(bound: float) -> bool:
        return sum(value <= bound for value in values) >= share * len(values)

    assert percentile(values, float(share)) == min(filter(is_enough, values))


@pytest.mark.parametrize(
    ("sent_at", "expected"),
    [
        ([], 0.0),
        ([5.0], 0.0),
        ([5.0, 5.0], 0.0),
        ([7.0, 5.0], 0.5),
        ([5.0, 7.0, 6.0, 5.5, 6.5], 2.0),
    ],
)
def test_the_rate_is_that_between_the_first_and_the_last_moment_in_any_order(
    sent_at: list[float], expected: float
) -> None:
    assert rate_per_second(sent_at) == expected


def test_statistics_count_outcomes_requests_and_bytes() -> None:
    statistics = Statistics(urls=5)

    statistics.add(outcome(1, sent_at=(1.0, 2.0)), seconds=0.25)
    statistics.add(outcome(2, OutcomeKind.ABSENT, "HTTP 404"), seconds=0.5)
    statistics.add(outcome(3, OutcomeKind.FAILED, "timed out", (4.0, 3.0)), seconds=30.0)

    assert statistics.done == 3
    assert statistics.counts == {kind: 1 for kind in OutcomeKind if kind is not OutcomeKind.PURGED}
    assert statistics.sent_at == [1.0, 2.0, 1.0, 4.0, 3.0]
    assert statistics.bytes == 7


def test_latencies_are_those_of_answers_alone() -> None:
    statistics = Statistics(urls=3)

    statistics.add(outcome(1), seconds=0.25)
    statistics.add(outcome(2, OutcomeKind.ABSENT, "HTTP 404"), seconds=0.5)
    statistics.add(outcome(3, OutcomeKind.FAILED, "timed out"), seconds=30.0)

    assert statistics.latencies_seconds == [0.25, 0.5]


def test_of_many_failures_the_count_is_whole_and_the_examples_are_few() -> None:
    statistics = Statistics(urls=100)

    for number in range(10):
        statistics.add(outcome(number, OutcomeKind.FAILED, "HTTP 500"), seconds=1.0)
    statistics.add(outcome(10, OutcomeKind.FAILED, "timed out"), seconds=1.0)

    urls = [f"https://api.themoviedb.org/3/movie/{number}" for number in (*range(EXAMPLES), 10)]
    assert statistics.failed == {"HTTP 500": 10, "timed out": 1}
    assert statistics.failures == {"HTTP 500": urls[:-1], "timed out": urls[-1:]}


def test_the_line_of_progress_tells_how_far_how_fast_and_how_long_still() -> None:
    statistics = Statistics(urls=10, _line_at=100.0)
    statistics.add(outcome(1), seconds=0.1)
    statistics.add(outcome(2, OutcomeKind.ABSENT, "HTTP 404"), seconds=0.1)
    statistics.add(outcome(3, OutcomeKind.FAILED, "timed out"), seconds=0.1)

    line = statistics.progress_line(lambda: 102.0)

    assert line == "3 of 10 URLs done (1 absent, 1 failed), 1.5 URLs/s, 5 s left"


def test_the_line_of_progress_tells_the_speed_since_the_last_such_line() -> None:
    statistics = Statistics(urls=100, _line_at=0.0)
    lines = []
    for now, new in ((10.0, 40), (20.0, 5), (30.0, 0), (40.0, 5)):
        for number in range(new):
            statistics.add(outcome(number), seconds=0.1)
        lines.append(statistics.progress_line(iter([now]).__next__))

    assert lines == [
        "40 of 100 URLs done (0 absent, 0 failed), 4.0 URLs/s, 15 s left",
        "45 of 100 URLs done (0 absent, 0 failed), 0.5 URLs/s, 110 s left",
        "45 of 100 URLs done (0 absent, 0 failed), 0.0 URLs/s, nothing new",
        "50 of 100 URLs done (0 absent, 0 failed), 0.5 URLs/s, 100 s left",
    ]


def test_the_last_line_of_progress_has_nothing_left() -> None:
    statistics = Statistics(urls=1, _line_at=0.0)
    statistics.add(outcome(1), seconds=0.1)

    assert statistics.progress_line(lambda: 4.0).endswith("0.2 URLs/s, 0 s left")


def test_the_line_of_progress_says_that_there_is_nothing_yet() -> None:
    line = Statistics(urls=4).progress_line()

    assert line == "0 of 4 URLs done (0 absent, 0 failed), 0.0 URLs/s, nothing new"


def test_a_line_of_progress_in_the_moment_of_the_last_one_is_no_error() -> None:
    statistics = Statistics(urls=4, _line_at=7.0)
    statistics.add(outcome(1), seconds=0.1)

    assert statistics.progress_line(lambda: 7.0).startswith("1 of 4 URLs done")


def report(urls: int, failed: int) -> Report:
    return Report(
        batch="films-0001",
        urls=urls,
        fetched=urls - failed,
        absent=0,
        failed=failed,
        resumed=0,
        requests=urls,
        refused=0,
        seconds=1.0,
        requests_per_second=50.0,
        share_of_cap=1.0,
        latency_p50_seconds=0.1,
        latency_p95_seconds=0.1,
        bytes=0,
        failures=(),
        pauses=(),
        cooldowns=0,
        cooldown_seconds=0.0,
        outages=0,
        outage_seconds=0.0,
        limiter_rate=50.0,
        permit_wait_seconds=0.0,
        cap=50,
        cap_use=CapUse(0, 0, 0, 0.0, (), ()),
        latencies_seconds=(),
        folder=Path("films-0001"),
    )


@pytest.mark.parametrize(
    ("urls", "failed", "share"), [(0, 0, 0.0), (8, 0, 0.0), (8, 2, 0.25), (8, 8, 1.0)]
)
def test_the_share_of_failed_urls_is_that_of_the_whole_batch(
    urls: int, failed: int, share: float
) -> None:
    assert report(urls, failed).failed_share == share

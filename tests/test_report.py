from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.report import EXAMPLES, Statistics, percentile, rate_per_second


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
    assert dict(statistics.counts) == dict.fromkeys(OutcomeKind, 1)
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
    statistics = Statistics(urls=4)
    # as if the run had begun a year ago, so that the moment of asking does not matter
    statistics.began_at -= 365 * 86_400.0
    statistics.add(outcome(1), seconds=0.1)
    statistics.add(outcome(2, OutcomeKind.ABSENT, "HTTP 404"), seconds=0.1)
    statistics.add(outcome(3, OutcomeKind.FAILED, "timed out"), seconds=0.1)

    line = statistics.progress_line()

    assert line.startswith("3 of 4 URLs done (1 absent, 1 failed), 0.0 URLs/s, 105120")
    assert line.endswith(" s left")


def test_the_line_of_progress_says_that_there_is_nothing_yet() -> None:
    line = Statistics(urls=4).progress_line()

    assert line == "0 of 4 URLs done (0 absent, 0 failed), 0.0 URLs/s, nothing yet"

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.arrivals import Ledger, SlidingSecond

MOMENTS = st.lists(st.integers(0, 5000).map(lambda milliseconds: milliseconds / 1000)).map(sorted)


def new_ledger(kept: int = 1000) -> Ledger:
    return Ledger(100.0, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), kept)


@given(MOMENTS)
def test_sliding_second_counts_what_a_naive_count_finds(moments: list[float]) -> None:
    second = SlidingSecond()

    counts = [second.add(moment) for moment in moments]

    assert counts == [
        sum(moment - 1.0 < earlier for earlier in moments[: place + 1])
        for place, moment in enumerate(moments)
    ]


def test_an_arrival_exactly_one_second_ago_is_out_of_the_window() -> None:
    second = SlidingSecond()

    assert [second.add(moment) for moment in (1.0, 1.5, 2.0, 2.4)] == [1, 2, 2, 3]


def test_a_moment_that_comes_too_late_counts_as_the_last_one() -> None:
    second = SlidingSecond()

    assert [second.add(moment) for moment in (5.0, 4.0, 5.9)] == [1, 2, 3]


@given(MOMENTS.filter(bool), st.integers(1, 5))
def test_ledger_tells_the_fullest_second_and_what_was_over_the_cap(
    moments: list[float], cap: int
) -> None:
    ledger, second = new_ledger(), SlidingSecond()
    counts = [second.add(moment) for moment in moments]

    for moment in moments:
        ledger.leave(ledger.arrive(moment, "/3/movie/1", cap).number, 200)

    report = ledger.report(cap, cap)
    assert report["arrivals"] == len(moments)
    assert report["max_in_any_second"] == max(counts)
    assert report["over_cap"] == sum(count > cap for count in counts)


def test_report_holds_times_relative_to_the_start_and_the_mean_rate() -> None:
    ledger = new_ledger()
    for place in range(11):
        ledger.arrive(101.0 + place / 10, f"/3/movie/{place}", 50)

    report = ledger.report(None, 50)

    assert (report["first_arrival"], report["last_arrival"]) == (1.0, 2.0)
    assert report["mean_rate"] == 10.0
    assert report["started_at"] == "2026-01-02T03:04:05+00:00"
    assert (report["cap"], report["reference_cap"]) == (None, 50)


def test_report_of_nothing_has_no_times_and_is_json() -> None:
    report = new_ledger().report(50, 50)

    assert report["first_arrival"] is None
    assert report["mean_rate"] is None
    assert json.loads(json.dumps(report)) == report


def test_report_names_urls_that_were_asked_more_than_once() -> None:
    ledger = new_ledger()
    for url in ("/3/movie/1", "/3/movie/2", "/3/movie/1"):
        ledger.arrive(101.0, url, 50)

    report = ledger.report(50, 50)

    assert report["distinct_urls"] == 2
    assert report["repeated_urls"] == 1
    assert report["repeated_examples"] == {"/3/movie/1": 2}


def test_requests_in_flight_are_counted_until_they_leave() -> None:
    ledger = new_ledger()
    first = ledger.arrive(101.0, "/3/movie/1", 50)
    ledger.arrive(101.1, "/3/movie/2", 50)
    ledger.leave(first.number, 404)

    report = ledger.report(50, 50)

    assert (report["in_flight"], report["max_in_flight"]) == (1, 2)
    assert report["by_status"] == {"404": 1}
    assert ledger.arrivals() == [(1.0, "/3/movie/1", 404), (1.1, "/3/movie/2", None)]


def test_arrivals_beyond_what_is_kept_are_still_counted() -> None:
    ledger = new_ledger(kept=2)
    for place in range(4):
        ledger.leave(ledger.arrive(101.0 + place, f"/3/tv/{place}", 50).number, 200)

    assert len(ledger.arrivals()) == 2
    assert ledger.report(50, 50)["by_status"] == {"200": 4}

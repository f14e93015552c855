import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.world import World

DAY = date(2026, 8, 25)


def page(kind: str, query: str, per_day: int = 250) -> dict[str, Any]:
    answer = answer_to(f"/3/{kind}/changes", query, World(changes_per_day=per_day))
    assert answer.status == 200, answer.body
    value = json.loads(answer.body)
    assert isinstance(value, dict)
    return value


def items(kind: str, first: date, after: date, per_day: int = 250) -> list[dict[str, Any]]:
    """Return all items of a window, by its pages."""
    found: list[dict[str, Any]] = []
    pages = number = 1
    while number <= pages:
        one = page(kind, f"start_date={first}&end_date={after}&page={number}", per_day)
        pages, number = one["total_pages"], number + 1
        found += one["results"]
    assert len(found) == one["total_results"]
    return found


def error(query: str) -> tuple[int, int]:
    answer = answer_to("/3/movie/changes", query)
    return answer.status, json.loads(answer.body)["status_code"]


def test_the_end_of_a_window_is_one_past_its_last_day() -> None:
    one = items("movie", DAY, DAY + timedelta(days=1))
    two = items("movie", DAY, DAY + timedelta(days=2))

    assert two[: len(one)] == one
    assert two[len(one) :] == items("movie", DAY + timedelta(days=1), DAY + timedelta(days=2))
    assert items("movie", DAY, DAY) == []


def test_days_and_kinds_differ_and_each_stays_as_it_is() -> None:
    windows = {
        (kind, days): json.dumps(
            items(kind, DAY + timedelta(days=days), DAY + timedelta(days=days + 1))
        )
        for kind in ("movie", "tv", "person")
        for days in range(3)
    }

    assert len(set(windows.values())) == 9
    assert windows["tv", 0] == json.dumps(items("tv", DAY, DAY + timedelta(days=1)))


def test_a_page_has_a_hundred_and_what_is_past_the_last_is_empty() -> None:
    query = f"start_date={DAY}&end_date={DAY + timedelta(days=1)}"
    first, last = page("movie", query), page("movie", f"{query}&page=3")

    assert len(first["results"]) == 100
    assert first["total_pages"] == 3
    assert len(last["results"]) == first["total_results"] - 200
    assert page("movie", f"{query}&page=4")["results"] == []


def test_a_day_has_the_traps_of_the_real_ones() -> None:
    found = items("movie", DAY, DAY + timedelta(days=1))
    ids = [one["id"] for one in found if one["id"] is not None]
    per_page = [{one["id"] for one in found[start : start + 100]} for start in (0, 100, 200)]

    assert {tuple(sorted(one)) for one in found} == {("adult", "id")}
    assert {one["adult"] for one in found} == {False, None}
    assert 0 < len(found) - len(ids) < 10
    assert 0 < len(ids) - len(set(ids)) < 40
    assert (per_page[0] & per_page[1] | per_page[0] & per_page[2]) - {None}


@given(st.integers(0, 400), st.integers(0, 3))
def test_a_day_has_about_as_many_as_are_set(per_day: int, days: int) -> None:
    first = DAY + timedelta(days=days)
    found = items("tv", first, first + timedelta(days=1), per_day)

    assert per_day * 9 // 10 <= len(found) <= per_day


@pytest.mark.parametrize(
    ("query", "status_and_code"),
    [
        ("start_date=2026-08-01&end_date=2026-08-16", (422, 20)),
        ("start_date=2026-08-02&end_date=2026-08-01", (422, 20)),
        ("start_date=2026-8-1", (400, 23)),
        ("start_date=20260801", (400, 23)),
        ("start_date=2026-02-30", (400, 23)),
        ("end_date=tomorrow", (400, 23)),
        ("start_date=", (400, 23)),
        ("end_date=0001-01-01", (400, 23)),
        ("page=0", (400, 22)),
        ("page=501", (400, 22)),
    ],
)
def test_what_is_asked_wrongly_is_refused(query: str, status_and_code: tuple[int, int]) -> None:
    assert error(query) == status_and_code


def test_fourteen_days_are_one_window() -> None:
    assert page("person", "start_date=2026-08-01&end_date=2026-08-15")["total_pages"] > 30


def test_a_missing_date_makes_a_window_all_the_same() -> None:
    only_end = page("movie", "end_date=2026-08-26")
    only_start = page("movie", "start_date=2026-08-25")

    assert only_end == page("movie", "start_date=2026-08-25&end_date=2026-08-26")
    assert only_start == page("movie", "start_date=2026-08-25&end_date=2026-09-08")
    assert page("movie", "")["results"]

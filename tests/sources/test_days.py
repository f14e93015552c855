from datetime import UTC, date, datetime

import pytest

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.sources.days import export_days, oldest_export, parse_day

TODAY = date(2026, 8, 27)
OLDEST = date(2026, 8, 1)


def test_a_day_within_bounds_is_taken() -> None:
    assert parse_day("2026-08-27", TODAY, OLDEST) == TODAY
    assert parse_day("2026-08-01", TODAY, OLDEST) == OLDEST


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-02-30", "'2026-02-30' is no date: write it as 2026-08-27"),
        ("20260827", "'20260827' is no date"),
        ("2026-W35-4", "is no date"),
        ("yesterday", "'yesterday' is no date"),
        ("", "'' is no date"),
        ("2026-08-28", "2026-08-28 is yet to come: today is 2026-08-27 (UTC)"),
        ("2026-07-31", "2026-07-31 is too long ago: take 2026-08-01 or later"),
    ],
)
def test_any_other_text_is_refused_with_the_remedy(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_day(text, TODAY, OLDEST)

    assert words in str(caught.value)


def test_exports_are_kept_for_ninety_days() -> None:
    assert oldest_export(TODAY) == date(2026, 5, 29)


def test_the_newest_export_is_tried_first_and_then_seven_days_back() -> None:
    days = list(export_days(datetime(2026, 8, 27, 8, 30, tzinfo=UTC)))

    assert days[0] == TODAY
    assert days[-1] == date(2026, 8, 20)
    assert len(days) == 8


def test_before_seven_there_cannot_be_one_of_today() -> None:
    early = datetime(2026, 8, 27, 6, 59, tzinfo=UTC)

    assert next(export_days(early)) == date(2026, 8, 26)
    assert next(export_days(early.replace(hour=7))) == TODAY

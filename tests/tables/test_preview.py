"""The first rows of a batch, as people see them."""

from pathlib import Path

from tests.tables.made_tables import made, movie
from tmdb_assets.tables.preview import ROWS, preview


def test_the_first_rows_of_each_table_are_shown_and_no_more_than_five(tmp_path: Path) -> None:
    bodies = {f"/movie/{number}": movie(number) for number in range(1, 4)}
    report = made(
        tmp_path / "data",
        {
            **bodies,
            "/tv/1": {"id": 1, "name": "Series"},
            **{f"/movie/{number}/credits": {"id": number, "cast": []} for number in range(1, 4)},
        },
    )

    shown = preview(report.folder, report.rows)

    assert [one["table"] for one in shown] == ["movies", "movies", "movies", "tv", "responses"]
    assert len(shown) == ROWS
    assert shown[0]["what"] == "1 · Film 1 · 1999-10-15 · "
    assert shown[4]["what"] == "https://api.themoviedb.org/3/movie/1/credits"


def test_of_nothing_nothing_is_shown(tmp_path: Path) -> None:
    report = made(tmp_path / "data", {"/movie/1": None})

    assert preview(report.folder, report.rows) == ()

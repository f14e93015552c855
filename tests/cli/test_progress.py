import dataclasses

import pytest

from tmdb_assets.cli import show
from tmdb_assets.cli.progress import LINE_SECONDS, Bar, Lines
from tmdb_assets.survey import Standing

STANDING = Standing(
    name="movies",
    urls=3000,
    fetched=1400,
    absent=90,
    failed=10,
    purged=0,
    pending=1500,
    batches=2,
    complete=1,
    requests=1520,
    requests_per_second=49.5,
    mean_requests_per_second=49.5,
)


def test_a_bar_fits_into_80_columns_and_tells_all_that_matters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Bar(STANDING, 50, show.out) as bar:
        bar.show(STANDING)
        bar.note("something happened")

    said = capsys.readouterr().out
    last = said.rstrip().splitlines()[-1].rstrip()
    assert "list movies" in said
    assert "something happened" in said
    assert "1,500/3,000 90 absent, 10 failed, 49.5/50 req/s, 0:00:30 left" in last
    assert len(last) <= 80


def test_without_a_terminal_there_is_a_line_only_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    lines = Lines(STANDING, 50, show.out, clock=lambda: now[0])

    with lines:
        lines.show(STANDING)
        now[0] = LINE_SECONDS
        lines.show(STANDING)
        lines.show(dataclasses.replace(STANDING, pending=1400))

    assert capsys.readouterr().out == (
        "movies: 1,500 of 3,000, 90 absent, 10 failed, 49.5/50 req/s, 0:00:30 left\n"
    )

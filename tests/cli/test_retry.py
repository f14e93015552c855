"""`tmdb-assets retry`: what it says before it starts anything, and when there is nothing to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.stored_batches import fetch, frozen
from tmdb_assets import batches
from tmdb_assets.receipt import batch_folder
from tmdb_assets.settings import from_environment

STAND_IN = {"TMDB_ALLOWED_ORIGINS": "http://127.0.0.1:9"}

Command = Callable[..., tuple[int, str, str]]


def complete(name: str) -> None:
    """Freeze a list of one batch, all of whose URLs have an answer."""
    path = Path(f"{name}.txt")
    path.write_text("".join(f"/movie/{number}\n" for number in range(6)))
    for batch in batches.add(path, from_environment(STAND_IN)).all_batches:
        fetch(Path("data"), batch)


def test_an_unknown_list_is_an_error_that_says_what_to_do(tmdb_assets: Command) -> None:
    code, out, err = tmdb_assets("retry", "nowhere", **STAND_IN)

    assert (code, out) == (2, "")
    assert "there is no list 'nowhere'" in err
    assert "`tmdb-assets status` shows all" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("movies", "movies-stand-in"),
        ("movies-standin", "movies-stand-in"),
        ("shows-stand-in", "shows"),
        ("show", "shows"),
    ],
)
@pytest.mark.parametrize("command", ["retry", "status", "failed", "verify"])
def test_a_name_that_is_nearly_that_of_a_list_is_answered_with_that_one(
    tmdb_assets: Command, command: str, name: str, near: str
) -> None:
    complete("movies")
    frozen(Path("data"), "shows")

    code, out, err = tmdb_assets(command, name)

    assert (code, out) == (2, "")
    assert err == f"tmdb-assets: there is no list {name!r} in 'data': did you mean {near!r}?\n"


@pytest.mark.parametrize("name", ["../..", "Movies", "a b", "", "movies\n"])
def test_what_is_no_name_of_a_list_harms_nothing(tmdb_assets: Command, name: str) -> None:
    code, _, err = tmdb_assets("retry", name, **STAND_IN)

    assert code == (0 if name == "" else 2)
    assert err.count("\n") == 1


def test_without_any_list_it_says_how_to_add_one(tmdb_assets: Command) -> None:
    code, out, err = tmdb_assets("retry", **STAND_IN)

    assert (code, out) == (0, "")
    assert err == "no lists in data yet: tmdb-assets add LIST\n"


def test_without_any_list_standard_output_has_nothing_that_is_no_json(
    tmdb_assets: Command,
) -> None:
    code, out, _ = tmdb_assets("retry", "--json", **STAND_IN)

    assert (code, out) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TMDB_REQUESTS_PER_SECOND", "51"),
        ("TMDB_THREADS", "many"),
        ("TMDB_MAX_FAILED_SHARE", "2"),
        ("TMDB_MAX_FAILED_SHARE", "10%"),
        ("TMDB_MAX_FAILED_SHARE", "nan"),
        ("TMDB_ALLOWED_ORIGINS", "http://api.themoviedb.org"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_first(
    tmdb_assets: Command, name: str, value: str
) -> None:
    code, out, err = tmdb_assets("retry", **{name: value})

    assert (code, out) == (2, "")
    assert name in err
    assert err.count("\n") == 1


def test_the_real_tmdb_is_not_asked_without_a_token(tmdb_assets: Command) -> None:
    code, _, err = tmdb_assets("retry", "movies")

    assert code == 2
    assert "set TMDB_READ_ACCESS_TOKEN" in err


def test_a_limiter_that_cannot_be_used_is_named(tmdb_assets: Command, tmp_path: Path) -> None:
    code, _, err = tmdb_assets(
        "retry", TMDB_LIMITER=f"file:{tmp_path}/dagster.yaml/limiter", **STAND_IN
    )

    assert code == 2
    assert "limiter file" in err


def test_a_complete_list_starts_nothing_and_is_summed_up(tmdb_assets: Command) -> None:
    complete("movies")

    code, out, err = tmdb_assets("retry", "movies-stand-in", **STAND_IN)

    assert (code, err) == (0, "")
    assert "batches complete" in out
    assert not Path("data/dagster/run-daemon.log").exists()


def test_all_lists_are_gone_through_with_a_line_of_json_each(tmdb_assets: Command) -> None:
    complete("movies")
    complete("shows")

    code, out, err = tmdb_assets("retry", "--json", **STAND_IN)

    told = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [one["name"] for one in told] == ["movies-stand-in", "shows-stand-in"]
    assert all(one["complete"] == one["batches"] == 1 for one in told)


def test_lists_of_the_stand_in_are_passed_over_where_tmdb_is_asked(tmdb_assets: Command) -> None:
    complete("movies")

    code, out, err = tmdb_assets("retry", TMDB_READ_ACCESS_TOKEN=f"eyJ{'0' * 40}")

    assert (code, out) == (0, "")
    assert err == "list movies-stand-in: skipped: it is one of the stand-in\n"


def test_outside_a_project_the_error_says_where_to_start(tmdb_assets: Command) -> None:
    complete("movies")
    Path("dagster.yaml").unlink()

    code, _, err = tmdb_assets("retry", "movies-stand-in", **STAND_IN)

    assert code == 2
    assert "no dagster.yaml" in err


def test_a_list_that_is_damaged_is_named(tmdb_assets: Command) -> None:
    complete("movies")
    Path("data/batches/movies-stand-in/list.json").write_text("nonsense")

    code, _, err = tmdb_assets("retry", **STAND_IN)

    assert code == 2
    assert "list.json" in err
    assert batch_folder(Path("data"), "movies-stand-in-0001").is_dir()

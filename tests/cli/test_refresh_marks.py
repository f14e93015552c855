"""`tmdb-assets refresh`: which lists it marks, since a mark stays until all is newer."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.store.stored_batches import body_of, outcome_of, tree
from tmdb_assets import batches
from tmdb_assets.ages import DAY_SECONDS
from tmdb_assets.renewal import Renewal, read_renewal, write_renewal
from tmdb_assets.settings import from_environment
from tmdb_assets.store import BatchStore

TMDB, STAND_IN, OTHER = "https://api.themoviedb.org", "http://127.0.0.1:9", "http://127.0.0.1:10"
TOKEN = {"TMDB_READ_ACCESS_TOKEN": "nobody-sends-it"}
NOT_NAMED = f"frozen for {STAND_IN}, which TMDB_ALLOWED_ORIGINS does not name"


def old(data_dir: Path, name: str, origin: str, days: float = 40) -> str:
    """Freeze and fetch two URLs as of so many days ago; return the list's name."""
    path = data_dir.parent / f"{name}.txt"
    path.write_text("/movie/1\n/movie/2\n")
    variables = {"TMDB_DATA_DIR": str(data_dir), "TMDB_ALLOWED_ORIGINS": origin}
    (batch,) = batches.add(path, from_environment(variables)).new_batches
    targets = batches.load(data_dir, batch)
    moment = time.time() - days * DAY_SECONDS
    with BatchStore(data_dir, batch, targets) as store:
        for one in targets:
            store.record(replace(outcome_of(one), sent_at=(moment,), as_of=moment), body_of(one))
        store.seal(1.0)
    return batches.list_of(batch)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def tmdb_assets(tmdb_assets: Command) -> Command:
    """Runs the command where no run of Dagster can begin: nothing is ever sent."""
    Path("dagster.yaml").unlink()
    return tmdb_assets


def test_a_list_of_an_origin_that_may_not_be_asked_is_told_of_and_left_as_it_is(
    tmdb_assets: Command, data_dir: Path
) -> None:
    name = old(data_dir, "films", STAND_IN)
    before = tree(data_dir)

    code, out, err = tmdb_assets("refresh", "--older-than", "30d", **TOKEN)

    assert (code, out) == (0, f"list {name}: 2 URLs are older\n")
    assert err == f"list {name}: skipped: {NOT_NAMED}\n"
    assert tree(data_dir) == before


def test_the_lists_beside_one_that_is_passed_over_are_refreshed(
    tmdb_assets: Command, data_dir: Path
) -> None:
    old(data_dir, "a", STAND_IN)
    old(data_dir, "b", TMDB)

    code, _, err = tmdb_assets("refresh", "--older-than", "30d", **TOKEN)

    assert "list a-stand-in: skipped" in err
    assert "no dagster.yaml" in err  # here the run of list b would begin
    assert code == 2
    assert read_renewal(data_dir, "a-stand-in") == Renewal()
    assert read_renewal(data_dir, "b").since > 0


def test_a_list_that_is_named_and_may_not_be_asked_is_an_error(
    tmdb_assets: Command, data_dir: Path
) -> None:
    name = old(data_dir, "films", STAND_IN)
    before = tree(data_dir)

    code, _, err = tmdb_assets("refresh", name, "--older-than", "30d", TMDB_ALLOWED_ORIGINS=OTHER)

    assert code == 2
    assert f"list '{name}' was {NOT_NAMED}: add it there (for the stand-in: start this" in err
    assert tree(data_dir) == before


@pytest.mark.parametrize("named", [True, False])
def test_a_list_of_tmdb_is_not_marked_without_a_token(
    tmdb_assets: Command, data_dir: Path, *, named: bool
) -> None:
    name = old(data_dir, "films", TMDB)
    before = tree(data_dir)

    both = f"{STAND_IN},{TMDB}"
    names = (name,) if named else ()
    code, _, err = tmdb_assets("refresh", *names, "--older-than", "30d", TMDB_ALLOWED_ORIGINS=both)

    assert code == 2
    assert "set TMDB_READ_ACCESS_TOKEN" in err
    assert tree(data_dir) == before


def test_only_batches_with_something_older_count(tmdb_assets: Command, data_dir: Path) -> None:
    name = old(data_dir, "films", STAND_IN, days=1)

    code, out, err = tmdb_assets("refresh", "--older-than", "30d", **TOKEN)

    assert (code, out, err) == (0, f"list {name}: nothing is older\n", "")


@pytest.mark.parametrize(
    ("since_days", "more", "keeps"),
    [
        (35, (), True),  # the 40 days old ones are still to come
        (45, (), False),  # all is newer: that refresh is complete
        (45, ("--keep-history",), True),
    ],
)
def test_history_is_kept_until_the_refresh_that_was_to_keep_it_is_complete(
    tmdb_assets: Command, data_dir: Path, since_days: int, more: tuple[str, ...], *, keeps: bool
) -> None:
    name = old(data_dir, "films", STAND_IN)
    since = time.time() - since_days * DAY_SECONDS
    write_renewal(data_dir, name, Renewal(since, keep_history=True))

    tmdb_assets("refresh", name, "--older-than", "30d", *more, TMDB_ALLOWED_ORIGINS=STAND_IN)

    marked = read_renewal(data_dir, name)
    assert marked.since > since
    assert marked.keep_history is keeps

"""`tmdb-assets refresh` and `purge`: what they say of what is old, and what they leave alone."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.stored_batches import FAILED, body_of, frozen, outcome_of, tree
from tmdb_assets import batches
from tmdb_assets.ages import DAY_SECONDS
from tmdb_assets.outcomes import encode
from tmdb_assets.receipt import batch_folder, is_settled, needs_download
from tmdb_assets.renewal import read_renewal
from tmdb_assets.store import BatchStore

STAND_IN = {"TMDB_ALLOWED_ORIGINS": "http://127.0.0.1:9"}
BOTH = {
    "TMDB_ALLOWED_ORIGINS": "http://127.0.0.1:9,https://api.themoviedb.org",
    "TMDB_READ_ACCESS_TOKEN": "nobody-sends-it",
}
"""A run may ask what the lists here are frozen for; without dagster.yaml none begins."""

Command = Callable[..., tuple[int, str, str]]


def fetch(data_dir: Path, name: str, *days: float) -> Path:
    """Fetch a list of one batch, each URL so many days ago; return its folder."""
    (batch,) = frozen(data_dir, name, len(days))
    targets = batches.load(data_dir, batch)
    with BatchStore(data_dir, batch, targets) as store:
        for one, age in zip(targets, days, strict=True):
            moment = time.time() - age * DAY_SECONDS
            outcome = replace(outcome_of(one), sent_at=(moment,), as_of=moment)
            store.record(outcome, body_of(one))
        store.seal(1.0)
        return store.folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data folder with two lists: films of 1, 40, 200 and 210 days, shows of 3 days."""
    fetch(tmp_path / "data", "films", 1, 40, 200, 210)
    fetch(tmp_path / "data", "shows", 3, 3)
    return tmp_path / "data"


def files(data_dir: Path, name: str = "films") -> int:
    return len(list((data_dir / "responses" / name).glob("*/movie-*.json")))


@pytest.mark.parametrize("command", ["refresh", "purge"])
@pytest.mark.parametrize(
    "age",
    [
        *("30", "d", "", "30 d", "-1d", "+1d", "1.5d", "30m", "30s", "1y", "30D", "100000d"),
        *("1d2h", "0x1d", "1e3d", "\u0663d", "\uff13d", "d30", "None", "1d\n2d"),
    ],
)
def test_what_is_no_age_is_named_with_the_remedy(
    tmdb_assets: Command, command: str, age: str
) -> None:
    code, out, err = tmdb_assets(command, f"--older-than={age}")

    assert (code, out) == (2, "")
    assert "is no age: write hours, days or weeks, as in 36h, 30d, 26w" in err
    assert not Path("data").exists()


@pytest.mark.parametrize("command", ["refresh", "purge"])
def test_an_age_has_to_be_given(tmdb_assets: Command, command: str) -> None:
    code, out, err = tmdb_assets(command, "films")

    assert (code, out) == (2, "")
    assert "--older-than" in err


@pytest.mark.parametrize(
    ("age", "older"),
    [("0d", 4), ("23h", 4), ("25h", 3), ("36h", 3), (" 5w ", 3), ("31w", 0), ("99999w", 0)],
)
def test_a_dry_run_says_how_much_is_older_and_writes_nothing(
    tmdb_assets: Command, data_dir: Path, age: str, older: int
) -> None:
    before = tree(data_dir)

    code, out, err = tmdb_assets("refresh", "films", "--older-than", age, "--dry-run")

    words = f"{older} URLs are older" if older else "nothing is older"
    assert (code, out, err) == (0, f"list films: {words}\n", "")
    assert tree(data_dir) == before


def test_without_a_name_every_list_is_looked_at(tmdb_assets: Command, data_dir: Path) -> None:
    before = tree(data_dir)

    code, out, _ = tmdb_assets("refresh", "--older-than", "30d", "--dry-run")

    assert code == 0
    assert out == "list films: 3 URLs are older\nlist shows: nothing is older\n"
    assert tree(data_dir) == before


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--keep-history",)])
def test_the_urls_that_are_older_are_a_list_that_can_be_fed_back(
    tmdb_assets: Command, data_dir: Path, more: tuple[str, ...]
) -> None:
    before = tree(data_dir)

    code, out, err = tmdb_assets("refresh", "--older-than", "30d", "--urls", *more)

    old = [one.url for one in batches.load(data_dir, "films-0001")[1:]]
    assert (code, err) == (0, "")
    assert out.splitlines() == old
    assert tree(data_dir) == before
    Path("old.txt").write_text(out)
    code, as_json, _ = tmdb_assets("plan", "old.txt", "--json")
    planned = json.loads(as_json)
    assert (code, planned["new"], planned["rejected"]) == (0, 3, 0)


@pytest.mark.usefixtures("data_dir")
def test_where_nothing_is_older_nothing_is_printed_as_a_url(tmdb_assets: Command) -> None:
    assert tmdb_assets("refresh", "shows", "--older-than", "30d", "--urls") == (0, "", "")


def test_where_nothing_is_older_nothing_has_to_be_newer(
    tmdb_assets: Command, data_dir: Path
) -> None:
    before = tree(data_dir)

    code, out, err = tmdb_assets("refresh", "shows", "--older-than", "30d", **STAND_IN)

    assert (code, out, err) == (0, "list shows: nothing is older\n", "")
    assert tree(data_dir) == before


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--urls",)])
def test_an_unknown_list_is_named(
    tmdb_assets: Command, data_dir: Path, more: tuple[str, ...]
) -> None:
    before = tree(data_dir)

    for name in ("nowhere", "../films", "Films"):
        code, out, err = tmdb_assets("refresh", name, "--older-than", "1d", *more, **STAND_IN)

        assert (code, out) == (2, "")
        assert "there is no list" in err
        assert err.count("\n") == 1
    assert tree(data_dir) == before


def test_tmdb_is_not_refreshed_from_without_a_token(tmdb_assets: Command, data_dir: Path) -> None:
    before = tree(data_dir)

    code, out, err = tmdb_assets("refresh", "--older-than", "30d")

    assert (code, out) == (2, "")
    assert "set TMDB_READ_ACCESS_TOKEN" in err
    assert tree(data_dir) == before


@pytest.mark.parametrize("command", ["refresh", "purge"])
def test_without_any_list_there_is_nothing_to_do(tmdb_assets: Command, command: str) -> None:
    code, _, err = tmdb_assets(command, "--older-than", "1d", **STAND_IN)

    assert (code, err) == (0, "")
    assert not Path("data").exists()


def test_a_renewal_that_is_damaged_is_named_before_anything_starts(
    tmdb_assets: Command, data_dir: Path
) -> None:
    (data_dir / "batches" / "films" / "renewal.json").write_text("{")

    code, _, err = tmdb_assets("refresh", "films", "--older-than", "30d", **BOTH)

    assert code == 2
    assert "remove it, and refresh the list again" in err
    assert not (data_dir / "dagster").exists()


def test_outside_a_project_the_wish_is_kept_for_the_next_run(
    tmdb_assets: Command, data_dir: Path
) -> None:
    Path("dagster.yaml").unlink()
    began_at = time.time()

    code, out, err = tmdb_assets("refresh", "films", "--older-than", "30d", **BOTH)

    assert code == 2
    assert out == "list films: 3 URLs are older\n"
    assert "no dagster.yaml" in err
    renewal = read_renewal(data_dir, "films")
    assert renewal.since == pytest.approx(began_at - 30 * DAY_SECONDS, abs=60)
    assert renewal.keep_history is False
    assert needs_download(data_dir, "films-0001")
    assert is_settled(data_dir, "shows-0001")


# --- purge --------------------------------------------------------------------------------------


def test_without_yes_it_only_says_what_would_go(tmdb_assets: Command, data_dir: Path) -> None:
    before = tree(data_dir)

    code, out, err = tmdb_assets("purge", "--older-than", "180d")

    assert (code, err) == (0, "")
    assert out == "2 files of 0.0 MB and 0 earlier versions would be removed (--yes removes them)\n"
    assert tree(data_dir) == before


def test_with_yes_it_goes_and_stays_known(tmdb_assets: Command, data_dir: Path) -> None:
    code, out, err = tmdb_assets("purge", "--older-than", "180d", "--yes")
    again = tmdb_assets("purge", "--older-than", "180d", "--yes")
    _, as_json, _ = tmdb_assets("status", "films", "--json")
    verified = tmdb_assets("verify")

    assert (code, out, err) == (0, "2 files of 0.0 MB and 0 earlier versions removed\n", "")
    assert again == (0, "0 files of 0.0 MB and 0 earlier versions removed\n", "")
    assert (files(data_dir), files(data_dir, "shows")) == (2, 2)
    assert '"purged": 2' in as_json
    assert verified[0] == 0
    assert is_settled(data_dir, "films-0001")


def test_only_the_list_that_is_named_is_purged(tmdb_assets: Command, data_dir: Path) -> None:
    code, out, _ = tmdb_assets("purge", "shows", "--older-than", "0d", "--yes")

    assert (code, out) == (0, "2 files of 0.0 MB and 0 earlier versions removed\n")
    assert (files(data_dir), files(data_dir, "shows")) == (4, 0)


def test_sizes_are_told_in_megabytes(tmdb_assets: Command, data_dir: Path) -> None:
    (batch,) = frozen(data_dir, "large", 1)
    (one,) = batches.load(data_dir, batch)
    body = b'{"x":"' + b"x" * 1_500_000 + b'"}'
    moment = time.time() - 10 * DAY_SECONDS
    with BatchStore(data_dir, batch, [one]) as store:
        outcome = replace(
            outcome_of(one),
            bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            sent_at=(moment,),
            as_of=moment,
        )
        store.record(outcome, body)

    for more, verb in (((), "would be removed (--yes removes them)"), (("--yes",), "removed")):
        code, out, _ = tmdb_assets("purge", "large", "--older-than", "1w", *more)
        assert (code, out) == (0, f"1 files of 1.5 MB and 0 earlier versions {verb}\n")


def test_a_batch_that_is_being_downloaded_is_named_and_the_other_lists_are_purged(
    tmdb_assets: Command, data_dir: Path
) -> None:
    targets = batches.load(data_dir, "films-0001")
    with BatchStore(data_dir, "films-0001", targets):
        code, out, err = tmdb_assets("purge", "--older-than", "1d", "--yes")

    assert code == 1
    assert out == "2 files of 0.0 MB and 0 earlier versions removed\n"
    assert "list 'films'" in err
    assert err.count("\n") == 1
    assert (files(data_dir), files(data_dir, "shows")) == (4, 0)


@pytest.mark.parametrize("more", [(), ("--yes",)])
def test_a_list_that_is_not_there_is_not_purged(
    tmdb_assets: Command, data_dir: Path, more: tuple[str, ...]
) -> None:
    before = tree(data_dir)

    code, out, err = tmdb_assets("purge", "nowhere", "--older-than", "1d", *more)

    assert (code, out) == (2, "")
    assert "there is no list 'nowhere'" in err
    assert tree(data_dir) == before


def test_a_damaged_list_does_not_keep_the_others_from_being_purged(
    tmdb_assets: Command, data_dir: Path
) -> None:
    (data_dir / "batches" / "films" / "list.json").write_text("nonsense")

    code, _, err = tmdb_assets("purge", "--older-than", "1d", "--yes")

    assert code == 2
    assert "list.json" in err
    assert files(data_dir, "shows") == 0


def test_what_a_failed_refresh_left_is_old_and_goes(tmdb_assets: Command, data_dir: Path) -> None:
    (one, *_) = batches.load(data_dir, "shows-0001")
    moment = time.time() - 200 * DAY_SECONDS
    failed = replace(outcome_of(one), outcome=FAILED, sent_at=(time.time(),), as_of=moment)
    folder = batch_folder(data_dir, "shows-0001")
    (folder / "receipt.json").unlink()
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(encode(failed))

    said = tmdb_assets("purge", "shows", "--older-than", "180d", "--yes")

    assert said == (0, "1 files of 0.0 MB and 0 earlier versions removed\n", "")
    assert files(data_dir, "shows") == 1


def test_what_was_purged_is_told_as_older_to_whoever_wants_it_anew(
    tmdb_assets: Command, data_dir: Path
) -> None:
    tmdb_assets("purge", "films", "--older-than", "180d", "--yes")

    _, some, _ = tmdb_assets("refresh", "films", "--older-than", "30d", "--urls")
    _, everything, _ = tmdb_assets("refresh", "films", "--older-than", "0d", "--urls")

    urls = [one.url for one in batches.load(data_dir, "films-0001")]
    assert some.splitlines() == urls[1:2]
    assert sorted(everything.splitlines()) == sorted(urls)

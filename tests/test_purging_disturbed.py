"""A purge that is killed is ended by whoever comes next, and what is in its way is named."""

import json
from collections.abc import Callable

import pytest

from tests.purgeable import BATCH, BEFORE, FETCHED, NOW, OLD, Films, outcome_of, six_films
from tests.store.stored_batches import in_time
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.outcomes import encode
from tmdb_assets.purging import purge_list
from tmdb_assets.receipt import needs_download
from tmdb_assets.store import BatchStore
from tmdb_assets.verification import verify_batch

films = pytest.fixture(six_films)


# --- killed on the way --------------------------------------------------------------------------


def killed(films: Films, *, has_receipt: bool, removed: int) -> None:
    """Leave what a purge leaves that was killed after it had said that bodies are gone.

    Args:
        has_receipt: whether it had written the receipt anew.
        removed: of the two bodies.
    """
    receipt = (films.folder / "receipt.json").read_bytes()
    bodies = {number: films.body(number).read_bytes() for number in (0, 3)}
    films.purge()
    if not has_receipt:
        (films.folder / "receipt.json").write_bytes(receipt)
    for number in (0, 3)[removed:]:
        films.body(number).write_bytes(bodies[number])


@pytest.mark.parametrize("removed", [0, 1])
def test_a_purge_that_was_killed_is_ended_by_the_next(films: Films, removed: int) -> None:
    killed(films, has_receipt=True, removed=removed)

    assert films.purge() == []

    assert films.there() == [1, 5]
    assert verify_batch(films.data_dir, BATCH).findings == ()
    assert not needs_download(films.data_dir, BATCH)


@pytest.mark.parametrize("removed", [0, 1])
def test_a_purge_that_was_killed_is_ended_by_the_next_run_too(films: Films, removed: int) -> None:
    killed(films, has_receipt=True, removed=removed)

    with BatchStore(films.data_dir, BATCH, films.targets) as store:
        assert store.pending == ()
        store.seal(1.0)

    assert films.there() == [1, 5]
    assert verify_batch(films.data_dir, BATCH).findings == ()


def test_a_purge_that_was_killed_before_its_receipt_is_ended_by_the_next(films: Films) -> None:
    killed(films, has_receipt=False, removed=0)

    films.purge()

    assert films.there() == [1, 5]
    assert verify_batch(films.data_dir, BATCH).findings == ()


def test_a_kill_before_the_receipt_costs_no_request(films: Films) -> None:
    killed(films, has_receipt=False, removed=0)

    with BatchStore(films.data_dir, BATCH, films.targets) as store:
        assert store.pending == ()
        store.seal(1.0)

    assert verify_batch(films.data_dir, BATCH).findings == ()
    assert not needs_download(films.data_dir, BATCH)


# --- what is in the way -------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [None, "many", []])
def test_a_receipt_with_nonsense_does_not_keep_bodies_from_going(films: Films, odd: object) -> None:
    path = films.folder / "receipt.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "attempts": odd}))

    films.purge()

    assert films.there() == [1, 5]


def linked(films: Films) -> None:
    outside = films.data_dir.parent / "outside"
    outside.write_bytes(films.body(0).read_bytes())
    films.body(0).unlink()
    films.body(0).symlink_to(outside)


def test_a_link_in_the_place_of_a_body_goes_and_what_it_leads_to_stays(films: Films) -> None:
    linked(films)

    films.purge()

    assert not films.body(0).is_symlink()
    assert (films.data_dir.parent / "outside").exists()


def test_a_folder_in_the_place_of_a_body_is_named(films: Films) -> None:
    films.body(0).unlink()
    films.body(0).mkdir()

    with pytest.raises(StoreError, match="is in the way"):
        films.purge()
    films.body(0).rmdir()

    films.purge()
    assert films.there() == [1, 5]


def leads_out(films: Films) -> None:
    films.folder.rename(films.data_dir.parent / "elsewhere")
    films.folder.symlink_to(films.data_dir.parent / "elsewhere")


def history_leads_out(films: Films) -> None:
    (films.data_dir.parent / "elsewhere").mkdir()
    (films.data_dir / "history").symlink_to(films.data_dir.parent / "elsewhere")


@pytest.mark.parametrize("obstruct", [leads_out, history_leads_out])
def test_nothing_goes_behind_a_link_that_leads_out(
    films: Films, obstruct: Callable[[Films], None]
) -> None:
    obstruct(films)
    before = sorted(path.name for path in films.data_dir.parent.rglob("*.json"))

    with in_time(10), pytest.raises(StoreError, match="leads out of"):
        films.purge()

    assert sorted(path.name for path in films.data_dir.parent.rglob("*.json")) == before


def test_a_list_that_is_not_there_is_named(films: Films) -> None:
    with pytest.raises(BatchError, match="there is no list 'shows'"):
        list(purge_list(films.data_dir, "shows", BEFORE, NOW))


def test_outcomes_of_a_newer_version_are_refused_and_bodies_stay(films: Films) -> None:
    path = films.folder / "outcomes.jsonl"
    line = encode(outcome_of(films.targets[0], FETCHED, OLD))
    path.write_bytes(path.read_bytes() + line.replace(b'"format":2', b'"format":3'))

    with pytest.raises(BatchError, match="update this one"):
        films.purge()
    assert films.there() == [0, 1, 3, 5]

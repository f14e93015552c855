"""How old a list is: what receipts say is believed, what they do not say is read from outcomes."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.made_outcome import made_outcome
from tests.store.stored_batches import frozen, lines, tree
from tmdb_assets import batches, outcomes
from tmdb_assets.ages import (
    DAY_SECONDS,
    KEPT_AT_MOST_SECONDS,
    WARNED_AFTER_SECONDS,
    older_than,
    oldest_body,
)
from tmdb_assets.errors import BatchError
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore

FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED
PURGED = OutcomeKind.PURGED
BEGAN_AT = 1_700_000_000.0
BODY = b'{"id":1}'


def outcome_of(one: Target, kind: OutcomeKind, as_of: float) -> Outcome:
    return made_outcome(one, kind, BODY if kind is FETCHED else b"", as_of)


def fetch(
    data_dir: Path,
    batch: str,
    kinds: Sequence[tuple[OutcomeKind, float]],
    *,
    is_sealed: bool = True,
) -> tuple[Target, ...]:
    """Have the first targets of a batch end so; the others are absent, a hundred days later."""
    targets = batches.load(data_dir, batch)
    rest = [(ABSENT, BEGAN_AT + 100 * DAY_SECONDS)] * (len(targets) - len(kinds))
    with BatchStore(data_dir, batch, targets) as store:
        for one, (kind, as_of) in zip(targets, [*kinds, *rest], strict=True):
            store.record(outcome_of(one, kind, as_of), BODY if kind is FETCHED else None)
        if is_sealed:
            store.seal(1.0)
    return targets


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data folder with a list of two batches, nothing of which is fetched."""
    frozen(tmp_path / "data", count=150)
    return tmp_path / "data"


def day(number: int) -> float:
    return BEGAN_AT + number * DAY_SECONDS


def told(data_dir: Path, moment: float) -> dict[str, list[str]]:
    """Return the URLs of each batch that are older."""
    return {
        one.batch: [old.url for old in one.older] for one in older_than(data_dir, "films", moment)
    }


def test_what_may_be_kept_is_six_months_and_the_warning_comes_a_month_before() -> None:
    assert KEPT_AT_MOST_SECONDS == 180 * 86_400
    assert WARNED_AFTER_SECONDS == 150 * 86_400


def test_a_list_that_was_never_downloaded_has_no_age(data_dir: Path) -> None:
    before = tree(data_dir)

    assert told(data_dir, day(1000)) == {}
    assert oldest_body(data_dir, "films") is None
    assert outcomes.last_outcomes(batch_folder(data_dir, "films-0001")) == {}
    assert tree(data_dir) == before


def test_each_batch_tells_what_is_older(data_dir: Path) -> None:
    first = fetch(data_dir, "films-0001", [(FETCHED, day(3)), (ABSENT, day(1)), (FAILED, day(2))])
    second = fetch(data_dir, "films-0002", [(FETCHED, day(0)), (FETCHED, day(9))])

    assert told(data_dir, day(0)) == {}
    assert told(data_dir, day(1)) == {"films-0002": [second[0].url]}
    assert told(data_dir, day(4)) == {
        "films-0001": [one.url for one in first[:3]],
        "films-0002": [second[0].url],
    }
    assert len(told(data_dir, day(101))["films-0001"]) == 75
    assert oldest_body(data_dir, "films") == day(0)


def test_bodies_and_their_size_are_counted(data_dir: Path) -> None:
    fetch(data_dir, "films-0001", [(FETCHED, day(1)), (FETCHED, day(2)), (PURGED, day(1))])

    (aged,) = older_than(data_dir, "films", day(3))

    assert (len(aged.older), aged.bodies, aged.bytes) == (3, 2, 2 * len(BODY))


def test_a_failure_keeps_the_age_of_the_body_that_it_left(data_dir: Path) -> None:
    (one, *_) = fetch(data_dir, "films-0001", [(FETCHED, day(1))], is_sealed=False)
    failed = outcome_of(one, FETCHED, day(1))
    with (batch_folder(data_dir, "films-0001") / "outcomes.jsonl").open("ab") as file:
        line = outcomes.encode(failed).replace(b'"outcome":"fetched"', b'"outcome":"failed"')
        file.write(line)

    (aged,) = older_than(data_dir, "films", day(2))
    assert (aged.older[0].outcome, aged.bodies) == (FAILED, 1)
    assert oldest_body(data_dir, "films") == day(1)


def test_what_was_never_sent_has_no_age(data_dir: Path) -> None:
    fetch(data_dir, "films-0001", [(FAILED, 0.0), (FETCHED, day(5))])

    assert told(data_dir, day(1)) == {}
    assert oldest_body(data_dir, "films") == day(5)


def test_the_last_outcome_is_the_one_that_has_an_age(data_dir: Path) -> None:
    (one, *_) = fetch(data_dir, "films-0001", [(FETCHED, day(1))], is_sealed=False)
    with (batch_folder(data_dir, "films-0001") / "outcomes.jsonl").open("ab") as file:
        file.write(outcomes.encode(outcome_of(one, FETCHED, day(50))))
        file.write(outcomes.encode(outcome_of(one, FETCHED, day(0)))[:-1])  # torn

    assert told(data_dir, day(40)) == {}
    assert oldest_body(data_dir, "films") == day(50)
    assert outcomes.last_outcomes(batch_folder(data_dir, "films-0001"))[one.url].as_of == day(50)


def test_a_receipt_spares_the_look_at_outcomes(data_dir: Path) -> None:
    fetch(data_dir, "films-0001", [(FETCHED, day(5))])
    (batch_folder(data_dir, "films-0001") / "outcomes.jsonl").write_bytes(b"")

    assert told(data_dir, day(5)) == {}
    assert oldest_body(data_dir, "films") == day(5)


def test_a_receipt_without_bodies_says_so(data_dir: Path) -> None:
    fetch(data_dir, "films-0001", [])

    assert oldest_body(data_dir, "films") is None
    assert len(told(data_dir, day(101))["films-0001"]) == 75


def receipt_says(data_dir: Path, **fields: object) -> None:
    path = batch_folder(data_dir, "films-0001") / "receipt.json"
    said = {**json.loads(path.read_bytes()), **fields}
    path.write_text(json.dumps({name: said[name] for name in said if said[name] is not ...}))


def test_a_receipt_of_an_earlier_version_does_not_tell(data_dir: Path) -> None:
    fetch(data_dir, "films-0001", [(FETCHED, day(5))])
    receipt_says(data_dir, format=1, oldest_as_of=..., oldest_body_as_of=...)

    assert set(told(data_dir, day(6))) == {"films-0001"}
    assert oldest_body(data_dir, "films") == day(5)


@pytest.mark.parametrize("odd", ["soon", 7, [], "9999-99-99"])
def test_a_receipt_that_says_nonsense_is_not_believed_about_outcomes(
    data_dir: Path, odd: object
) -> None:
    fetch(data_dir, "films-0001", [(FETCHED, day(5))])
    receipt_says(data_dir, oldest_as_of=odd)

    assert set(told(data_dir, day(6))) == {"films-0001"}


@pytest.mark.parametrize("odd", ["soon", 7, "9999-99-99"])
def test_a_receipt_that_says_nonsense_is_not_believed_about_bodies(
    data_dir: Path, odd: object
) -> None:
    fetch(data_dir, "films-0001", [(FETCHED, day(5))])
    receipt_says(data_dir, oldest_body_as_of=odd)

    assert oldest_body(data_dir, "films") == day(5)


def test_outcomes_of_a_newer_version_are_refused(data_dir: Path) -> None:
    fetch(data_dir, "films-0001", [(FETCHED, day(5))], is_sealed=False)
    folder = batch_folder(data_dir, "films-0001")
    (folder / "outcomes.jsonl").write_bytes(lines(folder)[0].replace(b'"format":2', b'"format":3'))

    for look in (lambda: told(data_dir, day(9)), lambda: oldest_body(data_dir, "films")):
        with pytest.raises(BatchError, match="update this one"):
            look()


def test_a_list_that_is_not_there_is_named(data_dir: Path) -> None:
    for look in (
        lambda: list(older_than(data_dir, "shows", day(9))),
        lambda: oldest_body(data_dir, "shows"),
    ):
        with pytest.raises(BatchError, match="there is no list 'shows'"):
            look()

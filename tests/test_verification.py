"""Every kind of damage is found and named, nothing is changed by looking, and a repair mends it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.store.stored_batches import (
    ABSENT,
    FAILED,
    fetch,
    frozen,
    in_time,
    lines,
    outcome_of,
    tree,
)
from tmdb_assets import batches
from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.model import Outcome, Target
from tmdb_assets.outcomes import encode
from tmdb_assets.store import BatchStore
from tmdb_assets.verification import Flaw, repair, verify_batch

BATCH = "films-0001"


@dataclass(frozen=True)
class Place:
    """A data folder with one fetched batch of six films: 1, 2, 4, 5 fetched, 0 and 3 absent."""

    data_dir: Path
    folder: Path
    targets: tuple[Target, ...]

    def body(self, number: int) -> Path:
        return self.folder / f"{self.targets[number].name}.json"

    def append(self, outcome: Outcome | bytes) -> None:
        line = outcome if isinstance(outcome, bytes) else encode(outcome)
        with (self.folder / "outcomes.jsonl").open("ab") as file:
            file.write(line)

    def receipt_says(self, **fields: object) -> None:
        path = self.folder / "receipt.json"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))

    def found(self) -> set[tuple[Flaw, str]]:
        """Return flaws and what they are about, with names of films in place of their files'."""
        names = {f"{one.name}.json": f"film {n}" for n, one in enumerate(self.targets)}
        verified = verify_batch(self.data_dir, BATCH)
        assert {finding.batch for finding in verified.findings} <= {BATCH}
        return {(one.flaw, names.get(one.what, one.what)) for one in verified.findings}


@pytest.fixture
def films(tmp_path: Path) -> Place:
    data_dir = tmp_path / "data"
    (batch,) = frozen(data_dir)
    return Place(data_dir, fetch(data_dir, batch), batches.load(data_dir, batch))


def of_another(folder: Path) -> None:
    line = lines(folder)[0].replace(b"movie/0", b"movie/99")
    (folder / "outcomes.jsonl").write_bytes(b"".join([*lines(folder), line]))


def spoiled_line(films: Place) -> None:
    first, second, *others = lines(films.folder)
    content = b"".join([first, b"\0" * len(second[1:]) + b"\n", *others])
    (films.folder / "outcomes.jsonl").write_bytes(content)


def swapped(films: Place) -> None:
    one, other = films.body(1).read_bytes(), films.body(2).read_bytes()
    films.body(1).write_bytes(other)
    films.body(2).write_bytes(one)


Damage = Callable[[Place], object]
GAPS = "it is there, although 1 URLs have no outcome"

DAMAGES: dict[str, tuple[Damage, set[tuple[Flaw, str]]]] = {
    "outcome of another URL": (
        lambda films: of_another(films.folder),
        {(Flaw.UNREADABLE, "1 outcomes of URLs that it does not have")},
    ),
    "missing body": (lambda films: films.body(1).unlink(), {(Flaw.MISSING, "film 1")}),
    "emptied body": (lambda films: films.body(1).write_bytes(b""), {(Flaw.ALTERED, "film 1")}),
    "a byte": (
        lambda films: films.body(2).write_bytes(films.body(2).read_bytes().replace(b"t", b"u", 1)),
        {(Flaw.ALTERED, "film 2")},
    ),
    "zeros": (
        lambda films: films.body(2).write_bytes(bytes(films.body(2).stat().st_size)),
        {(Flaw.ALTERED, "film 2")},
    ),
    "swapped": (swapped, {(Flaw.ALTERED, "film 1"), (Flaw.ALTERED, "film 2")}),
    "pipe": (
        lambda films: (films.body(1).unlink(), os.mkfifo(films.body(1))),
        {(Flaw.ALTERED, "film 1")},
    ),
    "link": (
        lambda films: (films.body(1).unlink(), films.body(1).symlink_to("receipt.json")),
        {(Flaw.ALTERED, "film 1")},
    ),
    "half a temporary": (
        lambda films: (films.folder / ".tmp-movie-1").write_bytes(b"{"),
        {(Flaw.LEFTOVER, ".tmp-movie-1")},
    ),
    "body of an absent URL": (
        lambda films: films.body(3).write_bytes(b"{}"),
        {(Flaw.LEFTOVER, "film 3")},
    ),
    "spoiled line": (
        spoiled_line,
        {
            (Flaw.UNREADABLE, "1 lines of outcomes.jsonl"),
            (Flaw.RECEIPT, GAPS),
            (Flaw.LEFTOVER, "film 1"),
        },
    ),
    "line of nothing": (
        lambda films: films.append(b"{}\n"),
        {(Flaw.UNREADABLE, "1 lines of outcomes.jsonl")},
    ),
    "torn last line": (
        lambda films: (films.folder / "outcomes.jsonl").write_bytes(
            b"".join(lines(films.folder))[:-9]
        ),
        {(Flaw.RECEIPT, GAPS), (Flaw.LEFTOVER, "film 5")},
    ),
    "no outcomes": (
        lambda films: (films.folder / "outcomes.jsonl").unlink(),
        {
            (Flaw.RECEIPT, "it is there, although 6 URLs have no outcome"),
            *((Flaw.LEFTOVER, f"film {number}") for number in (1, 2, 4, 5)),
        },
    ),
    "denied later": (
        lambda films: films.append(outcome_of(films.targets[1], ABSENT)),
        {
            (Flaw.LEFTOVER, "film 1"),
            (Flaw.RECEIPT, "it says otherwise about fetched, absent, bytes, digest"),
        },
    ),
    "failed later": (
        lambda films: films.append(outcome_of(films.targets[0], FAILED)),
        {(Flaw.RECEIPT, "it says otherwise about absent, failed")},
    ),
    "receipt of something else": (
        lambda films: films.receipt_says(digest="0" * 64),
        {(Flaw.RECEIPT, "it says otherwise about digest")},
    ),
    "receipt of another batch": (
        lambda films: films.receipt_says(batch="films-0002"),
        {(Flaw.RECEIPT, "it says otherwise about batch")},
    ),
    "emptied receipt": (
        lambda films: (films.folder / "receipt.json").write_bytes(b""),
        {(Flaw.RECEIPT, "it cannot be read")},
    ),
}
"""Damages and what is found, one for each way to tell it; a run mends all of them."""

FOREIGN: dict[str, tuple[Damage, set[tuple[Flaw, str]]]] = {
    "file": (
        lambda films: (films.folder / "movie-99.json").write_bytes(b"{}"),
        {(Flaw.FOREIGN, "movie-99.json")},
    ),
    "folder": (
        lambda films: (films.folder / "backup" / "old").mkdir(parents=True),
        {(Flaw.FOREIGN, "backup")},
    ),
    "link": (
        lambda films: (films.folder / "link").symlink_to("/nowhere"),
        {(Flaw.FOREIGN, "link")},
    ),
}


def test_a_batch_as_it_was_fetched_has_no_flaw(films: Place) -> None:
    verified = verify_batch(films.data_dir, BATCH)

    assert (verified.batch, verified.urls, verified.bodies) == (BATCH, 6, 4)
    assert (verified.pending, verified.without_outcome, verified.findings) == (0, 0, ())


def test_a_batch_that_never_ran_has_no_flaw_and_all_of_it_is_pending(tmp_path: Path) -> None:
    (batch,) = frozen(tmp_path / "data")
    before = tree(tmp_path)

    verified = verify_batch(tmp_path / "data", batch)

    assert (verified.urls, verified.bodies, verified.pending, verified.findings) == (6, 0, 6, ())
    assert verified.without_outcome == 6
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("damage", "found"),
    [*DAMAGES.values(), *FOREIGN.values()],
    ids=[*DAMAGES, *(f"foreign {name}" for name in FOREIGN)],
)
def test_every_damage_is_named_and_nothing_is_changed_by_looking(
    films: Place, damage: Damage, found: set[tuple[Flaw, str]]
) -> None:
    damage(films)
    before = tree(films.data_dir.parent)

    with in_time(5):
        assert films.found() == found

    assert tree(films.data_dir.parent) == before


def test_what_is_counted_as_fetched_and_pending_follows_the_files(films: Place) -> None:
    films.body(1).unlink()
    films.body(2).write_bytes(b"{}")
    films.append(outcome_of(films.targets[0], FAILED))

    verified = verify_batch(films.data_dir, BATCH)

    assert (verified.urls, verified.bodies, verified.pending) == (6, 2, 3)
    assert verified.without_outcome == 0


def test_urls_whose_outcomes_are_gone_torn_or_odd_are_without_one(films: Place) -> None:
    kept = lines(films.folder)[:3]
    of_no_url = lines(films.folder)[3].replace(b"movie/3", b"movie/99")
    torn = lines(films.folder)[4][:-1]
    (films.folder / "outcomes.jsonl").write_bytes(b"".join([*kept, b"{}\n", of_no_url, torn]))

    verified = verify_batch(films.data_dir, BATCH)

    assert (verified.urls, verified.pending, verified.without_outcome) == (6, 3, 3)


def test_a_failed_url_is_pending_and_has_an_outcome(films: Place) -> None:
    films.append(outcome_of(films.targets[0], FAILED))
    films.append(outcome_of(films.targets[3], FAILED))

    verified = verify_batch(films.data_dir, BATCH)

    assert (verified.pending, verified.without_outcome) == (2, 0)


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES.values()], ids=DAMAGES)
def test_after_a_repair_and_a_run_there_is_no_flaw(films: Place, damage: Damage) -> None:
    (films.folder / "notes.txt").write_bytes(b"mine")
    damage(films)

    repair(films.data_dir, BATCH)
    assert not (films.folder / "receipt.json").exists()
    fetch(films.data_dir, BATCH)

    assert films.found() == {(Flaw.FOREIGN, "notes.txt")}
    assert (films.folder / "notes.txt").read_bytes() == b"mine"
    assert verify_batch(films.data_dir, BATCH).pending == 0


@pytest.mark.parametrize(("damage", "found"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_foreign_stays_whatever_is_repaired(
    films: Place, damage: Damage, found: set[tuple[Flaw, str]]
) -> None:
    damage(films)
    films.body(1).unlink()
    (films.folder / ".tmp-1").touch()
    before = tree(films.folder)

    repair(films.data_dir, BATCH)

    after = tree(films.folder)
    assert before.keys() - after.keys() == {"receipt.json", ".tmp-1"}
    assert after.items() <= before.items()
    assert films.found() == found | {(Flaw.MISSING, "film 1")}


def test_a_repair_keeps_every_body_that_is_right(films: Place) -> None:
    films.receipt_says(fetched=5)

    repair(films.data_dir, BATCH)

    assert verify_batch(films.data_dir, BATCH).bodies == 4
    assert films.found() == set()


def test_a_repair_of_a_batch_that_never_ran_has_nothing_to_do(tmp_path: Path) -> None:
    (batch,) = frozen(tmp_path / "data")

    repair(tmp_path / "data", batch)

    assert verify_batch(tmp_path / "data", batch).pending == 6


def test_a_leftover_that_cannot_be_removed_is_no_success(films: Place) -> None:
    (films.folder / ".tmp-1").mkdir()
    remedy = verify_batch(films.data_dir, BATCH).findings[0].remedy

    try:
        repair(films.data_dir, BATCH)
    except StoreError as error:
        remedy = str(error)

    # gone, or said that it is for the user to remove
    assert not (films.folder / ".tmp-1").exists() or "next run or --repair" not in remedy


def test_while_a_run_holds_the_batch_a_look_works_and_a_repair_is_refused(films: Place) -> None:
    films.body(1).unlink()
    with BatchStore(films.data_dir, BATCH, films.targets):
        before = tree(films.data_dir)

        assert films.found() == {(Flaw.MISSING, "film 1")}
        with pytest.raises(BatchBusyError, match=f"'{BATCH}' is being downloaded by another run"):
            repair(films.data_dir, BATCH)

        assert tree(films.data_dir) == before


def test_what_a_run_is_just_writing_is_no_leftover(films: Place) -> None:
    (films.folder / "outcomes.jsonl").unlink()
    with BatchStore(films.data_dir, BATCH, films.targets):
        # amid `record`: a body has its name already, and no outcome yet
        films.body(1).write_bytes(b"{}")

        assert films.found() == set()

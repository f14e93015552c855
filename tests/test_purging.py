"""What is too old goes, wherever it lies, and that it is gone stays known."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.environment import no_file_larger_than
from tests.purgeable import (
    ABSENT,
    BATCH,
    BEFORE,
    ENDS,
    FETCHED,
    NEW,
    NOW,
    OLD,
    Films,
    body_of,
    outcome_of,
    six_films,
)
from tests.store.stored_batches import frozen, names
from tmdb_assets import batches, history
from tmdb_assets.errors import BatchBusyError, StoreError
from tmdb_assets.inspection import inspect
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.outcomes import decode, encode
from tmdb_assets.purging import Purged, purge_list
from tmdb_assets.receipt import counted, is_settled, needs_download, read
from tmdb_assets.renewal import Renewal, write_renewal
from tmdb_assets.store import BatchStore
from tmdb_assets.survey import Survey
from tmdb_assets.tables.making import make_tables
from tmdb_assets.verification import verify_batch

FAILED, PURGED = OutcomeKind.FAILED, OutcomeKind.PURGED

films = pytest.fixture(six_films)


def test_bodies_that_are_too_old_go_and_their_outcomes_say_so(films: Films) -> None:
    sizes = sum(len(body_of(films.targets[number])) for number in (0, 3))

    assert films.purge() == [Purged(BATCH, 2, sizes, 0)]

    assert films.there() == [1, 5]
    assert films.kinds() == [PURGED, FETCHED, ABSENT, PURGED, ABSENT, FETCHED]
    assert films.last()[0] == Outcome(
        url=films.targets[0].url,
        name=films.targets[0].name,
        outcome=PURGED,
        status=None,
        reason="",
        attempts=0,
        bytes=0,
        sha256="",
        etag="",
        sent_at=(),
        seconds=0.0,
        as_of=NOW,
    )
    assert [films.last()[number] for number in (1, 2, 4, 5)] == [
        outcome_of(films.targets[number], *ENDS[number]) for number in (1, 2, 4, 5)
    ]


def test_the_receipt_stays_true_and_nobody_asks_again(films: Films) -> None:
    before = read(films.folder)

    films.purge()

    said, last = read(films.folder), inspect(films.folder, films.targets).last
    assert before is not None
    assert said is not None
    assert said.items() >= counted(BATCH, films.targets, last).items()
    assert (said["purged"], said["fetched"], said["failed"]) == (2, 2, 0)
    assert (said["attempts"], said["seconds"]) == (before["attempts"], before["seconds"])
    assert verify_batch(films.data_dir, BATCH).findings == ()
    assert not needs_download(films.data_dir, BATCH)
    assert is_settled(films.data_dir, BATCH)
    with BatchStore(films.data_dir, BATCH, films.targets) as store:
        assert store.pending == ()
    standing = Survey(films.data_dir, "films").look()
    assert (standing.purged, standing.fetched, standing.pending, standing.done) == (2, 2, 0, 6)


def test_whoever_wants_it_anew_gets_it(films: Films) -> None:
    films.purge()
    write_renewal(films.data_dir, "films", Renewal(NOW + 1))

    assert needs_download(films.data_dir, BATCH)
    assert not is_settled(films.data_dir, BATCH)
    with BatchStore(films.data_dir, BATCH, films.targets, renewal=Renewal(NOW + 1)) as store:
        assert store.pending == films.targets
        assert set(store.former) == {films.targets[1].url, films.targets[5].url}


def test_a_renewal_from_before_the_purge_does_not_bring_it_back(films: Films) -> None:
    write_renewal(films.data_dir, "films", Renewal(OLD - 1))

    films.purge()

    assert is_settled(films.data_dir, BATCH)
    with BatchStore(films.data_dir, BATCH, films.targets, renewal=Renewal(NEW)) as store:
        assert [films.targets.index(one) for one in store.pending] == [2]


def test_purging_again_changes_nothing(films: Films) -> None:
    films.purge()
    before = {path.name: path.read_bytes() for path in films.folder.iterdir()}

    assert films.purge() == []
    assert {path.name: path.read_bytes() for path in films.folder.iterdir()} == before


def test_where_nothing_is_too_old_nothing_is_touched(films: Films) -> None:
    before = {path: path.stat().st_mtime_ns for path in films.data_dir.rglob("*")}

    assert films.purge(before=OLD) == []
    assert {path: path.stat().st_mtime_ns for path in films.data_dir.rglob("*")} == before


def test_a_body_that_a_failed_refresh_left_goes_too(films: Films) -> None:
    failed = replace(outcome_of(films.targets[0], FETCHED, OLD), outcome=FAILED, reason="HTTP 503")
    with (films.folder / "outcomes.jsonl").open("ab") as file:
        file.write(encode(failed))

    films.purge()

    assert films.there() == [1, 5]
    assert films.kinds()[0] is PURGED


def test_a_torn_last_line_does_not_swallow_what_is_said(films: Films) -> None:
    with (films.folder / "outcomes.jsonl").open("ab") as file:
        file.write(b'{"format":2,"url":"https://')

    films.purge()

    assert films.kinds() == [PURGED, FETCHED, ABSENT, PURGED, ABSENT, FETCHED]
    assert inspect(films.folder, films.targets).unreadable_lines == 0


def test_a_batch_without_a_receipt_gets_none(films: Films) -> None:
    (films.folder / "receipt.json").unlink()

    films.purge()

    assert films.there() == [1, 5]
    assert "receipt.json" not in names(films.folder)


def test_earlier_versions_go_by_their_own_age(films: Films) -> None:
    for moment in (OLD, NEW):
        history.keep(films.data_dir, films.body(1), moment)

    (purged,) = films.purge()

    assert (purged.bodies, purged.history) == (2, 1)
    kept = films.data_dir / "history" / "films" / BATCH
    assert names(kept) == {f"{films.targets[1].name}-20260528T202640Z.json"}


def test_earlier_versions_go_even_where_no_body_is_too_old(films: Films) -> None:
    history.keep(films.data_dir, films.body(1), OLD - 10)

    assert films.purge(before=OLD) == [Purged(BATCH, 0, 0, 1)]
    assert films.there() == [0, 1, 3, 5]


def test_a_list_of_many_batches_is_gone_through_and_the_fresh_ones_are_left_alone(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    all_batches = frozen(data_dir, count=250)
    for batch, moment in zip(all_batches, (OLD, NEW, OLD), strict=True):
        targets = batches.load(data_dir, batch)
        with BatchStore(data_dir, batch, targets) as store:
            store.record(outcome_of(targets[0], FETCHED, moment), body_of(targets[0]))

    found = list(purge_list(data_dir, "films", BEFORE, NOW))

    assert [(one.batch, one.bodies) for one in found] == [("films-0001", 1), ("films-0003", 1)]
    assert len(list(data_dir.glob("responses/*/*/movie-*.json"))) == 1


def test_what_is_purged_is_of_the_format_of_all_outcomes(films: Films) -> None:
    films.purge()

    lines = (films.folder / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
    assert [decode(line).outcome for line in lines[6:]] == [PURGED, PURGED]
    assert len(lines) == 8


# --- tables -------------------------------------------------------------------------------------


def rows(films: Films) -> int:
    return make_tables(films.data_dir, BATCH).rows["movies"]


def parquet(films: Films) -> set[str]:
    return {path.name for path in films.data_dir.glob(f"tables/films/{BATCH}/*.parquet")}


def test_rows_of_what_was_purged_go_too(films: Films) -> None:
    assert rows(films) == 4
    before = (films.data_dir / f"tables/films/{BATCH}/movies.parquet").read_bytes()

    films.purge()

    after = (films.data_dir / f"tables/films/{BATCH}/movies.parquet").read_bytes()
    assert films.targets[0].name.encode() in before
    assert films.targets[0].name.encode() not in after
    report = make_tables(films.data_dir, BATCH)
    assert (report.rows["movies"], report.was_current) == (2, True)


def test_rows_that_a_killed_purge_left_go_with_the_next(films: Films) -> None:
    rows(films)
    tables = films.data_dir / "tables"
    shutil.copytree(tables, films.data_dir / "before")
    films.purge()
    shutil.rmtree(tables)
    (films.data_dir / "before").rename(tables)  # as after a kill before they were made

    assert films.purge() == []

    report = make_tables(films.data_dir, BATCH)
    assert (report.rows["movies"], report.was_current) == (2, True)


def test_tables_that_cannot_be_made_anew_go_rather_than_stay_with_what_has_to_go(
    films: Films,
) -> None:
    rows(films)
    with no_file_larger_than(8_000), pytest.raises(StoreError):
        films.purge()

    assert parquet(films) == set()
    assert films.there() == [1, 5]


def test_where_there_were_no_tables_none_are_made(films: Films) -> None:
    films.purge()

    assert not (films.data_dir / "tables").exists()


def test_a_batch_that_is_being_downloaded_is_left_alone(films: Films) -> None:
    rows(films)
    before = parquet(films)

    with (
        BatchStore(films.data_dir, BATCH, films.targets),
        pytest.raises(BatchBusyError),
    ):
        films.purge()

    assert films.there() == [0, 1, 3, 5]
    assert parquet(films) == before


def test_a_batch_that_is_being_downloaded_keeps_its_bodies(films: Films) -> None:
    with BatchStore(films.data_dir, BATCH, films.targets), pytest.raises(BatchBusyError):
        films.purge()

    assert films.there() == [0, 1, 3, 5]
    assert PURGED not in films.kinds()

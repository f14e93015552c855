"""Tables of a batch: which file has what, what is odd, and that the same makes the same bytes."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.patience import HANG_SECONDS
from tests.tables.made_tables import (
    NOON,
    ORIGIN,
    download,
    files,
    freeze,
    made,
    movie,
    rows,
    store,
)
from tmdb_assets import batches
from tmdb_assets.batch_lock import LOCK_NAME, BatchLock
from tmdb_assets.errors import BatchBusyError, BatchError
from tmdb_assets.files import is_held
from tmdb_assets.receipt import batch_folder
from tmdb_assets.tables.folder import remove_tables
from tmdb_assets.tables.making import TablesReport, make_tables
from tmdb_assets.tables.record import OddValue, tables_folder
from tmdb_assets.tables.schema import TABLES

DETAILS = {
    "/movie/550?language=de": movie(550, runtime=139, genres=[{"id": 18, "name": "Drama"}]),
    "/tv/1399": {"id": 1399, "name": "Series", "first_air_date": ""},
    "/person/287": {"id": 287, "name": "Person", "birthday": "1963-12-18"},
    "/movie/550/credits": {"id": 550, "cast": []},
    "/movie/tt0137523": movie(550),
    "/movie/9": None,
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_each_kind_has_its_file_and_all_else_is_in_responses(data_dir: Path) -> None:
    report = made(data_dir, DETAILS)

    assert set(files(data_dir)) == {f"{table}.parquet" for table in TABLES} | {"tables.json"}
    assert report.rows == {"movies": 1, "tv": 1, "people": 1, "responses": 2, "outcomes": 6}
    assert report.fetched == report.rows
    assert rows(data_dir, "movies", "id, title, runtime, genres[1].name, release_date") == [
        (550, "Film 550", 139, "Drama", date(1999, 10, 15))
    ]
    assert rows(data_dir, "tv", "id, name, first_air_date") == [(1399, "Series", None)]
    assert rows(data_dir, "people", "id, birthday") == [(287, date(1963, 12, 18))]


def test_rows_tell_where_they_are_from(data_dir: Path) -> None:
    made(data_dir, DETAILS)

    columns = "url, parameters, language, fetched_at, list, batch, other_fields"
    moment = datetime.fromtimestamp(NOON, UTC)
    url = f"{ORIGIN}/movie/550?language=de"
    assert rows(data_dir, "movies", columns) == [
        (url, {"language": "de"}, "de", moment, "films", "films-0001", None)
    ]


def test_other_bodies_are_kept_as_the_text_they_were_received_as(data_dir: Path) -> None:
    body = b'{ "page":1,\n "results": ["\xc3\xa9", "\\u00e9 \\ud83d\\ude00", 1e2] }'

    made(data_dir, {"/search/movie?query=caf%C3%A9+x&page=1": body})

    assert rows(data_dir, "responses", "path, parameters, body, body->>'$.results[1]'") == [
        ("/3/search/movie", {"page": "1", "query": "café x"}, body.decode(), "é 😀")
    ]


def test_outcomes_have_a_row_for_every_url_with_the_outcome_that_counts(data_dir: Path) -> None:
    batch = download(data_dir, {"/movie/1": None, "/movie/2": movie(2)})
    store(data_dir, batch, "/movie/1", movie(1), as_of=NOON + 60)

    report = make_tables(data_dir, batch)

    columns = "url, outcome, status, reason, attempts, sent_at, seconds, as_of, combined_with"
    sent = [datetime.fromtimestamp(NOON + 57.5, UTC), datetime.fromtimestamp(NOON + 60, UTC)]
    assert report.rows["outcomes"] == 2
    assert rows(data_dir, "outcomes", columns)[0] == (
        *(f"{ORIGIN}/movie/1", "fetched", 200, "", 2, sent, 0.25),
        *(sent[1], ""),
    )


def test_a_url_without_an_outcome_has_no_row(data_dir: Path) -> None:
    batch = freeze(data_dir, ["/movie/1", "/movie/2"])
    store(data_dir, batch, "/movie/2", movie(2))

    report = make_tables(data_dir, batch)

    assert (report.rows["movies"], report.rows["outcomes"]) == (1, 1)


def test_before_anything_was_downloaded_there_is_only_the_record(data_dir: Path) -> None:
    report = make_tables(data_dir, freeze(data_dir, ["/movie/1"]))

    assert set(files(data_dir)) == {"tables.json"}
    assert set(report.rows.values()) == set(report.fetched.values()) == {0}


def test_a_batch_that_is_not_there_is_refused(data_dir: Path) -> None:
    with pytest.raises(BatchError, match="no list 'films'"):
        make_tables(data_dir, "films-0001")


# --- odd ------------------------------------------------------------------------------------------


def test_an_odd_value_costs_its_column_and_is_named(data_dir: Path) -> None:
    bodies = {"/movie/1": movie(1, runtime="long", new=1), "/movie/2": movie(2, runtime=90)}

    report = made(data_dir, bodies)

    assert report.odd == 1
    assert report.odd_examples == (
        OddValue(f"{ORIGIN}/movie/1", "runtime", "text instead of a whole number"),
    )
    assert rows(data_dir, "movies", "id, runtime, other_fields") == [
        (1, None, '{"runtime": "long", "new": 1}'),
        (2, 90, None),
    ]


WRONG: dict[str, Any] = {
    "a list": [1],
    "an id that is text": {"id": "1"},
    "no id": {"title": "x"},
    "an id beyond 64 bits": {"id": 2**63},
    "an id that is true": {"id": True},
    "a fraction": {"id": 1.0},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_body_of_the_wrong_kind_goes_to_responses_and_is_named(data_dir: Path, body: Any) -> None:
    report = made(data_dir, {"/movie/1": body})

    assert (report.rows["movies"], report.rows["responses"], report.fetched["movies"]) == (0, 1, 1)
    assert (report.moved, report.odd, report.skipped) == (1, 1, 0)
    reason = "no object with an id within 64 bits"
    assert report.odd_examples == (OddValue(f"{ORIGIN}/movie/1", "", reason),)
    assert json.loads(rows(data_dir, "responses", "body")[0][0]) == body


def alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"Film", b"film"))


@pytest.mark.parametrize("damage", [Path.unlink, alter])
def test_a_body_that_is_not_as_fetched_is_left_out_and_named(data_dir: Path, damage: Any) -> None:
    batch = download(data_dir, {"/movie/1": movie(1), "/movie/2": movie(2)})
    damage(next(batch_folder(data_dir, batch).glob("movie-1-*.json")))

    report = make_tables(data_dir, batch)

    assert (report.rows["movies"], report.fetched["movies"], report.skipped) == (1, 2, 1)
    reason = "its file is missing or altered"
    assert report.odd_examples == (OddValue(f"{ORIGIN}/movie/1", "", reason),)


def test_what_is_no_json_is_left_out_as_what_is_missing(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": b"<html>", "/movie/popular": b"{", "/movie/2": movie(2)})

    assert (report.rows["movies"], report.rows["responses"], report.skipped) == (1, 0, 2)


def test_only_the_first_hundred_odd_values_are_named(data_dir: Path) -> None:
    cast = [{"id": "x"} for _ in range(150)]

    report = made(data_dir, {"/movie/1": movie(1, credits={"cast": cast})})

    assert report.odd == 150
    assert len(report.odd_examples) == 100
    assert report.odd_examples[99].column == "credits/cast/99/id"


def test_names_in_the_place_of_an_odd_value_are_short_and_text(data_dir: Path) -> None:
    offers = {"\ud800" + "x" * 500: {"link": 1}}

    report = made(data_dir, {"/movie/1": movie(1, **{"watch/providers": {"results": offers}})})

    (odd,) = report.odd_examples
    assert odd.column == f"watch~1providers/results/?{'x' * 174}"
    assert odd.reason == "a key with half of a character"


def test_an_outcome_that_a_hand_altered_spoils_no_table(data_dir: Path) -> None:
    batch = download(data_dir, {"/movie/1": movie(1)})
    path = batch_folder(data_dir, batch) / "outcomes.jsonl"
    line = json.loads(path.read_bytes())
    odd = {"status": "fine", "seconds": 1e999, "attempts": 10**30, "etag": "\ud800"}
    path.write_text(json.dumps({**line, **odd}) + "\n")

    report = make_tables(data_dir, batch)

    assert report.rows["movies"] == 1
    assert rows(data_dir, "outcomes", "status, seconds, attempts, etag, outcome") == [
        (None, None, None, None, "fetched")
    ]


def test_text_with_a_nul_and_a_nested_map_come_through(data_dir: Path) -> None:
    offers = {"DE": {"link": "l", "rent": [{"provider_id": 3, "provider_name": "P"}]}, "FR": {}}
    body = movie(1, overview="a\0b", **{"watch/providers": {"results": offers}})

    made(data_dir, {"/movie/1": body})

    columns = "overview, watch_providers['DE'].rent[1].provider_name, map_keys(watch_providers)"
    assert rows(data_dir, "movies", columns) == [("a\0b", "P", ["DE", "FR"])]


def test_an_id_that_stands_twice_is_told_with_its_urls(data_dir: Path) -> None:
    bodies = {"/movie/7": movie(7), "/movie/007": movie(7), "/movie/7?language=de": movie(7)}

    report = made(data_dir, bodies)

    assert report.duplicates == 1
    (one,) = report.duplicate_examples
    assert (one.table, one.id) == ("movies", 7)
    assert one.urls == (f"{ORIGIN}/movie/007", f"{ORIGIN}/movie/7")


# --- again ----------------------------------------------------------------------------------------


def same(first: TablesReport, second: TablesReport) -> bool:
    names = set(TablesReport.__dataclass_fields__) - {"seconds", "was_current"}
    return all(getattr(first, name) == getattr(second, name) for name in names)


def test_what_is_up_to_date_is_not_made_again_and_reported_the_same(data_dir: Path) -> None:
    first = made(data_dir, {**DETAILS, "/movie/3": movie("x")})
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}

    second = make_tables(data_dir, first.batch)

    assert (first.was_current, second.was_current) == (False, True)
    assert same(first, second)
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before


def test_new_outcomes_make_new_tables_without_the_files_of_old_kinds(data_dir: Path) -> None:
    first = made(data_dir, {"/movie/1": movie(1), "/tv/2": {"id": 2}})
    store(data_dir, first.batch, "/movie/1", None, as_of=NOON + 1)

    second = make_tables(data_dir, first.batch)

    assert not second.was_current
    assert set(files(data_dir)) == {"tv.parquet", "outcomes.parquet", "tables.json"}


@pytest.mark.parametrize("name", ["movies.parquet", "tables.json"])
def test_a_file_that_went_away_is_made_again_with_the_same_bytes(data_dir: Path, name: str) -> None:
    report = made(data_dir, DETAILS)
    before = files(data_dir)
    (report.folder / name).unlink()

    again = make_tables(data_dir, report.batch)

    assert not again.was_current
    assert files(data_dir) == before


def test_another_process_with_another_seed_makes_the_same_bytes(data_dir: Path) -> None:
    films = {f"/movie/{number}": movie(number, keywords={}, x=number) for number in range(50)}
    bodies = {**films, **DETAILS}
    report = made(data_dir, bodies)
    before = files(data_dir)
    remove_tables(data_dir, report.batch)
    script = (
        "import sys; from pathlib import Path; from tmdb_assets.tables.making import make_tables; "
        "make_tables(Path(sys.argv[1]), sys.argv[2])"
    )

    subprocess.run(
        [sys.executable, "-c", script, str(data_dir), report.batch],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        timeout=HANG_SECONDS,
    )

    assert files(data_dir) == before


def test_many_rows_in_several_parts_keep_their_order(data_dir: Path) -> None:
    # 10 MB: more than two temporaries of lines
    bodies = {f"/movie/{number}": movie(number, overview="x" * 40_000) for number in range(250)}

    report = made(data_dir, bodies)

    assert [number for (number,) in rows(data_dir, "movies", "id")] == [*range(250)]
    assert report.parquet_bytes < report.json_bytes / 10


def test_a_body_longer_than_duckdb_takes_by_itself_has_its_row(data_dir: Path) -> None:
    report = made(data_dir, {"/movie/1": movie(1, overview="x" * (17 << 20))})

    assert rows(data_dir, "movies", "length(overview)") == [(17 << 20,)]
    assert report.odd == 0


# --- the lock -------------------------------------------------------------------------------------


def test_a_batch_that_is_being_downloaded_has_to_wait(data_dir: Path) -> None:
    batch = download(data_dir, DETAILS)

    with (
        BatchLock(batch_folder(data_dir, batch), batch, "run"),
        pytest.raises(BatchBusyError, match="'films-0001' is being downloaded"),
    ):
        make_tables(data_dir, batch)

    assert not (data_dir / "tables").exists()


def test_the_lock_is_given_back(data_dir: Path) -> None:
    report = made(data_dir, DETAILS)

    lock = batch_folder(data_dir, report.batch) / LOCK_NAME
    assert not is_held(lock)
    assert lock.read_bytes() == b""


# --- removing -------------------------------------------------------------------------------------


def test_removing_takes_what_is_ours_and_says_whether_there_was_any(data_dir: Path) -> None:
    report = made(data_dir, DETAILS)
    (report.folder / ".tmp-1-x").touch()

    assert remove_tables(data_dir, report.batch)
    assert not report.folder.exists()
    assert not remove_tables(data_dir, report.batch)


def test_removing_leaves_what_is_not_ours(data_dir: Path) -> None:
    report = made(data_dir, DETAILS)
    (report.folder / "notes.txt").touch()

    assert remove_tables(data_dir, report.batch)

    assert set(files(data_dir)) == {"notes.txt"}


def test_a_list_of_several_batches_has_a_folder_for_each(data_dir: Path) -> None:
    first = made(data_dir, {"/movie/1": movie(1)})
    second = made(data_dir, {"/movie/2": movie(2)})

    assert second.batch == "films-0002"
    assert tables_folder(data_dir, second.batch).parent == first.folder.parent
    assert len(batches.read_list(data_dir, "films").batches) == 2

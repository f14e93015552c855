"""Bodies that take far more memory than their size: the others of the batch have their rows."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.tables.made_tables import ORIGIN, made, movie, outcome_of, rows
from tmdb_assets.errors import StoreError
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.tables import parquet
from tmdb_assets.tables.lines import Context, Line, body_line
from tmdb_assets.tables.parquet import Spool, connected
from tmdb_assets.tables.record import OddValue
from tmdb_assets.tables.schema import TABLES
from tmdb_assets.tables.shapes import Many, Shape, Struct
from tmdb_assets.tables.values import HEAVIEST, width
from tmdb_assets.urls import canonical, target

TOO_LARGE = "lists of more items than there is memory for"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def line(path: str, body: Any) -> Line:
    one = target(canonical(path, ["https://api.themoviedb.org"]).url)
    content = json.dumps(body, separators=(",", ":")).encode()
    result = body_line(outcome_of(one, content), content, Context("films-0001"))
    assert result is not None
    return result


def write(folder: Path, lines: Sequence[Line]) -> int:
    """Write lines to Parquet within DuckDB's own limit, and return how many it then has."""
    with Spool(folder, lines[0].table) as spool, connected() as connection:
        for one in lines:
            spool.add(one.fields, one.weight)
        path = spool.write(connection, lambda: None)
        counted = connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall()  # noqa: S608
        return int(counted[0][0])


# --- what DuckDB has no memory for ----------------------------------------------------------------


def test_a_body_of_too_many_items_is_moved_and_named_and_costs_the_others_nothing(
    data_dir: Path,
) -> None:
    large = b'{"id":1,"similar":{"results":[' + b",".join([b"{}"] * 300_000) + b"]}}"

    report = made(data_dir, {"/movie/1": large, "/movie/2": movie(2)})

    assert rows(data_dir, "movies", "id") == [(2,)]
    assert rows(data_dir, "responses", "url, body") == [(f"{ORIGIN}/movie/1", large.decode())]
    assert (report.moved, report.odd, report.skipped) == (1, 1, 0)
    assert report.odd_examples == (OddValue(f"{ORIGIN}/movie/1", "", TOO_LARGE),)


def test_many_bodies_of_many_small_items_have_their_rows(tmp_path: Path) -> None:
    body = movie(1, credits={"cast": [{"id": 1}] * 4000})
    lines = [line(f"/movie/{number}", body) for number in range(200)]

    assert write(tmp_path, lines) == 200


def item_of(table: str, *names: str) -> Shape:
    """Return the shape of the items of a list in a column."""
    shape = next(column.shape for column in TABLES[table] if column.key == names[0])
    for name in names[1:]:
        assert isinstance(shape, Struct)
        shape = dict(shape.fields)[name]
    assert isinstance(shape, Many)
    return shape.item


LISTS: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "films": ("movies", ("similar", "results"), {}),
    "cast": ("movies", ("credits", "cast"), {"id": 1, "name": "A"}),
    "pictures": ("people", ("tagged_images", "results"), {"media": {"title": "x"}}),
    "genres": ("movies", ("genres",), {"id": 1, "name": "x"}),
    "nothing": ("movies", ("genres",), None),
    "minutes": ("tv", ("episode_run_time",), 1),
}
PATHS = {"movies": "/movie/1", "tv": "/tv/1", "people": "/person/1"}


def body_with(names: tuple[str, ...], items: list[Any]) -> dict[str, Any]:
    value: Any = items
    for name in reversed(names):
        value = {name: value}
    return {"id": 1, **value}


@pytest.mark.parametrize(("table", "names", "item"), LISTS.values(), ids=LISTS)
def test_a_row_as_heavy_as_a_row_may_be_is_written_and_no_heavier_one_made(
    tmp_path: Path, table: str, names: tuple[str, ...], item: Any
) -> None:
    most = HEAVIEST // width(item_of(table, *names))

    heavy = line(PATHS[table], body_with(names, [item] * most))
    heavier = line(PATHS[table], body_with(names, [item] * (most + 1)))

    assert (heavy.table, heavier.table) == (table, "responses")
    assert write(tmp_path, [heavy, heavy]) == 2


def usual_lines() -> Iterator[tuple[Line, int]]:
    several = {
        "movie": "credits,images,keywords,recommendations,release_dates,similar,watch/providers",
        "tv": "aggregate_credits,content_ratings,credits,images,recommendations,translations",
        "person": "combined_credits,images,movie_credits,tagged_images,tv_credits",
    }
    for kind, parts in several.items():
        for number in range(2, 30):
            answer = answer_to(f"/3/{kind}/{number}", f"append_to_response={parts}")
            if answer.status == 200:
                body = json.loads(answer.body)
                yield line(f"/{kind}/{number}", body), len(answer.body)


def test_usual_bodies_fill_a_part_with_their_bytes_long_before_their_items_do() -> None:
    weights = [one.weight / size for one, size in usual_lines()]

    assert weights
    assert max(weights) < HEAVIEST / parquet._PART_BYTES / 2


# --- what Python would take much memory for -------------------------------------------------------

ODD: dict[str, dict[str, Any]] = {
    "long keys": {
        "watch/providers": {"results": {"k" * 50_000: dict.fromkeys(map(str, range(3000)), 1)}}
    },
    "strange fields": {"keywords": dict.fromkeys(map(str, range(50_000)), 1)},
    "odd items": {"genres": [1] * 200_000},
    "strange items": {"genres": [{"x": 1}] * 50_000},
    "odd keys": {"watch/providers": {"results": dict.fromkeys(map(str, range(50_000)), 1)}},
}


@pytest.mark.parametrize("more", ODD.values(), ids=ODD)
def test_what_is_kept_of_a_body_is_not_much_longer_than_the_body(more: dict[str, Any]) -> None:
    body = movie(1, **more)

    made_of = line("/movie/1", body)

    other = made_of.fields["other_fields"]
    assert isinstance(other, str)
    assert len(other) < 3 * len(json.dumps(body))
    assert len(made_of.odd) <= 100


# --- what is said ---------------------------------------------------------------------------------


def test_who_has_no_memory_is_not_told_to_make_room_on_the_disk() -> None:
    with (
        pytest.raises(StoreError, match=r"close what takes memory .*; report it") as raised,
        connected() as connection,
    ):
        connection.execute("SELECT list(range) FROM range(100_000_000)")

    assert isinstance(raised.value.__cause__, duckdb.OutOfMemoryException)
    assert "make room" not in str(raised.value)

"""SQL over the catalogue: one SELECT, nothing else, and errors of one line."""

import os
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.tables.made_tables import made, movie
from tmdb_assets.errors import QueryError
from tmdb_assets.tables.asking import answering, write_answer


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("asking") / "data"
    made(data_dir, {f"/movie/{number}": movie(number, runtime=90) for number in range(1, 6)})
    return data_dir


def ask(data_dir: Path, sql: str) -> list[Any]:
    with answering(data_dir, sql) as answer:
        return [*answer.rows]


SELECTS = {
    "SELECT count(*) FROM movies": [(5,)],
    "FROM movies SELECT id ORDER BY id LIMIT 1;": [(1,)],
    "WITH one AS (SELECT 1 AS a) SELECT a FROM one -- and a comment": [(1,)],
    "VALUES (1), (2)": [(1,), (2,)],
    "SELECT column_name FROM (DESCRIBE movies) LIMIT 1": [("url",)],
    "SELECT current_setting('TimeZone')": [("UTC",)],
    "PIVOT (FROM range(5)) ON range % 2 USING count(*)": [(3, 2)],
    "WITH one AS (PIVOT range(5) ON range % 2 USING count(*)) FROM one;": [(3, 2)],
    "SELECT 'é;' -- ;/*\n || 'b' -- */": [("é;b",)],
}


@pytest.mark.parametrize(("sql", "rows"), SELECTS.items())
def test_what_selects_is_answered(data_dir: Path, sql: str, rows: list[Any]) -> None:
    assert ask(data_dir, sql) == rows


def test_names_of_columns_are_different_and_types_are_told(data_dir: Path) -> None:
    with answering(data_dir, "SELECT 1::BIGINT AS a, 'x' AS a, 2.5::DOUBLE AS a_2") as answer:
        assert answer.names == ("a", "a_2", "a_2_2")
        assert answer.types == ("BIGINT", "VARCHAR", "DOUBLE")


def test_rows_are_counted_when_nobody_wants_them_all(data_dir: Path) -> None:
    with answering(data_dir, "FROM range(5000) -- many") as answer:
        first = next(answer.rows)

        assert first == (0,)
        assert answer.count() == 5000


@pytest.mark.parametrize("end", [";", ";;", "; -- all; of them", "; /* ; */ ;\n-- é", " -- ;"])
def test_what_stands_behind_a_select_is_no_part_of_it(
    data_dir: Path, tmp_path: Path, end: str
) -> None:
    for sql in ("SELECT '☃;' FROM range(2000)", "PIVOT range(2000) ON range % 2 GROUP BY range"):
        with answering(data_dir, sql + end) as answer:
            next(answer.rows)

            assert answer.count() == 2000

        assert write_answer(data_dir, sql + end, tmp_path / "a.parquet") == 2000


REFUSED = {
    "": "0 statements instead of one",
    "-- nothing": "0 statements instead of one",
    "SELECT 1; SELECT 2": "2 statements instead of one",
    "INSERT INTO about VALUES ('a', 'b')": "INSERT is not allowed",
    "COPY (SELECT 1) TO 'x.csv'": "COPY is not allowed",
    "ATTACH 'x.duckdb'": "ATTACH is not allowed",
    "SET memory_limit = '9GB'": "SET is not allowed",
    "INSTALL httpfs": "LOAD is not allowed",
    "PRAGMA database_list": "PRAGMA is not allowed",
    "CREATE TEMP TABLE a AS SELECT 1": "CREATE is not allowed",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'": "EXPLAIN is not allowed",
    "CREATE TEMP TABLE a AS PIVOT movies ON id": "a PIVOT within another statement is not allowed",
    "COPY (PIVOT movies ON id) TO 'x.csv'": "a PIVOT within another statement is not allowed: ask",
    "EXPLAIN PIVOT movies ON id": "a PIVOT within another statement is not allowed",
    "PIVOT films ON id": "Catalog Error: Table with name films does not exist!",
    "SELECT 'é\udcff'": "the SQL is not UTF-8 at its byte 11: write it in UTF-8",
    "SELCT 1": 'Parser Error: syntax error at or near "SELCT"',
    "SELECT titel FROM movies": 'Binder Error: .*"titel" not found.* Candidate bindings: "title"',
    "FROM films": "Catalog Error: Table with name films does not exist!",
    "SELECT 'x'::INTEGER": "Conversion Error: Could not convert string 'x' to INT32",
    "SELECT error('a\nb')": "Invalid Input Error: a",
    "FROM read_text('/etc/hostname')": "Permission Error: Cannot access file",
    "FROM read_csv('../*.txt')": "Permission Error: Cannot access",
    "FROM 'https://example.test/a.parquet'": "Permission Error: Cannot access file",
    "WITH a AS (INSERT INTO about VALUES ('a', 'b') RETURNING *) FROM a": "read-only",
}


@pytest.mark.parametrize(("sql", "message"), REFUSED.items())
def test_all_else_is_refused_in_one_line(data_dir: Path, sql: str, message: str) -> None:
    with pytest.raises(QueryError, match=message) as raised:
        ask(data_dir, sql)

    assert "\n" not in str(raised.value)


def test_what_fails_while_rows_are_taken_is_one_line_too(data_dir: Path) -> None:
    sql = "SELECT CASE WHEN range = 90000 THEN error('no\nmore') ELSE 'x' END FROM range(100000)"

    with pytest.raises(QueryError, match=r"no$"):
        ask(data_dir, sql)


def test_without_tables_it_says_what_makes_some(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"no tables in .* yet: `tmdb-assets tables` makes them"):
        ask(tmp_path / "data", "SELECT 1")

    assert not (tmp_path / "data").exists()


# --- to a file ------------------------------------------------------------------------------------


def test_an_answer_becomes_a_file_of_its_types(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"

    count = write_answer(data_dir, "SELECT id, release_date FROM movies -- all", path)

    described = duckdb.execute("DESCRIBE FROM read_parquet(?)", [str(path)]).fetchall()
    assert count == 5
    assert [row[:2] for row in described] == [("id", "BIGINT"), ("release_date", "DATE")]
    assert [one.name for one in tmp_path.iterdir()] == ["it's.parquet"]


def test_a_file_that_is_there_is_replaced_only_by_a_whole_one(
    data_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("before")

    with pytest.raises(QueryError, match="Conversion Error"):
        write_answer(data_dir, "SELECT title::INTEGER FROM movies", path)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]

    write_answer(data_dir, "FROM movies", path)
    assert path.read_bytes()[:4] == b"PAR1"


def test_a_folder_that_is_not_there_is_named(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"cannot write '.*': No such file or directory: name a"):
        write_answer(data_dir, "SELECT 1", tmp_path / "nowhere" / "a.parquet")


def test_a_folder_in_the_place_of_the_file_is_named(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").mkdir()

    with pytest.raises(QueryError, match=r"cannot write '.*a\.parquet': it is no regular file"):
        write_answer(data_dir, "SELECT 1", tmp_path / "a.parquet")

    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


def test_a_folder_that_duckdb_cannot_name_is_named(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()

    with pytest.raises(QueryError, match=r"cannot write .* the path of its folder in UTF-8"):
        write_answer(data_dir, "SELECT 1", folder / "a.parquet")


def test_a_pipe_and_a_device_stay_before_anything_is_asked(data_dir: Path, tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)

    for path in (pipe, link, Path("/dev/null")):
        with pytest.raises(QueryError, match=f"cannot write '{path}': it is no regular file: "):
            write_answer(data_dir, "no SQL", path)

    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert {one.name for one in tmp_path.iterdir()} == {"pipe", "link"}


def test_a_link_stays_and_the_file_it_leads_to_is_replaced(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    path, link = tmp_path / "there" / "a.parquet", tmp_path / "link"
    link.symlink_to(path)

    write_answer(data_dir, "SELECT 1", link)

    assert link.is_symlink()
    assert path.read_bytes()[:4] == b"PAR1"


def test_sums_of_whole_numbers_are_exact_in_a_file(data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    sql = """
        SELECT 711568741124541528::HUGEINT AS "it""s", 2 AS a, 3::UHUGEINT AS a,
            [{'HUGEINT': 1::HUGEINT, 'of HUGEINT,': 'HUGEINT'::ENUM('HUGEINT', ',')}] AS nested
        FROM range(3) ORDER BY range DESC
    """

    assert write_answer(data_dir, sql, path) == 3

    read = duckdb.execute("FROM read_parquet(?)", [str(path)])
    assert [str(column[1]) for column in read.description or ()] == [
        "DECIMAL(38,0)",
        "INTEGER",
        "DECIMAL(38,0)",
        'STRUCT(HUGEINT DECIMAL(38,0), "of HUGEINT," VARCHAR)[]',
    ]
    nested = [{"HUGEINT": Decimal(1), "of HUGEINT,": "HUGEINT"}]
    assert read.fetchall() == [(Decimal(711568741124541528), 2, Decimal(3), nested)] * 3


@pytest.mark.parametrize("value", ["x", "[x]"])
def test_a_number_too_long_for_a_file_is_named(data_dir: Path, tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.parquet"
    sql = f"SELECT {value} FROM (SELECT ('1' || repeat('0', 38))::HUGEINT AS x)"  # noqa: S608

    with pytest.raises(
        QueryError, match=r"10+.* 38 digits of whole numbers: cast what is longer to VARCHAR"
    ):
        write_answer(data_dir, sql, path)

    assert [*tmp_path.iterdir()] == []


def test_only_a_select_becomes_a_file(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="COPY is not allowed"):
        write_answer(data_dir, "COPY (SELECT 1) TO 'x'", tmp_path / "a.parquet")

    assert [*tmp_path.iterdir()] == []

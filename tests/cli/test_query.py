"""The command `query`: what it prints, in every format, and how it ends."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from tests.patience import HANG_SECONDS, wait_until
from tests.tables.made_tables import made, movie
from tmdb_assets.cli.query import SHOWN_COLUMNS, SHOWN_ROWS

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with the tables of one batch of a hundred movies."""
    data_dir = tmp_path_factory.mktemp("query") / "data"
    made(
        data_dir,
        {
            f"/movie/{number}": movie(number, genres=[{"id": 18, "name": "Drama"}], runtime=90)
            for number in range(1, 101)
        },
    )
    return data_dir


@pytest.fixture
def query(
    tmdb_assets: Command, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Runs `query` over the movies."""
    monkeypatch.setenv("TMDB_DATA_DIR", str(data_dir))
    return lambda *arguments: tmdb_assets("query", *arguments)


def test_rows_are_shown_as_a_table(query: Command) -> None:
    code, out, err = query("SELECT id, title FROM movies WHERE id < 3 ORDER BY id")

    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [cell.strip() for cell in lines[1].strip("┃").split("┃")] == ["id", "title"]
    assert [line.split() for line in lines[3:5]] == [
        ["│", "1", "│", "Film", "1", "│"],
        ["│", "2", "│", "Film", "2", "│"],
    ]


def test_more_rows_than_one_reads_are_counted(query: Command) -> None:
    code, out, err = query("SELECT id FROM movies; -- all")

    assert code == 0
    assert len(out.splitlines()) == SHOWN_ROWS + 4
    assert err == f"and {100 - SHOWN_ROWS} more rows: --csv, --json and --parquet have all\n"


def test_more_columns_than_one_reads_are_named(query: Command) -> None:
    code, out, err = query("FROM movies LIMIT 1")

    assert code == 0
    assert out.splitlines()[1].count("┃") == SHOWN_COLUMNS + 1
    assert "more columns: " in err
    assert "overview" in err


def test_data_can_neither_command_the_terminal_nor_break_a_line(query: Command) -> None:
    _, out, _ = query("SELECT 'a' || chr(27) || '[2Jb' || chr(10) || 'c [red]d' AS \"x\x1b\"")

    assert "\x1b" not in out
    assert len(out.splitlines()) == 5
    assert "b c [red]d" in out


def test_long_texts_are_cut_and_null_is_told_from_nothing(query: Command) -> None:
    _, out, _ = query("SELECT repeat('x', 500) AS a, NULL AS b, '' AS c, [1, NULL] AS d")

    assert "x…" in out
    assert "x" * 61 not in out
    assert "NULL" in out
    assert "[1, null]" in out


VALUES = """
SELECT id, title, release_date, fetched_at, genres, parameters, NULL AS nothing, true AS yes,
    1.5::DECIMAL(4, 2) AS price, 'nan'::DOUBLE AS nan, TIMESTAMP '2020-01-02 03:04:05' AS local,
    'ab'::BLOB AS bytes, INTERVAL 90 SECOND AS span, 170141183460469231731687303715884105727 AS big,
    {'a': [DATE '2020-01-01', NULL]} AS nested, MAP {1: 'x'} AS by_number, TIME '01:02:03' AS clock
FROM movies WHERE id = 7
"""


def test_json_is_an_object_a_row_with_values_of_json(query: Command) -> None:
    code, out, err = query(VALUES, "--json")

    assert (code, err, out.count("\n")) == (0, "", 1)
    assert json.loads(out) == {
        "id": 7,
        "title": "Film 7",
        "release_date": "1999-10-15",
        "fetched_at": "2023-11-14T22:13:20Z",
        "genres": [{"id": 18, "name": "Drama"}],
        "parameters": {},
        "nothing": None,
        "yes": True,
        "price": 1.5,
        "nan": None,
        "local": "2020-01-02T03:04:05",
        "bytes": "6162",
        "span": "0:01:30",
        "big": 2**127 - 1,
        "nested": {"a": ["2020-01-01", None]},
        "by_number": {"1": "x"},
        "clock": "01:02:03",
    }


def test_csv_has_a_head_empty_cells_for_null_and_json_for_what_is_nested(query: Command) -> None:
    code, out, err = query(VALUES, "--csv")

    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, err) == (0, "")
    assert {name: row[name] for name in ("id", "release_date", "fetched_at", "nothing", "yes")} == {
        "id": "7",
        "release_date": "1999-10-15",
        "fetched_at": "2023-11-14T22:13:20Z",
        "nothing": "",
        "yes": "true",
    }
    assert json.loads(row["genres"]) == [{"id": 18, "name": "Drama"}]
    assert row["nested"] == '{"a": ["2020-01-01", null]}'


def test_csv_of_no_rows_is_its_head_and_json_of_none_is_nothing(query: Command) -> None:
    assert query("SELECT id, name FROM people", "--csv") == (0, "id,name\n", "")
    assert query("SELECT id, name FROM people", "--json") == (0, "", "")


def test_csv_quotes_every_end_of_a_line(query: Command) -> None:
    code, out, err = query("SELECT 'a' || chr(13) || 'b' AS a, 1 AS b, chr(10) AS c", "--csv")

    assert (code, out, err) == (0, 'a,b,c\n"a\rb",1,"\n"\n', "")


def test_parquet_is_written_and_its_rows_are_counted(query: Command, tmp_path: Path) -> None:
    path = tmp_path / "films.parquet"

    code, out, err = query("SELECT id, genres FROM movies", "--parquet", str(path))

    assert (code, out) == (0, "")
    assert err.startswith("100 rows in ")
    assert duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall() == [
        (100,)
    ]


def test_sql_comes_from_standard_input_too(query: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS a,\n2 AS b -- two\n"))

    assert query("-", "--csv") == (0, "a,b\n1,2\n", "")


def test_sql_that_is_no_text_is_one_line(query: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "tmdb-assets: the SQL is not UTF-8 at its byte 9: write it in UTF-8\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"SELECT '\xff'"), "utf-8"))

    assert query("-") == (2, "", message)
    assert query(os.fsdecode(b"SELECT '\xff'")) == (2, "", message)


BAD = {
    "SELCT 1": 'tmdb-assets: Parser Error: syntax error at or near "SELCT"\n',
    "DROP VIEW movies": (
        "tmdb-assets: DROP is not allowed: ask with SELECT, FROM, PIVOT, DESCRIBE or SUMMARIZE\n"
    ),
    "SELECT 1; SELECT 2": "tmdb-assets: 2 statements instead of one: ask one SELECT\n",
}


@pytest.mark.parametrize(("sql", "message"), BAD.items())
def test_sql_that_fails_is_one_line_and_the_exit_code_is_two(
    query: Command, sql: str, message: str
) -> None:
    assert query(sql) == (2, "", message)


def test_two_formats_at_once_are_refused(query: Command) -> None:
    code, out, err = query("SELECT 1", "--csv", "--json")

    assert (code, out) == (2, "")
    assert "take one of --csv, --json and --parquet" in err


def test_before_there_are_tables_it_says_what_makes_some(tmdb_assets: Command) -> None:
    code, out, err = tmdb_assets("query", "FROM movies")

    assert (code, out) == (2, "")
    assert err.startswith("tmdb-assets: there are no tables in 'data' yet: `tmdb-assets tables`")


# --- in a process of its own ----------------------------------------------------------------------


@contextmanager
def started(data_dir: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `query` in a process that is gone at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tmdb_assets.cli", "query", *arguments],
        env={**os.environ, "TMDB_DATA_DIR": str(data_dir), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("option", ["--csv", "--json"])
def test_it_ends_without_a_word_when_nobody_reads_on(data_dir: Path, option: str) -> None:
    with started(data_dir, "FROM range(100000000)", option) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()

        assert (process.wait(HANG_SECONDS), process.stderr.read()) == (0, "")


ENDLESS = "SELECT count(*) FROM range(100000000000) WHERE hash(range) % 3 = 1"


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc to see DuckDB come")
@pytest.mark.parametrize("later_seconds", [0.0, 0.3, 0.4, 0.5, 0.6])
def test_a_query_that_takes_for_ever_ends_with_ctrl_c(data_dir: Path, later_seconds: float) -> None:
    with started(data_dir, f"SELECT 1 UNION ALL ({ENDLESS})", "--csv") as process:
        # before the command comes to it Python ends, too, but with a traceback
        maps = Path(f"/proc/{process.pid}/maps")
        while "_duckdb" not in maps.read_text():
            assert process.poll() is None
        with suppress(subprocess.TimeoutExpired):
            process.wait(later_seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANG_SECONDS)

    assert (process.returncode, err.splitlines()[-1]) == (1, "stopped")


@pytest.fixture
def heard() -> Iterator[None]:
    """Has what a child process is started with hear SIGHUP, though the tests may run in nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("sql", ["SELECT random() FROM range(100000000000)", ENDLESS])
@pytest.mark.parametrize(
    ("signals", "code"),
    [([signal.SIGTERM] * 2, 143), ([signal.SIGHUP, signal.SIGTERM], 129), ([signal.SIGINT], 1)],
)
def test_a_file_that_takes_for_ever_leaves_nothing_when_it_is_stopped(
    data_dir: Path, tmp_path: Path, sql: str, signals: list[int], code: int
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    options = (sql, "--parquet", str(tmp_path / "a.parquet"))
    with started(data_dir, *options, TMPDIR=str(temporary)) as process:
        least = int(sql != ENDLESS)  # of that no row is ever written
        wait_until(lambda: any(one.stat().st_size >= least for one in tmp_path.glob(".*")), "rows")
        for number in signals:
            process.send_signal(number)
        _, err = process.communicate(timeout=HANG_SECONDS)

    assert (process.returncode, err.strip()) == (code, "stopped")
    assert [*tmp_path.rglob("*")] == [temporary]


def test_the_command_line_does_not_pay_for_duckdb() -> None:
    script = "import sys, tmdb_assets.cli.main; print('duckdb' in sys.modules)"

    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    )

    assert ended.stdout == "False\n"

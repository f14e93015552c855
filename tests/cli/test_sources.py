import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.patience import HANG_SECONDS
from tmdb_assets import batches
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

Tell = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all tests: a new one begins with a second and a half of silence."""
    return tmp_path_factory.mktemp("limiter") / "slots"


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn(StandInSettings(latency_seconds=0, cap=None, export_lines=200)) as server:
        yield server


@pytest.fixture
def tell(
    tmdb_assets: Command, server: StandIn, limiter: Path, monkeypatch: pytest.MonkeyPatch
) -> Tell:
    """Run a command against the stand-in."""
    monkeypatch.setenv("TMDB_ALLOWED_ORIGINS", server.origin)
    monkeypatch.setenv("TMDB_REQUESTS_PER_SECOND", "2000")
    monkeypatch.setenv("TMDB_LIMITER", f"file:{limiter}")
    return tmdb_assets


def yesterday() -> str:
    return (datetime.now(UTC).date() - timedelta(days=1)).isoformat()


def freeze(server: StandIn, *lines: str) -> None:
    """Freeze lines as the list `had` of the folder that commands run in."""
    path = Path("had.txt")
    path.write_text("".join(f"{line}\n" for line in lines))
    batches.add(path, from_environment({"TMDB_ALLOWED_ORIGINS": server.origin}))
    path.unlink()


def values(table: str) -> dict[str, str]:
    """Return the rows of a table of names and values."""
    rows = [line.strip("│ ").split("│") for line in table.splitlines() if line.startswith("│")]
    return {row[0].strip(): row[1].strip() for row in rows if len(row) == 2}


def test_export_writes_a_list_and_says_what_comes_next(tell: Tell) -> None:
    code, out, err = tell("export", "movie", "--date", yesterday(), "--append", "credits,images")

    urls = Path("movie-export.txt").read_text().splitlines()
    found = values(out)
    assert (code, err) == (0, "")
    assert found["date of the export"] == yesterday()
    assert found["lines"] == "200"
    left_out = int(found["left out: adult"]) + int(found["left out: video"])
    assert found["ids"] == str(len(urls)) == str(200 - left_out)
    assert found["URLs written"] == f"{len(urls)} to movie-export.txt"
    assert out.endswith("\nDownload it:  tmdb-assets run movie-export.txt\n")
    assert urls[0].endswith("?append_to_response=credits,images")


def test_separate_urls_are_best_combined_again(tell: Tell) -> None:
    command = ("export", "tv", "--append", "credits", "--append", "images", "--separate")
    code, out, _ = tell(*command, "--limit", "10", "--parameter", "language=de-DE")

    urls = Path("tv-export.txt").read_text().splitlines()
    assert code == 0
    assert len(urls) == 30
    assert urls[2].endswith("/images?language=de-DE")
    assert "tmdb-assets run tv-export.txt --combine\n" in out


def test_export_can_write_elsewhere_and_packed(tell: Tell) -> None:
    code, out, _ = tell("export", "person", "--adult", "--output", "people.txt.gz")

    assert code == 0
    assert len(gzip.decompress(Path("people.txt.gz").read_bytes()).splitlines()) == 400
    assert "run people.txt.gz" in out
    assert not Path("person-export.txt").exists()


def test_export_can_write_to_standard_output_and_nothing_else_there(tell: Tell) -> None:
    code, out, err = tell("export", "keyword", "--output", "-")

    assert code == 0
    assert len(out.splitlines()) == 200
    assert all(line.startswith("http://127.0.0.1") for line in out.splitlines())
    assert values(err)["URLs written"] == "200 to standard output"
    assert sorted(path.name for path in Path().iterdir()) == ["dagster.yaml", "data"]


def test_who_reads_only_the_first_lines_gets_no_error(
    server: StandIn, limiter: Path, tmp_path: Path
) -> None:
    command = "from tmdb_assets.cli.sources import export; export()"
    variables = {
        "TMDB_ALLOWED_ORIGINS": server.origin,
        "TMDB_LIMITER": f"file:{limiter}",
        "TMDB_DATA_DIR": str(tmp_path / "data"),
    }
    server.change({"export_lines": 5000})
    process = subprocess.Popen(
        [sys.executable, "-c", command, "movie", "--output", "-"],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline().startswith(b"http://127.0.0.1")
        process.stdout.close()
        said = process.stderr.read().decode()

    assert process.wait(HANG_SECONDS) == 0
    assert "Error" not in said
    assert "standard output" in said


def test_export_can_say_it_in_json(tell: Tell) -> None:
    code, out, _ = tell("export", "movie", "--video", "--min-popularity", "1", "--json")

    report = json.loads(out)
    assert code == 0
    assert report["written"] == report["ids"] == 200 - sum(n for _, n in report["left_out"])
    assert report["path"] == "movie-export.txt"
    day = datetime.fromisoformat(report["day"])
    assert report["sources"][0].endswith(f"/p/exports/movie_ids_{day:%m_%d_%Y}.json.gz")
    assert len(report["first"]) == 10


def test_export_again_leaves_out_what_a_list_has(tell: Tell, server: StandIn) -> None:
    tell("export", "keyword", "--date", yesterday())
    freeze(server, *Path("keyword-export.txt").read_text().splitlines())
    Path("keyword-export.txt").unlink()

    code, out, _ = tell("export", "keyword", "--date", yesterday())
    assert code == 0
    assert values(out)["URLs that a list has already"] == "200"
    assert values(out)["URLs written"] == "none"
    assert out.endswith("A list has all of it already, so nothing was written.\n")
    assert not Path("keyword-export.txt").exists()

    assert tell("export", "keyword", "--date", yesterday(), "--all")[0] == 0
    assert len(Path("keyword-export.txt").read_text().splitlines()) == 200


def test_an_export_of_which_nothing_is_left_says_so(tell: Tell) -> None:
    code, out, _ = tell("export", "tv", "--min-popularity", "1000000")

    assert code == 0
    assert values(out)["left out: less popular"] == "200"
    assert out.endswith("No id is left, so nothing was written.\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("season",), "'season' is not one of 'movie', 'tv', 'person'"),
        (("movie", "--date", "2026-02-30"), "'2026-02-30' is no date: write it as"),
        (("movie", "--date", "2019-01-01"), "2019-01-01 is too long ago"),
        (("movie", "--append", "credit"), "'credit' is no sub-resource of movie: take from"),
        (("movie", "--separate"), "name them, as in --append credits,images"),
        (("movie", "--parameter", "language"), "not of the form name=value"),
        (("movie", "--parameter", "api_key=s3cret"), "a parameter is a credential: leave it out"),
        (("keyword", "--limit", "0"), "a limit of 0 leaves nothing"),
        (("keyword", "--adult"), "marks no keyword as adult"),
        (("movie", "--output", "nowhere/x.txt"), "its folder does not exist: name another file"),
        (("movie", "--output", "-", "--json"), "would mix on standard output: take one"),
    ],
)
def test_what_export_cannot_do_is_refused(
    tell: Tell, server: StandIn, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = tell("export", *arguments)

    assert (code, out) == (2, "")
    assert words in err
    assert "s3cret" not in err
    assert [path.name for path in Path().iterdir()] == ["dagster.yaml"]
    assert server.statistics()["file_requests"] == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut_gzip", "is cut short: its gzip has no end"),
        ("cut_line", "is cut short: its last line is not whole"),
        ("html", "a page in HTML or XML, of a proxy or a login"),
    ],
)
def test_a_truncated_or_foreign_export_makes_no_list(
    tell: Tell, server: StandIn, fault: str, words: str
) -> None:
    server.change({"export_fault": fault})

    code, out, err = tell("export", "movie")

    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["dagster.yaml", "data"]


def test_changes_writes_a_list_of_what_lists_have(tell: Tell, server: StandIn) -> None:
    today = datetime.now(UTC).date().isoformat()
    freeze(server, *(f"/movie/{number}" for number in range(1, 3002)))

    code, out, err = tell("changes", "--since", yesterday(), "--kind", "movie")

    urls = Path("changes.txt").read_text().splitlines()
    found = values(out)
    assert code == 0
    assert f"changes of {yesterday()} to {today}: {found['movie ids']} ids\n" == err
    assert found["URLs written"] == f"{len(urls)} to changes.txt"
    assert found["movie ids"] == found["URLs of lists about them"] == str(len(urls))
    assert f"│ movie │ {today} │     3 │" in out
    assert f"run changes.txt --name changes-{today}\n" in out
    assert out.endswith(f"tmdb-assets changes --since {today}\n")


def test_changes_without_anything_in_a_list_says_so_and_asks_nothing(
    tell: Tell, server: StandIn
) -> None:
    code, out, err = tell("changes", "--since", yesterday())

    assert code == 0
    assert "\nNothing of it is in a list, so nothing was written.\n" in out
    assert "no list has a movie: its changes are not asked for (--new takes ids in)\n" in err
    assert not Path("changes.txt").exists()
    assert server.statistics()["arrivals"] == 0


def test_changes_tells_of_urls_that_name_no_tmdb_id(tell: Tell, server: StandIn) -> None:
    freeze(server, "/movie/tt0137523", "/movie/550")

    code, _, err = tell("changes", "--since", yesterday())

    assert code == 0
    words = "1 URLs name no TMDB id (as {}/3/movie/tt0137523): what changed is not known of them"
    assert words.format(server.origin) in err


def test_changes_can_have_new_ids_and_say_it_in_json(tell: Tell) -> None:
    arguments = ("--kind", "tv", "--new", "--append", "credits,images", "--output", "tv.txt")
    code, out, _ = tell("changes", "--since", yesterday(), *arguments, "--json")

    report = json.loads(out)
    urls = Path("tv.txt").read_text().splitlines()
    assert code == 0
    assert report["ids"] == {"tv": report["new"]}
    assert report["written"] == report["new"] == len(urls)
    assert [one["kind"] for one in report["days"]] == ["tv", "tv"]
    assert report["days"][0]["day"] == yesterday()
    assert report["days"][0]["without_id"] >= 0
    assert "?append_to_response=credits,images" in urls[0]


def test_changes_says_which_pages_cannot_be_had(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmdb_assets.sources.change_pages.MOST_PAGES", 2)

    code, _, err = tell("changes", "--since", yesterday(), "--kind", "tv", "--new")

    assert code == 0
    assert f"tv on {yesterday()}: TMDB does not give the last 1 pages: refresh all of that" in err


@pytest.mark.parametrize("name", ["export", "changes"])
def test_help_has_examples_line_by_line(tmdb_assets: Command, name: str) -> None:
    code, out, _ = tmdb_assets(name, "--help")

    lines = [line for line in out.splitlines() if line.startswith(f"    tmdb-assets {name} ")]
    assert code == 0
    assert len(lines) >= 2


def test_changes_of_a_long_time_are_shown_by_kind(tell: Tell) -> None:
    since = (datetime.now(UTC).date() - timedelta(days=30)).isoformat()

    code, out, err = tell("changes", "--since", since, "--new")

    assert code == 0
    assert "│ movie  │ all │" in out
    assert len(err.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing option '--since'"),
        (("--since", "last week"), "'last week' is no date"),
        (("--since", "2012-01-01"), "2012-01-01 is too long ago"),
        (("--since", yesterday(), "--kind", "keyword"), "'keyword' is not one of"),
        (("--since", yesterday(), "--append", "credits"), "have these too, with --new"),
    ],
)
def test_what_changes_cannot_do_is_refused(
    tell: Tell, server: StandIn, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = tell("changes", *arguments)

    assert (code, out) == (2, "")
    assert words in err
    assert server.statistics()["arrivals"] == 0


def test_a_refused_key_leaves_no_list(tell: Tell, server: StandIn) -> None:
    server.change({"refuse_after": 1})

    code, _, err = tell("changes", "--since", yesterday(), "--new")

    assert code == 1
    assert "TMDB refuses the credential" in err
    assert not Path("changes.txt").exists()

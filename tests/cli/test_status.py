"""What `tmdb-assets status` says about files of the watched folder that were refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS
from tmdb_assets.settings import from_environment
from tmdb_assets.watched import Refused, note_refused

STAND_IN = {"TMDB_ALLOWED_ORIGINS": "http://127.0.0.1:9"}

Command = Callable[..., tuple[int, str, str]]


def refuse(name: str = "bad.txt", reason: str = "'url_lists/bad.txt' holds no URL") -> Path:
    """Have a file lie in the watched folder that the sensor refused."""
    path = Path("url_lists", name)
    path.parent.mkdir(exist_ok=True)
    Path("data").mkdir(exist_ok=True)
    path.write_text("nonsense\n")
    found = path.stat()
    version = (found.st_size, found.st_mtime_ns, found.st_ino)
    note_refused(from_environment({}), [Refused(name, version, reason)], [])
    return path


def add(tmdb_assets: Command) -> None:
    Path("movies.txt").write_text("/movie/1\n")
    assert tmdb_assets("add", "movies.txt", **STAND_IN)[0] == 0


def test_refused_files_are_named_on_standard_error_with_the_reason(tmdb_assets: Command) -> None:
    add(tmdb_assets)
    refuse()

    code, out, err = tmdb_assets("status", **STAND_IN)

    assert code == 0
    assert err.startswith("refused: ")
    assert "url_lists/bad.txt" in err
    assert "holds no URL" in err
    assert err.count("\n") == 1
    assert "movies-stand-in" in out
    assert "bad.txt" not in out


def test_with_json_they_are_named_too_and_standard_output_stays_json(tmdb_assets: Command) -> None:
    add(tmdb_assets)
    refuse()

    code, out, err = tmdb_assets("status", "--json", **STAND_IN)

    assert code == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["movies-stand-in"]
    assert "bad.txt" in err


def test_they_are_named_although_there_is_no_list_yet(tmdb_assets: Command) -> None:
    refuse()

    code, out, err = tmdb_assets("status", **STAND_IN)

    assert code == 0
    assert "bad.txt" in err
    assert "no lists in data yet" in out


@pytest.mark.parametrize("change", ["removed", "written anew"])
def test_a_file_that_is_no_longer_what_was_refused_is_not_named(
    tmdb_assets: Command, change: str
) -> None:
    path = refuse()
    if change == "removed":
        path.unlink()
    else:
        path.write_text("/movie/1 and more\n")

    assert tmdb_assets("status", **STAND_IN)[2] == ""


@pytest.mark.parametrize("record", [b"nonsense", b"[]", b'{"files": [{}]}', b"\xff", b"[" * 20_000])
def test_a_record_that_cannot_be_read_as_one_is_no_error(
    tmdb_assets: Command, record: bytes
) -> None:
    Path("data").mkdir()
    Path("data/refused_lists.json").write_bytes(record)

    code, _, err = tmdb_assets("status", **STAND_IN)

    assert (code, err) == (0, "")


def test_brackets_of_a_reason_are_no_markup(tmdb_assets: Command) -> None:
    refuse("[bold]x.txt", "'url_lists/[bold]x.txt' holds [red]no[/red] URL")

    assert "'url_lists/[bold]x.txt' holds [red]no[/red] URL" in tmdb_assets("status")[2]


def test_a_name_of_whatever_bytes_is_printed_as_plain_text(
    tmdb_assets: Command, tmp_path: Path
) -> None:
    del tmdb_assets  # it made the folder the current one
    name = os.fsdecode(b"x\xff\x1b[31m\ny.txt")
    refuse(name, f"{str(Path('url_lists', name))!r} holds no URL")

    done = subprocess.run(
        [sys.executable, "-m", "tmdb_assets.cli", "status"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert done.stderr.strip().isprintable()
    assert "holds no URL" in done.stderr

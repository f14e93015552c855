import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tmdb_assets.cli.main import cli
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

STAND_IN = {"TMDB_ALLOWED_ORIGINS": "http://127.0.0.1:8731"}

Command = Callable[..., tuple[int, str, str]]


def write_list(*lines: str) -> str:
    Path("movies.txt").write_text("".join(f"{line}\n" for line in lines))
    return "movies.txt"


def test_every_command_has_help_with_an_example(tmdb_assets: Command) -> None:
    for name in cli.commands:
        code, out, _ = tmdb_assets(name, "--help")

        assert code == 0
        assert "\n  Examples:\n" in out
        assert f"\n    tmdb-assets {name}" in out  # on a line of its own


def test_plan_counts_and_writes_nothing(tmdb_assets: Command) -> None:
    path = write_list("# a comment", "", "/movie/1", "/3/movie/1?", "/movie/2", "nonsense")

    code, out, err = tmdb_assets("plan", path, "--json")

    planned = json.loads(out)
    assert code == 0
    assert (planned["urls"], planned["new"], planned["duplicates"]) == (2, 2, 1)
    assert (planned["rejected"], planned["first_rejected"][0]["line"]) == (1, 6)
    assert planned["batch_sizes"] == [2]
    assert not err
    assert not Path("data").exists()


def test_plan_names_bad_lines_with_reason_and_remedy(tmdb_assets: Command) -> None:
    path = write_list("/movie/1", "ftp://api.themoviedb.org/3/movie/2")

    code, out, err = tmdb_assets("plan", path)

    assert code == 0
    assert "line 2 rejected: the scheme 'ftp': write https://" in err
    assert "lines rejected" in out


def test_add_registers_partitions_and_says_how_to_go_on(tmdb_assets: Command) -> None:
    path = write_list(*(f"/movie/{number}" for number in range(250)))

    code, out, _ = tmdb_assets("add", path, TMDB_BATCH_SIZE="100", **STAND_IN)
    again, added, _ = tmdb_assets("add", path, "--json", TMDB_BATCH_SIZE="100", **STAND_IN)

    assert (code, again) == (0, 0)
    assert "--partition movies-stand-in-0001 -m tmdb_assets.definitions" in out
    assert json.loads(added)["new_batches"] == []
    assert len(json.loads(added)["all_batches"]) == 3


def test_strict_refuses_a_list_with_a_bad_line_and_freezes_nothing(tmdb_assets: Command) -> None:
    path = write_list("/movie/1", "nonsense")

    code, _, err = tmdb_assets("add", path, "--strict")

    assert code == 2
    assert "the first is line 2" in err
    assert not Path("data/batches").exists()


def test_status_of_nothing_says_what_to_do(tmdb_assets: Command) -> None:
    code, out, _ = tmdb_assets("status")

    assert code == 0
    assert "tmdb-assets add LIST" in out


def test_status_tells_what_is_pending(tmdb_assets: Command) -> None:
    tmdb_assets("add", write_list("/movie/1", "/movie/2"), **STAND_IN)

    _, as_json, _ = tmdb_assets("status", "movies-stand-in", "--json")
    _, as_table, _ = tmdb_assets("status")

    assert json.loads(as_json)["pending"] == 2
    assert "movies-stand-in" in as_table


def test_failed_of_nothing_says_what_to_do_beside_the_list(tmdb_assets: Command) -> None:
    for arguments in ((), ("--json",)):
        said = tmdb_assets("failed", *arguments)

        assert said == (0, "", "no lists in data yet: tmdb-assets add LIST\n")


def test_failed_of_a_list_that_never_ran_is_an_empty_list(tmdb_assets: Command) -> None:
    tmdb_assets("add", write_list("/movie/1"), **STAND_IN)

    assert tmdb_assets("failed", "movies-stand-in") == (0, "", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "movies.txt"),
        (b"# only a comment\n", "movies.txt"),
        (b"nonsense\nmore of it\n", "line 1"),
        (b"\x00\x01\x02", "is no text"),
    ],
)
def test_a_file_without_a_url_is_an_error_of_one_line(
    tmdb_assets: Command, content: bytes, words: str
) -> None:
    Path("movies.txt").write_bytes(content)

    for command in ("plan", "add", "run"):
        code, out, err = tmdb_assets(command, "movies.txt", **STAND_IN)

        assert (code, out) == (2, "")
        assert err.startswith("tmdb-assets: ")
        assert err.count("\n") == 1
        assert words in err


@pytest.mark.parametrize("path", ["folder", "missing.txt"])
def test_what_is_no_file_is_an_error_of_one_line(tmdb_assets: Command, path: str) -> None:
    Path("folder").mkdir()

    code, _, err = tmdb_assets("run", path, **STAND_IN)

    assert code == 2
    assert path in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TMDB_REQUESTS_PER_SECOND", "0"),
        ("TMDB_REQUESTS_PER_SECOND", "51"),
        ("TMDB_BATCH_SIZE", "0"),
        ("TMDB_THREADS", "many"),
        ("TMDB_ALLOWED_ORIGINS", "http://api.themoviedb.org"),
    ],
)
def test_a_setting_out_of_bounds_is_named_with_its_bounds(
    tmdb_assets: Command, name: str, value: str
) -> None:
    code, _, err = tmdb_assets("run", write_list("/movie/1"), **{name: value})

    assert code == 2
    assert name in err
    assert err.count("\n") == 1


def test_the_real_tmdb_is_not_asked_without_a_token(tmdb_assets: Command) -> None:
    code, _, err = tmdb_assets("run", write_list("/movie/1"))

    assert code == 2
    assert "set TMDB_READ_ACCESS_TOKEN" in err
    assert not Path("data/batches").exists()


def test_a_data_folder_that_cannot_be_written_is_named(tmdb_assets: Command) -> None:
    Path("blocked").write_text("a file in the way")

    code, _, err = tmdb_assets(
        "run", write_list("/movie/1"), TMDB_DATA_DIR="blocked/data", **STAND_IN
    )

    assert code == 2
    assert "blocked" in err
    assert "TMDB_DATA_DIR" in err


def test_a_limiter_that_cannot_be_used_is_named_before_anything_is_spent(
    tmdb_assets: Command, tmp_path: Path
) -> None:
    code, _, err = tmdb_assets(
        "run",
        write_list("/movie/1"),
        TMDB_LIMITER=f"file:{tmp_path}/movies.txt/limiter",
        **STAND_IN,
    )

    assert code == 2
    assert "limiter file" in err
    assert not Path("data/batches").exists()


def test_outside_a_project_the_error_says_where_to_start(tmdb_assets: Command) -> None:
    path = write_list("/movie/1")
    Path("dagster.yaml").unlink()

    code, _, err = tmdb_assets("run", path, **STAND_IN)

    assert code == 2
    assert "no dagster.yaml" in err
    assert not Path("data/batches").exists()


def test_an_unknown_list_or_command_is_an_error(tmdb_assets: Command) -> None:
    assert tmdb_assets("status", "nowhere")[0] == 2
    assert tmdb_assets("failed", "../..")[0] == 2
    assert tmdb_assets("fetch")[0] == 2
    assert tmdb_assets("run")[0] == 2


def test_debug_shows_a_traceback_and_changes_nothing_else(tmdb_assets: Command) -> None:
    code, out, err = tmdb_assets("status", "nowhere")
    debugged = tmdb_assets("--debug", "status", "nowhere")

    assert (code, out) == debugged[:2] == (2, "")
    assert debugged[2].startswith("Traceback")
    assert debugged[2].endswith(err)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--faults", "2"), "fault_share"),
        (("--fault", "sulk"), "sulk"),
        (("--latency", "-1"), "latency_seconds"),
        (("--samples", "nowhere"), "nowhere"),
    ],
)
def test_a_stand_in_that_cannot_be_names_the_setting(
    tmdb_assets: Command, options: tuple[str, ...], words: str
) -> None:
    code, _, err = tmdb_assets("stand-in", "--port", "0", *options)

    assert code == 2
    assert words in err


def test_where_a_stand_in_is_up_it_can_be_used(tmdb_assets: Command) -> None:
    with StandIn(StandInSettings()) as server:
        port = server.origin.rpartition(":")[2]
        code, _, err = tmdb_assets("stand-in", "--port", port)

    assert code == 2
    assert err.startswith(f"tmdb-assets: stand-in: cannot listen on port {port} of 127.0.0.1: ")
    assert "use the one that is up (`stand-in -- COMMAND` does), or take another with" in err
    assert err.count("\n") == 1


def test_where_something_else_has_the_port_another_one_is_to_be_taken(
    tmdb_assets: Command,
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))  # nobody answers there
        port = other.getsockname()[1]
        code, _, err = tmdb_assets("stand-in", "--port", str(port))

    assert code == 2
    assert f"port {port} of 127.0.0.1" in err
    assert err.endswith(": take another one with --port\n")


def test_a_command_beside_the_stand_in_is_pointed_at_it_and_its_exit_code_counts(
    tmdb_assets: Command,
) -> None:
    script = "import os,sys; sys.exit(7 if 'http://127.0.0.1:' in os.environ[sys.argv[1]] else 1)"

    code, _, err = tmdb_assets(
        "stand-in", "--port", "0", "--", sys.executable, "-c", script, "TMDB_ALLOWED_ORIGINS"
    )

    assert code == 7
    assert "made-up data" in err

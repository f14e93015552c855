import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS
from tests.store.stored_batches import fetch, frozen, tree
from tmdb_assets import batches
from tmdb_assets.store import BatchStore

Command = Callable[..., tuple[int, str, str]]
CLEAN = "6 URLs, 4 files as fetched, 0 URLs to fetch, 0 flaws"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data folder with two fetched lists of one batch each: films and shows."""
    for name in ("films", "shows"):
        for batch in frozen(tmp_path / "data", name):
            fetch(tmp_path / "data", batch)
    return tmp_path / "data"


@pytest.fixture
def films(data_dir: Path) -> Path:
    """Return the folder of the batch of films."""
    return data_dir / "responses" / "films" / "films-0001"


def a_body(folder: Path) -> Path:
    return min(folder.glob("movie-*.json"))


@pytest.mark.usefixtures("data_dir")
def test_sound_batches_are_counted_and_the_exit_code_is_zero(tmdb_assets: Command) -> None:
    assert tmdb_assets("verify") == (0, f"films-0001: {CLEAN}\nshows-0001: {CLEAN}\n", "")
    assert tmdb_assets("verify", "shows") == (0, f"shows-0001: {CLEAN}\n", "")
    assert tmdb_assets("verify", "--json") == (0, "", "")
    assert tmdb_assets("verify", "--repair") == (
        0,
        f"films-0001: {CLEAN}\nshows-0001: {CLEAN}\n",
        "",
    )


def test_before_anything_was_added_nothing_is_wrong(tmdb_assets: Command) -> None:
    assert tmdb_assets("verify") == (0, "", "no lists in data yet: tmdb-assets add LIST\n")
    assert not Path("data").exists()


def test_a_flaw_is_one_line_with_its_remedy_and_the_exit_code_is_one(
    tmdb_assets: Command, films: Path
) -> None:
    a_body(films).write_bytes(b"{}")

    code, out, err = tmdb_assets("verify", "films")

    assert (code, err) == (1, "")
    assert out == (
        f"films-0001: altered: {a_body(films).name}: run the list again after --repair\n"
        "films-0001: 6 URLs, 3 files as fetched, 1 URLs to fetch, 1 flaws\n"
    )


def test_for_scripts_every_flaw_is_one_object_and_nothing_else_is_said(
    tmdb_assets: Command, films: Path
) -> None:
    (films / "notes.txt").touch()
    a_body(films).unlink()

    code, out, err = tmdb_assets("verify", "--json")

    findings = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (1, "")
    assert [(one["batch"], one["flaw"]) for one in findings] == [
        ("films-0001", "missing"),
        ("films-0001", "foreign"),
    ]
    assert findings[1] == {
        "batch": "films-0001",
        "flaw": "foreign",
        "what": "notes.txt",
        "remedy": "not ours: move it away",
    }


def test_of_many_flaws_twenty_are_shown_and_the_rest_is_counted(
    tmdb_assets: Command, films: Path
) -> None:
    for number in range(25):
        (films / f"notes-{number:02d}").touch()

    _, out, _ = tmdb_assets("verify", "films")
    _, as_json, _ = tmdb_assets("verify", "films", "--json")

    assert out.splitlines()[19:21] == [
        "films-0001: foreign: notes-19: not ours: move it away",
        "films-0001: and 5 more",
    ]
    assert len(out.splitlines()) == 22
    assert len(as_json.splitlines()) == 25


def test_an_unknown_or_damaged_list_that_was_named_is_an_error_of_one_line(
    tmdb_assets: Command, data_dir: Path
) -> None:
    (data_dir / "batches" / "films" / "list.json").write_bytes(b"{")

    for name, words in (("films", "is damaged: restore it"), ("flims", "there is no list 'flims'")):
        code, out, err = tmdb_assets("verify", name)

        assert (code, out) == (2, "")
        assert err.startswith("tmdb-assets: ")
        assert err.count("\n") == 1
        assert words in err
    assert tmdb_assets("verify", "../films")[0] == 2
    assert tmdb_assets("verify", "films", "shows")[0] == 2


def test_responses_without_a_list_are_named(tmdb_assets: Command, data_dir: Path) -> None:
    shutil.rmtree(data_dir / "batches" / "films")

    code, out, _ = tmdb_assets("verify")

    assert code == 1
    assert out == (f"shows-0001: {CLEAN}\nresponses: foreign: films: not ours: move it away\n")
    assert tmdb_assets("verify", "shows")[0] == 0


@pytest.mark.parametrize("arguments", [(), ("films",), ("--json",)])
def test_looking_changes_nothing(
    tmdb_assets: Command, tmp_path: Path, films: Path, arguments: tuple[str, ...]
) -> None:
    a_body(films).unlink()
    for name in (".tmp-movie-1", "notes.txt"):
        (films / name).touch()
    before = tree(tmp_path)

    assert tmdb_assets("verify", *arguments)[0] == 1

    assert tree(tmp_path) == before


# --- names that are no text ---------------------------------------------------------------------


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_name_that_is_no_text_is_told_as_well_as_can_be(
    data_dir: Path, films: Path, option: tuple[str, ...]
) -> None:
    # in a process of its own, with an output as strict as those of most terminals
    os.close(os.open(os.fsencode(films) + b"/caf\xe9.txt", os.O_CREAT))
    environment = {"TMDB_DATA_DIR": str(data_dir), "PYTHONIOENCODING": "utf-8:strict"}

    ended = subprocess.run(
        [sys.executable, "-m", "tmdb_assets.cli", "verify", "films", *option],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=HANG_SECONDS,
    )

    assert (ended.returncode, ended.stderr) == (1, b"")
    assert b"foreign" in ended.stdout
    assert b"caf" in ended.stdout


def test_a_name_from_elsewhere_can_neither_command_the_terminal_nor_fake_a_line(
    tmdb_assets: Command, films: Path
) -> None:
    (films / f"a\x1b[2J\nshows-0001: {CLEAN}").touch()

    _, out, _ = tmdb_assets("verify", "films")

    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


# --- one that is damaged, and the others ----------------------------------------------------------


def no_list(data_dir: Path) -> None:
    (data_dir / "batches" / "films" / "list.json").write_bytes(b"\0" * 99)


def a_deep_list(data_dir: Path) -> None:
    (data_dir / "batches" / "films" / "list.json").write_bytes(b"[" * 5000)


def a_folder_for_a_list(data_dir: Path) -> None:
    (data_dir / "batches" / "films" / "list.json").unlink()
    (data_dir / "batches" / "films" / "list.json").mkdir()


def altered_urls(data_dir: Path) -> None:
    (data_dir / "batches" / "films" / "films-0001.txt").write_bytes(b"")


def a_folder_for_a_receipt(data_dir: Path) -> None:
    path = data_dir / "responses" / "films" / "films-0001" / "receipt.json"
    path.unlink()
    path.mkdir()


def a_link_that_leads_out(data_dir: Path) -> None:
    shutil.move(data_dir / "responses" / "films", data_dir.parent / "elsewhere")
    (data_dir / "responses" / "films").symlink_to(data_dir.parent / "elsewhere")


def a_file_for_a_folder(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "responses" / "films")
    (data_dir / "responses" / "films").touch()


DAMAGES = (
    *(no_list, a_deep_list, a_folder_for_a_list, altered_urls),
    *(a_folder_for_a_receipt, a_link_that_leads_out, a_file_for_a_folder),
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_when_one_list_is_damaged_the_others_are_looked_at(
    tmdb_assets: Command, data_dir: Path, damage: Callable[[Path], object]
) -> None:
    damage(data_dir)

    code, out, err = tmdb_assets("verify")

    assert (code, err) == (1, "")
    assert "films" in out.splitlines()[0]
    assert f"shows-0001: {CLEAN}" in out.splitlines()


# --- repair -------------------------------------------------------------------------------------


def test_after_a_repair_the_next_run_fetches_what_is_broken_and_all_is_sound(
    tmdb_assets: Command, data_dir: Path, films: Path
) -> None:
    a_body(films).write_bytes(b"{}")
    (films / ".tmp-movie-1").touch()

    code, out, err = tmdb_assets("verify", "--repair")
    left = {path.name for path in films.iterdir()}
    fetch(data_dir, "films-0001")

    assert code == 1  # it was not sound
    assert err == "films-0001: repaired; fetch what is missing: tmdb-assets retry films\n"
    assert f"shows-0001: {CLEAN}" in out
    assert not left & {"receipt.json", ".tmp-movie-1"}
    assert tmdb_assets("verify") == (0, f"films-0001: {CLEAN}\nshows-0001: {CLEAN}\n", "")


def test_what_is_only_foreign_is_nothing_to_repair(
    tmdb_assets: Command, data_dir: Path, films: Path
) -> None:
    (films / "notes.txt").touch()
    before = tree(data_dir)

    code, _, err = tmdb_assets("verify", "--repair")

    assert (code, err) == (1, "")
    assert tree(data_dir) == before


def test_a_repair_says_so_on_standard_error_when_flaws_are_objects(
    tmdb_assets: Command, films: Path
) -> None:
    a_body(films).unlink()

    code, out, err = tmdb_assets("verify", "films", "--repair", "--json")

    assert code == 1
    assert json.loads(out)["flaw"] == "missing"
    assert err.startswith("films-0001: repaired")


def test_a_batch_that_is_being_downloaded_is_not_repaired_and_the_others_are(
    tmdb_assets: Command, data_dir: Path, films: Path
) -> None:
    shows = data_dir / "responses" / "shows" / "shows-0001"
    for folder in (films, shows):
        a_body(folder).unlink()

    targets = batches.load(data_dir, "films-0001")
    with BatchStore(data_dir, "films-0001", targets):
        looked = tmdb_assets("verify")[0]
        code, _, err = tmdb_assets("verify", "--repair")

    assert looked == 1
    assert code in {1, 2}
    assert "'films-0001' is being downloaded by another run" in err
    assert "films-0001: repaired" not in err
    assert "shows-0001: repaired" in err

"""The commands that are shown as next ones: each can be typed as it stands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.stored_batches import fetch, frozen

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("arguments", "origin", "words"),
    [
        ((), "https://api.themoviedb.org", "tmdb-assets run 'my films.txt'"),
        (("--name", "films"), "https://api.themoviedb.org", "run 'my films.txt' --name films"),
        (
            *(("--name", "films"), "http://127.0.0.1:8731"),
            "  tmdb-assets stand-in -- tmdb-assets run 'my films.txt' --name films",
        ),
        (
            *((), "http://127.0.0.1:8732"),
            "  tmdb-assets stand-in --port 8732 -- tmdb-assets run 'my films.txt'",
        ),
    ],
)
def test_the_command_that_add_shows_is_about_the_same_list_and_the_same_server(
    tmdb_assets: Command, arguments: tuple[str, ...], origin: str, words: str
) -> None:
    Path("my films.txt").write_text("/movie/1\n")

    code, out, _ = tmdb_assets("add", "my films.txt", *arguments, TMDB_ALLOWED_ORIGINS=origin)

    assert code == 0
    assert f"{words}\n" in out


def test_what_a_list_of_the_stand_in_lacks_after_a_repair_is_fetched_beside_it(
    tmdb_assets: Command,
) -> None:
    for batch in frozen(Path("data"), "shows-stand-in"):
        next(fetch(Path("data"), batch).glob("movie-*.json")).unlink()

    _, _, err = tmdb_assets("verify", "--repair")

    assert err.endswith(": tmdb-assets stand-in -- tmdb-assets retry shows-stand-in\n")


def test_without_a_token_a_list_of_the_stand_in_is_asked_for_beside_it(
    tmdb_assets: Command,
) -> None:
    frozen(Path("data"), "movies-stand-in")

    code, out, err = tmdb_assets("retry", "movies-stand-in")

    assert (code, out) == (2, "")
    assert err.endswith(": tmdb-assets stand-in -- tmdb-assets retry movies-stand-in\n")

"""What the README shows can be done: its commands, options, variables and queries are there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import tmdb_assets as package
from tests.cli.conftest import ROOT, Command
from tests.tables.made_tables import made, movie
from tmdb_assets.cli.main import cli

README = (ROOT / "README.md").read_text()
CODE = re.findall(r"```sh\n(.*?)```|`([^`]+)`", README, re.DOTALL)


def commands() -> Iterator[list[str]]:
    """Yield every `tmdb-assets …` that the README has, in words."""
    for block, span in CODE:
        for rest in (block or span).split("tmdb-assets ")[1:]:
            yield shlex.split(rest, comments=True)


def test_every_command_is_in_the_readme_and_every_one_there_is_a_command() -> None:
    assert {words[0] for words in commands()} == set(cli.commands)


def test_every_option_in_the_readme_is_one_of_its_command() -> None:
    foreign = [
        (words[0], word)
        for words in commands()
        for word in words
        if re.match("--[a-z]", word)
        and not any(word in one.opts for one in cli.commands[words[0]].params)
    ]

    assert foreign == []


def test_the_readme_names_every_variable_and_no_other() -> None:
    sources = Path(package.__file__).parent.rglob("*.py")
    known = {name for path in sources for name in re.findall(r'"(TMDB_[A-Z_]+)"', path.read_text())}

    assert set(re.findall(r"\bTMDB_[A-Z_]+", README)) == known


def test_the_queries_of_the_readme_find_what_they_promise(
    tmdb_assets: Command, tmp_path: Path
) -> None:
    people = {
        "cast": [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bea"}],
        "crew": [
            {"id": 3, "name": "Cleo", "job": "Editor"},
            {"id": 4, "name": "Dora", "job": "Director"},
        ],
    }
    good = {"release_date": "1999-10-15", "vote_average": 8.5, "credits": people}
    films = {
        "/movie/7": movie(7, vote_count=500, **good),
        "/movie/8": movie(8, vote_count=501, **good),
        "/movie/9": None,
        # the same film once more, and one without credits
        "/movie/8?language=de": movie(8, vote_count=501, **good),
        "/movie/6": movie(6, vote_count=501, vote_average=9.0),
    }
    made(tmp_path / "data", films)
    queries = [words for words in commands() if words[:1] == ["query"] and "FROM" in words[1]]

    worth, pairs, outcomes = (tmdb_assets(*words, "--csv") for words in queries)

    assert worth == (0, "title,year,vote_average,director\nFilm 8,1999,8.5,Dora\n", "")
    assert pairs == (0, "actor,partner,films\nAda,Bea,2\n", "")
    assert outcomes[0] == 0
    assert outcomes[1].splitlines()[1:] == ["films,absent,HTTP 404,1", "films,fetched,,4"]

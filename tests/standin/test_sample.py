import json
from collections import Counter

from tmdb_assets.standin.answers import Answer
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.sample import SAMPLE_FILE, sample_lines, sample_text


def asked(line: str) -> Answer:
    path, _, query = line.partition("?")
    return answer_to(f"/3{path}", query)


def test_the_bundled_list_is_what_its_rule_makes() -> None:
    assert SAMPLE_FILE.read_text(encoding="utf-8") == sample_text()


def test_the_list_holds_3000_different_paths_of_all_kinds() -> None:
    lines = sample_lines()
    objects = Counter(line.split("/")[1] for line in lines if line.count("/") == 2)

    assert len(lines) == len(set(lines)) == 3000
    assert objects == {"movie": 1500, "tv": 700, "person": 600}
    assert "/movie/550" in lines


def test_most_of_the_list_exists_and_some_of_it_does_not() -> None:
    statuses = Counter(asked(line).status for line in sample_lines())

    assert set(statuses) == {200, 404}
    assert 50 < statuses[404] < 120


def test_every_tenth_film_comes_with_its_credits_and_keywords_and_is_there_once() -> None:
    films = [line for line in sample_lines() if line.startswith("/movie/") and line.count("/") == 2]
    whole = [line for line in films if "?" in line]
    bodies = [json.loads(answer.body) for line in whole if (answer := asked(line)).status == 200]

    assert len(whole) == 150
    assert len({line.partition("?")[0] for line in films}) == len(films) == 1500
    assert all(body["credits"]["cast"] and body["keywords"]["keywords"] for body in bodies)


def test_all_lines_but_paths_are_comments() -> None:
    header = [line for line in sample_text().splitlines() if not line.startswith("/")]

    assert header
    assert all(line.startswith("# ") for line in header)

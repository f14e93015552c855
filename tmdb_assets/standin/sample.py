"""The bundled list of URLs: the rule that makes it.

`sample.txt` beside this module is the rule's result, so that users can read and edit a copy.
"""

from pathlib import Path

SAMPLE_FILE = Path(__file__).with_name("sample.txt")
"""The bundled list."""

_HEADER = (
    "# 3,000 paths of the TMDB API, to try a download with: 1,500 films, 700 series, 600 persons",
    "# and 200 sub-resources. Made by a rule, not by taste: every second low id of each kind, and",
    "# some parts of a few of them. Every tenth film comes with its credits and keywords in the",
    "# same answer. The rule is tmdb_assets/standin/sample.py. Some ids do not exist.",
)
_EVERY_TENTH_FILM = 20  # of the even ids
_WITH_PARTS = "?append_to_response=credits,keywords"
_MOVIE_PARTS = ("credits", "images", "keywords", "videos", "external_ids")
_TV_PARTS = ("season/1", "aggregate_credits", "external_ids")
_PERSON_PARTS = ("movie_credits", "images")


def _film(number: int) -> str:
    return f"/movie/{number}{'' if number % _EVERY_TENTH_FILM else _WITH_PARTS}"


def _parts(kind: str, ids: range, names: tuple[str, ...]) -> list[str]:
    return [f"/{kind}/{number}/{name}" for number in ids for name in names]


def sample_lines() -> list[str]:
    """Return the paths, each once."""
    return [
        *(_film(number) for number in range(2, 3001, 2)),
        *(f"/tv/{number}" for number in range(1, 1400, 2)),
        *(f"/person/{number}" for number in range(1, 1200, 2)),
        *_parts("movie", range(100, 1100, 50), _MOVIE_PARTS),
        *_parts("tv", range(99, 1400, 65)[:20], _TV_PARTS),
        *_parts("person", range(31, 1200, 58)[:20], _PERSON_PARTS),
    ]


def sample_text() -> str:
    """Return what the bundled file holds: a header of comments, then a path a line."""
    return "\n".join([*_HEADER, *sample_lines(), ""])

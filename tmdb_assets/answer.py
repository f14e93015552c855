"""What the body of a TMDB answer has to be, whatever its status: pure.

A body counts only as a whole: the framing of HTTP says that all bytes came (`client`), and here a
JSON object that is closed says so again, for answers that have no framing.
"""

import json
import re
from urllib.parse import urlsplit

MAX_DEPTH = 100
"""Objects and lists within each other; TMDB nests eight, and readers have bounds of their own."""

_LISTS = re.compile(r"/3/configuration/[a-z_]+")
"""What answers with a list; everything else answers with an object."""

_DETAILS = re.compile(r"/3/(?:movie|tv|person|collection|company|network|keyword)/([0-9]{1,18})")
"""What answers with the very id that was asked for. Not below it: a season has an id of its own."""


class NotAnAnswerError(ValueError):
    """A body that is none of TMDB's; the text says what it is instead, without its data."""


def parse(body: bytes) -> dict[str, object] | list[object]:
    """Return the strict UTF-8 JSON of a body, an object or a list.

    Raises:
        NotAnAnswerError: it is anything else.
    """
    if not body.strip():
        raise NotAnAnswerError("empty body")
    try:
        document: object = _DECODER.decode(body.decode("utf-8"))
    except RecursionError:
        raise NotAnAnswerError("JSON nested too deeply") from None
    except ValueError:
        is_html = body.lstrip()[:1] == b"<"
        raise NotAnAnswerError("HTML instead of JSON" if is_html else "invalid JSON") from None
    if not isinstance(document, dict | list):
        raise NotAnAnswerError("JSON that is no TMDB answer")
    if _is_deep(document):
        raise NotAnAnswerError("JSON nested too deeply")
    return document


def check_asked(document: object, url: str) -> None:
    """Make sure that data is about what was asked for, as far as a URL tells.

    Answers do get mixed up: by a cache, or by a connection that is one answer behind.

    Raises:
        NotAnAnswerError: it is not.
    """
    path = urlsplit(url).path
    if isinstance(document, list):
        if not _LISTS.fullmatch(path):
            raise NotAnAnswerError("a list instead of an object")
        return
    asked = _DETAILS.fullmatch(path)
    if asked and isinstance(document, dict) and document.get("id") != int(asked[1]):
        raise NotAnAnswerError("an answer about another id")


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _is_deep(document: dict[str, object] | list[object]) -> bool:
    level: list[dict[str, object] | list[object]] = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True

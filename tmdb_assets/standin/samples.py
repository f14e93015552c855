"""Recorded responses: a folder of bodies and the `index.jsonl` that says what each answers.

A line of the index has `path`, `query`, `status`, `file` and `headers`, and may have `sha256`. All
is read and checked at the start, so that serving neither waits for a disk nor meets a bad file.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl

from tmdb_assets.standin.answers import JSON_TYPE, Answer, Header, cacheable

INDEX = "index.jsonl"

_Key = tuple[str, tuple[tuple[str, str], ...]]


def _key(path: str, query: str) -> _Key:
    return path, tuple(sorted(parse_qsl(query, keep_blank_values=True)))


class Samples:
    """Recorded responses by path and query; read-only once loaded."""

    def __init__(self, answers: Mapping[_Key, Answer]) -> None:
        self._answers = answers

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, path: str, query: str) -> Answer | None:
        """Return the recorded answer to exactly this request.

        Args:
            path: decoded, with the version.
            query: without credentials; its order does not matter, anything else does.
        """
        return self._answers.get(_key(path, query))


NO_SAMPLES = Samples({})


def load(folder: Path) -> Samples:
    """Read the folder; of two lines for one request the first counts.

    Raises:
        FileNotFoundError: no such folder, no index, or a file that the index names is missing.
        ValueError: a line of the index is not as it should be; the text names the line.
    """
    index = folder / INDEX
    if not index.is_file():
        raise FileNotFoundError(f"no recorded responses in '{folder}': it has no {INDEX}")
    answers: dict[_Key, Answer] = {}
    for number, line in enumerate(index.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            key, answer = _read_line(folder, line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} of '{index}' is unusable: {error!r}") from error
        answers.setdefault(key, answer)
    return Samples(answers)


def _read_line(folder: Path, line: str) -> tuple[_Key, Answer]:
    entry = cast("dict[str, object]", json.loads(line))
    file = folder / str(entry["file"])
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"'{file}' is outside the folder")
    if not file.is_file():
        raise FileNotFoundError(f"'{file}' is missing although {INDEX} names it")
    body = file.read_bytes()
    if entry.get("sha256", _digest(body)) != _digest(body):
        raise ValueError(f"'{file}' differs from its sha256")
    status = int(str(entry["status"]))
    if not 200 <= status <= 599:  # noqa: PLR2004 - what HTTP calls a final answer
        raise ValueError(f"status {status} is no final status of HTTP")
    headers = cast("dict[str, str]", entry.get("headers", {}))
    answer = cacheable(status, body, _content_type(headers))
    return _key(str(entry["path"]), str(entry.get("query", ""))), answer


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _content_type(headers: Mapping[str, str]) -> Header:
    for name, value in headers.items():
        if name.lower() == "content-type":
            return (b"content-type", value.encode("latin-1"))
    return JSON_TYPE

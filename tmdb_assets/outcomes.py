"""Lines of `outcomes.jsonl`: written one by one, read back whole or as they grow.

The format is public: one JSON object a line, `format` first; the last line of a URL counts. A last
line without its end was torn by a crash and says nothing.
"""

import json
from collections.abc import Container, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tmdb_assets.errors import BatchError
from tmdb_assets.files import read_file, reading, storing, write_whole
from tmdb_assets.model import OUTCOME_FORMAT, Outcome, OutcomeKind

FILE_NAME = "outcomes.jsonl"


def encode(outcome: Outcome) -> bytes:
    """Return the line of an outcome, with its end."""
    fields = {
        "format": OUTCOME_FORMAT,
        "url": outcome.url,
        "name": outcome.name,
        "outcome": outcome.outcome,
        "status": outcome.status,
        "reason": outcome.reason,
        "attempts": outcome.attempts,
        "bytes": outcome.bytes,
        "sha256": outcome.sha256,
        "etag": outcome.etag,
        "sent_at": [_moment(sent_at) for sent_at in outcome.sent_at],
        "seconds": round(outcome.seconds, 6),
        "as_of": _moment(outcome.as_of) if outcome.as_of else None,
        "combined_with": outcome.combined_with,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Outcome:
    """Return the outcome of a line.

    Raises:
        BatchError: the line is of a newer format.
        ValueError: it is no outcome.
    """
    try:
        fields = json.loads(line)
    except RecursionError:
        raise ValueError("brackets without end") from None
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the value is at fault
    if isinstance(version := fields.get("format"), int) and version > OUTCOME_FORMAT:
        raise BatchError(
            f"outcomes of format {version} were written by a newer tmdb-assets: update this one"
        )
    try:
        sent_at = tuple(map(_seconds, fields["sent_at"]))
        # format 1 had neither of the last two: every body was as of its last request
        as_of = fields.get("as_of", fields["sent_at"][-1] if sent_at else None)
        return Outcome(
            url=str(fields["url"]),
            name=str(fields["name"]),
            outcome=OutcomeKind(fields["outcome"]),
            status=fields["status"],
            reason=str(fields["reason"]),
            attempts=int(fields["attempts"]),
            bytes=int(fields["bytes"]),
            sha256=str(fields["sha256"]),
            etag=str(fields["etag"]),
            sent_at=sent_at,
            seconds=float(fields["seconds"]),
            as_of=0.0 if as_of is None else _seconds(as_of),
            combined_with=str(fields.get("combined_with", "")),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError("a field is missing or odd") from error


class OutcomeReader:
    """Reads the outcomes of one file, each once, also while it grows. One thread.

    Attributes:
        unreadable: lines that were no outcome.
    """

    def __init__(self, path: Path) -> None:
        self.unreadable = 0
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[Outcome]:
        """Yield the outcomes appended since the last call; none when there is no file yet.

        Raises:
            BatchError: they are of a newer format.
            OSError: the file is there but cannot be read.
        """
        with ExitStack() as stack:
            try:
                file = stack.enter_context(reading(self._path))
            except FileNotFoundError:
                return
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                try:
                    yield decode(line)
                except ValueError:
                    self.unreadable += 1


def last_outcomes(folder: Path) -> dict[str, Outcome]:
    """Return the outcome that counts of every URL in the folder of a batch, by URL.

    Raises:
        BatchError: they are of a newer format.
        StoreError: they cannot be read.
    """
    with storing(folder):
        return {outcome.url: outcome for outcome in OutcomeReader(folder / FILE_NAME).new()}


def drop_useless(path: Path, urls: Container[str]) -> None:
    """Rewrite a file of outcomes without what is no outcome of one of these URLs.

    Raises:
        BatchError: they are of a newer format.
        OSError: the file is there but cannot be read.
        StoreError: it cannot be written; it is then as it was.
    """
    try:
        lines = read_file(path).splitlines(keepends=True)
    except FileNotFoundError:
        return
    kept = [line for line in lines if _is_useful(line, urls)]
    if len(kept) < len(lines):
        write_whole(path, b"".join(kept))


def _is_useful(line: bytes, urls: Container[str]) -> bool:
    try:
        return line.endswith(b"\n") and decode(line).url in urls
    except ValueError:
        return False


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()

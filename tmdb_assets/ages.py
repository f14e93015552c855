"""How old what is on disk is: read from receipts, and from outcomes where those do not tell.

TMDB's terms allow to keep its content for six months at most. A body is as old as the last answer
that brought it or said that it still holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tmdb_assets import batches, outcomes, receipt
from tmdb_assets.model import Outcome
from tmdb_assets.receipt import batch_folder

DAY_SECONDS = 86_400.0

KEPT_AT_MOST_SECONDS = 180 * DAY_SECONDS
"""What TMDB's terms for its API allow: no content is kept longer than six months."""

WARNED_AFTER_SECONDS = 150 * DAY_SECONDS
"""Age of a body after which somebody should do something about it."""


@dataclass(frozen=True, slots=True)
class Aged:
    """A batch that has something older than a moment.

    Attributes:
        older: outcomes as of before that moment.
        bodies: those of them that have a body, and the `bytes` of these.
    """

    batch: str
    older: tuple[Outcome, ...]

    @property
    def bodies(self) -> int:
        """How many of them have a body."""
        return sum(one.has_body for one in self.older)

    @property
    def bytes(self) -> int:
        """Size of these bodies."""
        return sum(one.bytes for one in self.older)


def older_than(data_dir: Path, name: str, moment: float) -> Iterator[Aged]:
    """Yield the batches of a list that have an outcome as of before a moment, POSIX seconds.

    Raises:
        BatchError: there is no such list, or outcomes are of a newer format.
        StoreError: its files cannot be read.
    """
    for batch in batches.read_list(data_dir, name).batches:
        found = receipt.read(batch_folder(data_dir, batch.name))
        oldest = receipt.oldest(found) if found is not None else None
        if oldest is not None and oldest >= moment:
            continue
        last = outcomes.last_outcomes(batch_folder(data_dir, batch.name)).values()
        if older := tuple(one for one in last if 0 < one.as_of < moment):
            yield Aged(batch.name, older)


def oldest_body(data_dir: Path, name: str) -> float | None:
    """Return when the oldest body of a list was fetched or confirmed, POSIX seconds.

    Raises:
        BatchError: there is no such list, or outcomes are of a newer format.
        StoreError: its files cannot be read.
    """
    moments = []
    for batch in batches.read_list(data_dir, name).batches:
        found = receipt.read(batch_folder(data_dir, batch.name))
        moment = receipt.oldest(found, "oldest_body_as_of") if found is not None else None
        if moment is None and (found is None or found.get("oldest_body_as_of", "") is not None):
            last = outcomes.last_outcomes(batch_folder(data_dir, batch.name)).values()
            moment = min((one.as_of for one in last if one.has_body), default=None)
        if moment is not None:
            moments.append(moment)
    return min(moments, default=None)

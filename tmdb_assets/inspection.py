"""What lies in the folder of a batch, compared with what should: reads all, changes nothing.

A body counts when its outcome promises it and its bytes have the digest recorded there. So a
body that a crash, a loss of power or a hand altered counts for nothing, whatever its name says.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmdb_assets import outcomes
from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.files import TEMPORARY_PREFIX, read_file, storing
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.receipt import RECEIPT_NAME

_OURS = frozenset({RECEIPT_NAME, outcomes.FILE_NAME, LOCK_NAME})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found; names of bodies are without `.json`.

    Attributes:
        last: the last outcome of every URL that has one, by URL.
        missing: bodies that an outcome promises and that are not there.
        altered: bodies that are not what their outcome says, or no regular files.
        unrecorded: bodies of targets whose outcome promises none; a crash leaves at most one.
        unfinished: file names of temporaries.
        foreign: names of what belongs to no target.
        strange_outcomes: lines about URLs that the batch does not have.
        unreadable_lines: lines that are no outcome.
        attempts: requests of all outcomes together.
    """

    last: dict[str, Outcome]
    missing: frozenset[str]
    altered: frozenset[str]
    unrecorded: frozenset[str]
    unfinished: frozenset[str]
    foreign: frozenset[str]
    strange_outcomes: int
    unreadable_lines: int
    attempts: int

    @property
    def has_broken_bodies(self) -> bool:
        """Whether an outcome promises a body that is not there as promised."""
        return bool(self.missing or self.altered)

    @property
    def leftovers(self) -> frozenset[str]:
        """File names of what no outcome vouches for."""
        return self.unfinished | {f"{name}.json" for name in self.unrecorded}

    def holds(self, outcome: Outcome) -> bool:
        """Say whether a target with this last outcome needs no request any more."""
        if outcome.outcome is OutcomeKind.FETCHED:
            return self.has_body(outcome)
        return outcome.outcome in {OutcomeKind.ABSENT, OutcomeKind.PURGED}

    def has_body(self, outcome: Outcome) -> bool:
        """Say whether the body that this last outcome promises is there as promised."""
        is_broken = outcome.name in self.missing or outcome.name in self.altered
        return outcome.has_body and not is_broken

    def pending(self, targets: Sequence[Target], since: float = 0.0) -> tuple[Target, ...]:
        """Return those of these targets that need a request still, in their order.

        Args:
            targets: of the batch.
            since: what is as of before that moment needs one too, POSIX seconds.
        """
        return tuple(
            target
            for target in targets
            if (last := self.last.get(target.url)) is None
            or not self.holds(last)
            or last.as_of < since
        )


def inspect(
    folder: Path, targets: Sequence[Target], between: Callable[[], None] = lambda: None
) -> Inspection:
    """Compare the folder of a batch with its targets; reads every body.

    Args:
        folder: of the batch.
        targets: all of the batch.
        between: is called before each body is read.

    Raises:
        BatchError: outcomes are of a newer format.
        StoreError: the folder or its outcomes cannot be read.
    """
    names = {target.url: target.name for target in targets}
    last: dict[str, Outcome] = {}
    strange = attempts = 0
    with storing(folder):
        reader = outcomes.OutcomeReader(folder / outcomes.FILE_NAME)
        for outcome in reader.new():
            if names.get(outcome.url) != outcome.name:
                strange += 1
                continue
            last[outcome.url] = outcome
            attempts += outcome.attempts
        entries = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
    promised = {one.name: one for one in last.values() if one.has_body}
    unfinished = frozenset(name for name in entries if name.startswith(TEMPORARY_PREFIX))
    bodies = {name for name in names.values() if f"{name}.json" in entries}
    return Inspection(
        last=last,
        missing=frozenset(promised.keys() - bodies),
        altered=_altered(folder, [promised[name] for name in promised.keys() & bodies], between),
        unrecorded=frozenset(bodies - promised.keys()),
        unfinished=unfinished,
        foreign=frozenset(entries - _OURS - unfinished - {f"{name}.json" for name in bodies}),
        strange_outcomes=strange,
        unreadable_lines=reader.unreadable,
        attempts=attempts,
    )


def _altered(
    folder: Path, promised: Sequence[Outcome], between: Callable[[], None]
) -> frozenset[str]:
    altered = set()
    for outcome in promised:
        between()
        if not _is_as_recorded(folder / f"{outcome.name}.json", outcome):
            altered.add(outcome.name)
    return frozenset(altered)


def _is_as_recorded(path: Path, outcome: Outcome) -> bool:
    try:
        body = read_file(path)
    except OSError:
        return False
    return len(body) == outcome.bytes and hashlib.sha256(body).hexdigest() == outcome.sha256

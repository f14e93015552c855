"""Whether what is on disk is what was fetched: files against outcomes, receipts against both.

`verify` reads everything and changes nothing; `repair` makes the next run fetch what is broken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tmdb_assets import batches, outcomes, receipt
from tmdb_assets.batch_lock import LOCK_NAME, BatchLock
from tmdb_assets.errors import BatchError, StoreError, TmdbAssetsError
from tmdb_assets.files import clear_away, is_held, storing, within
from tmdb_assets.inspection import Inspection, inspect
from tmdb_assets.model import Target
from tmdb_assets.receipt import RECEIPT_NAME, batch_folder


class Flaw(StrEnum):
    """What is wrong; the value is what users read."""

    DAMAGED = "damaged list or batch"
    MISSING = "missing"
    ALTERED = "altered"
    LEFTOVER = "leftover"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable outcomes"
    RECEIPT = "wrong receipt"


MENDED = frozenset({Flaw.MISSING, Flaw.ALTERED, Flaw.LEFTOVER, Flaw.UNREADABLE, Flaw.RECEIPT})
"""Flaws that a repair mends, by itself or with the next run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One flaw.

    Attributes:
        batch: its name; that of a list or folder where no batch is at fault.
        what: the file, or what it is about.
        remedy: what to do about it.
    """

    batch: str
    flaw: Flaw
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A batch that was looked at.

    Attributes:
        urls: of the batch, of which `pending` need a request still.
        bodies: files that are what their outcome says.
        without_outcome: those of the pending URLs that have none at all.
    """

    batch: str
    urls: int
    bodies: int
    pending: int
    without_outcome: int
    findings: tuple[Finding, ...]


_REMEDIES = {
    Flaw.MISSING: "run the list again after --repair",
    Flaw.ALTERED: "run the list again after --repair",
    Flaw.LEFTOVER: "none needed: the next run or --repair removes it",
    Flaw.FOREIGN: "not ours: move it away",
    Flaw.UNREADABLE: "run the list again after --repair",
    Flaw.RECEIPT: "run the list again after --repair",
}


def verify_list(data_dir: Path, name: str) -> Iterator[Verified]:
    """Look at every batch of a list; a damaged one is a finding.

    Raises:
        BatchError: there is no such list, or its record is damaged.
        StoreError: the data folder cannot be read.
    """
    frozen = batches.read_list(data_dir, name)
    names = {batch.name for batch in frozen.batches}
    for batch in frozen.batches:
        try:
            yield verify_batch(data_dir, batch.name)
        except (BatchError, StoreError) as error:
            yield Verified(
                batch.name, batch.urls, 0, batch.urls, batch.urls, (damaged(batch.name, error),)
            )
    folder = within(data_dir, "responses", name)
    with storing(folder):
        strange = {path.name for path in folder.iterdir()} - names if folder.is_dir() else set()
    if strange:
        yield Verified(name, 0, 0, 0, 0, tuple(_foreign(name, one) for one in sorted(strange)))


def strangers(data_dir: Path) -> Iterator[Finding]:
    """Yield folders of responses that belong to no list.

    Raises:
        StoreError: the data folder cannot be read.
    """
    folder = within(data_dir, "responses")
    with storing(folder):
        found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name in sorted(found - set(batches.list_names(data_dir))):
        yield _foreign("responses", name)


def damaged(name: str, error: TmdbAssetsError) -> Finding:
    """Return the finding that a list or batch cannot be looked at."""
    return Finding(name, Flaw.DAMAGED, str(error), "as it says")


def verify_batch(data_dir: Path, batch: str) -> Verified:
    """Look at one batch: every body is read. What a run is just writing is no flaw.

    Raises:
        BatchError: there is no such batch, it is not what was frozen, or its outcomes are of a
            newer format.
        StoreError: its files cannot be read.
    """
    targets = batches.load(data_dir, batch)
    folder = batch_folder(data_dir, batch)
    is_written = is_held(folder / LOCK_NAME)
    found = inspect(folder, targets)
    flaws = [*_flaws(found)]
    if is_written or is_held(folder / LOCK_NAME):
        flaws = [(flaw, what) for flaw, what in flaws if flaw is not Flaw.LEFTOVER]
    if (wrong := _wrong_receipt(folder, batch, targets, found)) is not None:
        flaws.append((Flaw.RECEIPT, wrong))
    findings = (Finding(batch, flaw, what, _REMEDIES[flaw]) for flaw, what in flaws)
    bodies = sum(found.has_body(one) for one in found.last.values())
    return Verified(
        batch=batch,
        urls=len(targets),
        bodies=bodies,
        pending=len(found.pending(targets)),
        without_outcome=len(targets) - len(found.last),
        findings=tuple(findings),
    )


def repair(data_dir: Path, batch: str) -> None:
    """Have a batch count as not complete, and remove leftovers; what is foreign stays.

    The next run then finds out by itself what to fetch.

    Raises:
        BatchBusyError: it is being downloaded.
        BatchError: it is damaged beyond what a run can mend.
        StoreError: its files cannot be written.
    """
    targets = batches.load(data_dir, batch)
    folder = batch_folder(data_dir, batch)
    if not folder.is_dir():
        return
    with BatchLock(folder, batch, "repair"):
        found = inspect(folder, targets)
        for name in (RECEIPT_NAME, *found.leftovers):
            clear_away(folder / name)
        with storing(folder):
            outcomes.drop_useless(folder / outcomes.FILE_NAME, {one.url for one in targets})


def _flaws(found: Inspection) -> Iterator[tuple[Flaw, str]]:
    for flaw, names in (
        (Flaw.MISSING, {f"{name}.json" for name in found.missing}),
        (Flaw.ALTERED, {f"{name}.json" for name in found.altered}),
        (Flaw.LEFTOVER, found.leftovers),
        (Flaw.FOREIGN, found.foreign),
    ):
        yield from ((flaw, _printable(name)) for name in sorted(names))
    if found.unreadable_lines:
        yield Flaw.UNREADABLE, f"{found.unreadable_lines} lines of {outcomes.FILE_NAME}"
    if found.strange_outcomes:
        yield Flaw.UNREADABLE, f"{found.strange_outcomes} outcomes of URLs that it does not have"


def _wrong_receipt(
    folder: Path, batch: str, targets: Sequence[Target], found: Inspection
) -> str | None:
    """Return what a receipt says otherwise than the outcomes; None without one too."""
    said = receipt.read(folder)
    if said is None:
        return "it cannot be read" if (folder / RECEIPT_NAME).exists() else None
    if len(found.last) < len(targets):
        return f"it is there, although {len(targets) - len(found.last)} URLs have no outcome"
    true = receipt.counted(batch, targets, found.last)
    if said.get("format") == 1:  # which told less
        true = {name: value for name, value in true.items() if name in said} | {"format": 1}
    wrong = [name for name, value in true.items() if said.get(name) != value]
    return f"it says otherwise about {', '.join(wrong)}" if wrong else None


def _foreign(batch: str, name: str) -> Finding:
    return Finding(batch, Flaw.FOREIGN, _printable(name), _REMEDIES[Flaw.FOREIGN])


def _printable(name: str) -> str:
    """Return a file name as text that no terminal takes for a command, nor for a line of ours."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in name
    )

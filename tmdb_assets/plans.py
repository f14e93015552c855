"""What adding a file of URLs does to a list, as values: planned, or done."""

from dataclasses import dataclass

from tmdb_assets.frozen import FrozenList
from tmdb_assets.lists import Rejected, Scan


@dataclass(frozen=True, slots=True)
class Plan:
    """What adding a file would do, or did.

    Attributes:
        name: of the list.
        sha256: of the bytes of the file.
        lines: blank ones and comments too.
        urls: distinct good ones, of which `already` are frozen in the list and `new` are not.
        duplicates: lines with a URL that an earlier line has.
        had_credential: good lines that held a key or token; it is left out.
        first_rejected: up to 100 of the `rejected` lines.
        batch_sizes: URLs in each of the batches that the new URLs make.
        combine: whether URLs that TMDB answers together are asked for in one request.
        requests: that the new URLs take.
    """

    name: str
    sha256: str
    lines: int
    urls: int
    already: int
    new: int
    duplicates: int
    rejected: int
    had_credential: int
    first_rejected: tuple[Rejected, ...]
    batch_sizes: tuple[int, ...]
    combine: bool
    requests: int


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did, with the names of the batches it made and of all that the list has now."""

    plan: Plan
    new_batches: tuple[str, ...]
    all_batches: tuple[str, ...]


def split_sizes(count: int, batch_size: int) -> list[int]:
    """Return the sizes of the fewest batches of at most `batch_size`, even within 1.

    Even, because a last batch of a few URLs costs a whole run.
    """
    batches = -(-count // batch_size)
    return [count // batches + (index < count % batches) for index in range(batches)]


def summary(frozen: FrozenList, scan: Scan, requests: int, batch_size: int) -> Plan:
    """Return what a finished scan means for the list that it was made for."""
    return Plan(
        name=frozen.name,
        sha256=scan.sha256,
        lines=scan.lines,
        urls=scan.already + scan.new,
        already=scan.already,
        new=scan.new,
        duplicates=scan.duplicates,
        rejected=scan.rejected,
        had_credential=scan.had_credential,
        first_rejected=tuple(scan.first_rejected),
        batch_sizes=tuple(split_sizes(scan.new, batch_size)),
        combine=frozen.combine,
        requests=requests,
    )

"""What adding a file of URLs does to a list, as values: planned, or done."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

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


def split_between(requests: Sequence[int], batch_size: int) -> list[int]:
    """Return the sizes of batches of at most `batch_size` URLs that part no request.

    As even as that allows: each ends where an even one would, or less than a request before.

    Args:
        requests: how many URLs each is for, in order; all are far smaller than a batch.
        batch_size: URLs in a batch at most.
    """
    urls = sum(requests)
    sizes = _moved_back(requests, split_sizes(urls, batch_size))
    if max(sizes, default=0) > batch_size:
        # smaller ones, with room for what the batch before leaves over
        room = max(requests) - 1
        sizes = _moved_back(requests, split_sizes(urls, batch_size - room))
    return sizes


def _moved_back(requests: Iterable[int], sizes: Iterable[int]) -> list[int]:
    """Return the sizes with each cut where a request ends: there already, or the last before."""
    ends = array("q", accumulate(requests, initial=0))
    cuts = [ends[bisect_right(ends, cut) - 1] for cut in accumulate(sizes, initial=0)]
    return [end - begin for begin, end in pairwise(cuts)]


def summary(frozen: FrozenList, scan: Scan, requests: int, batch_sizes: Iterable[int]) -> Plan:
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
        batch_sizes=tuple(batch_sizes),
        combine=frozen.combine,
        requests=requests,
    )

"""Frozen lists of URLs on disk: planning one, adding it, and loading its batches.

A list is a folder `<data>/batches/<list>` with a file of canonical URLs per batch and `list.json`,
which is written last and alone says what there is. A batch never changes once it is named there; a
list that grew gets further batches. What was killed in between leaves files without a name in
`list.json`, which count for nothing and go with the next `add`.
"""

import contextlib
import re
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

from tmdb_assets.combine import Grouping
from tmdb_assets.errors import BatchError
from tmdb_assets.files import exclusive, make_folder, storing, within
from tmdb_assets.frozen import (
    RECORD_NAME,
    FrozenBatch,
    FrozenList,
    Source,
    read_record,
    read_urls,
    sweep,
    write_batch,
    write_record,
)
from tmdb_assets.list_name import is_name, list_name
from tmdb_assets.lists import Scan, check_file
from tmdb_assets.model import Settings, Target
from tmdb_assets.plans import Added, Plan, split_between, split_sizes, summary
from tmdb_assets.spool import Spool
from tmdb_assets.urls import key, origin_of, target

_BATCH = re.compile(r"(.+)-[0-9]{4,}")
_LOCK = ".lock"
_LOCK_WAIT_SECONDS = 60.0


def plan(path: Path, settings: Settings, name: str | None = None, *, combine: bool = False) -> Plan:
    """Read a file of URLs and say what `add` would do with it; writes nothing.

    Raises:
        UrlListError: the file cannot be used, or it or `name` gives no name for a list.
        BatchError: the list is damaged on disk.
    """
    name = _name(path, settings, name)
    frozen = _current(settings.data_dir, name)
    frozen = replace(frozen, combine=frozen.combine or combine)
    scan = _scan(path, settings, frozen)
    grouping = Grouping() if frozen.combine else None
    for url in scan.new_urls():
        if grouping is not None:
            grouping.add(url)
    sizes, requests = _split(scan.new, grouping, settings.batch_size)
    return summary(frozen, scan, requests, sizes)


def add(
    path: Path,
    settings: Settings,
    name: str | None = None,
    *,
    combine: bool = False,
    wait_seconds: float = _LOCK_WAIT_SECONDS,
) -> Added:
    """Freeze the URLs of a file that the list does not have yet into further batches.

    Changes nothing on disk if there are none; lines that went away since change nothing either.
    A list that is to combine does so from then on, with what it had before too.
    One process does this at a time, others wait for up to `wait_seconds`. May be killed at any
    moment: the list then has all of the new batches or none.

    Raises:
        UrlListError: the file cannot be used, or it or `name` gives no name for a list.
        BatchError: the list is damaged on disk, or somebody else adds for too long.
        StoreError: the data folder cannot be written.
    """
    name = _name(path, settings, name)
    check_file(path)
    folder = _folder(settings.data_dir, name)
    make_folder(folder.parent)
    with exclusive(folder.parent / _LOCK, wait_seconds):
        before = _current(settings.data_dir, name)
        frozen = replace(before, combine=before.combine or combine)
        scan = _scan(path, settings, frozen)
        batches, requests = _freeze(folder, scan, frozen, settings.batch_size)
        if batches:
            frozen = replace(
                frozen,
                batches=frozen.batches + batches,
                sources=(*frozen.sources, _source(path, scan)),
                created_at=frozen.created_at or _now(),
            )
        if frozen != before:
            write_record(folder, frozen)
        sweep(folder, frozen)
    return Added(
        plan=summary(frozen, scan, requests, [batch.urls for batch in batches]),
        new_batches=tuple(batch.name for batch in batches),
        all_batches=tuple(batch.name for batch in frozen.batches),
    )


def load(data_dir: Path, batch: str) -> tuple[Target, ...]:
    """Return the targets of a batch in the order of its list.

    Raises:
        BatchError: there is no such batch, or its file is not what was frozen.
        StoreError: the data folder cannot be read.
    """
    name = list_of(batch)
    batches = {known.name: known for known in read_list(data_dir, name).batches}
    if batch not in batches:
        raise BatchError(f"list {name!r} has no batch {batch!r}: `tmdb-assets status` shows all")
    urls = read_urls(_folder(data_dir, name), batches[batch])
    targets = tuple(target(url) for url in urls)
    if len({one.name for one in targets}) < len(targets):
        raise BatchError(
            f"batch {batch!r} has two URLs with one file name: split its list and add it again"
        )
    return targets


def read_list(data_dir: Path, name: str) -> FrozenList:
    """Return the record of a frozen list.

    Raises:
        BatchError: there is none of that name, or it is damaged or of a newer format.
        StoreError: the data folder cannot be read.
    """
    frozen = _current(data_dir, name)
    if not frozen.batches:
        raise BatchError(
            f"there is no list {name[:100]!r} in {str(data_dir)!r}: "
            "`tmdb-assets status` shows all, `tmdb-assets add FILE` makes one"
        )
    return frozen


def list_names(data_dir: Path) -> tuple[str, ...]:
    """Return the names of all frozen lists, sorted; none if nothing was added yet."""
    folder = data_dir / "batches"
    with storing(folder):
        records = folder.glob(f"*/{RECORD_NAME}") if folder.is_dir() else ()
        names = sorted(record.parent.name for record in records)
    return tuple(name for name in names if is_name(name))


def batch_file(data_dir: Path, batch: str) -> Path:
    """Return where the URLs of a batch lie, if there is one of that name.

    Raises:
        BatchError: it is no name of a batch.
        StoreError: a symbolic link there leads out of the data folder.
    """
    return _folder(data_dir, list_of(batch)) / f"{batch}.txt"


def list_of(batch: str) -> str:
    """Return the name of the list of a batch, from the batch's name alone.

    Raises:
        BatchError: it is no name of a batch.
    """
    match = _BATCH.fullmatch(batch)
    if match is None or not is_name(match[1]):
        raise BatchError(
            f"{batch[:100]!r} is no name of a batch: they look like my-list-0001, "
            "`tmdb-assets status` shows all"
        )
    return match[1]


def origins_of(targets: Iterable[Target]) -> set[str]:
    """Return the origins that these targets are asked from."""
    return {origin_of(one.url) for one in targets}


def _name(path: Path, settings: Settings, name: str | None) -> str:
    return list_name(path, settings.origins, name)


def _folder(data_dir: Path, name: str) -> Path:
    return within(data_dir, "batches", name)


def _current(data_dir: Path, name: str) -> FrozenList:
    """Return the list as it is on disk, an empty one if it is not."""
    return read_record(_folder(data_dir, name)) if is_name(name) else FrozenList(name)


def _scan(path: Path, settings: Settings, frozen: FrozenList) -> Scan:
    folder = _folder(settings.data_dir, frozen.name)
    known = {key(url) for batch in frozen.batches for url in read_urls(folder, batch)}
    secret = settings.credential.secret if settings.credential is not None else ""
    return Scan(path, settings.origins, known, secret=secret)


def _freeze(
    folder: Path, scan: Scan, frozen: FrozenList, batch_size: int
) -> tuple[tuple[FrozenBatch, ...], int]:
    """Write the new URLs of a scan as further batches; return these and the requests they take."""
    urls = scan.new_urls()
    first = next(urls, None)
    if first is None:
        return (), 0
    make_folder(folder)
    spool = Spool(folder, combine=frozen.combine)
    try:
        spool.fill(chain((first,), urls))
        sizes, requests = _split(spool.urls, spool.grouping, batch_size)
        with storing(folder), closing(spool.lines()) as lines:
            batches = tuple(
                write_batch(folder, number, tuple(islice(lines, size)))
                for number, size in enumerate(sizes, len(frozen.batches) + 1)
            )
        return batches, requests
    finally:
        spool.close()
        # goes only if it is empty: the first file of a new list broke off
        with contextlib.suppress(OSError):
            folder.rmdir()


def _split(urls: int, grouping: Grouping | None, batch_size: int) -> tuple[list[int], int]:
    """Return the sizes of the batches of new URLs, and the requests that all of them take."""
    if grouping is None:
        return split_sizes(urls, batch_size), urls
    requests = grouping.requests()
    return split_between(requests, batch_size), len(requests)


def _source(path: Path, scan: Scan) -> Source:
    return Source(
        file=path.name,
        sha256=scan.sha256,
        lines=scan.lines,
        urls=scan.already + scan.new,
        new=scan.new,
        duplicates=scan.duplicates,
        rejected=scan.rejected,
        had_credential=scan.had_credential,
        first_rejected=tuple(scan.first_rejected),
        added_at=_now(),
        folder=str(path.absolute().parent),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

"""What may happen to the folder of a batch between two runs, as functions of the folder."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from tests.store.stored_batches import ABSENT, FAILED, FETCHED, outcome_of, targets
from tmdb_assets.model import OutcomeKind
from tmdb_assets.outcomes import encode

KINDS = (FETCHED, FETCHED, ABSENT, FETCHED, FETCHED, ABSENT, FETCHED, FETCHED)
"""How the URLs of a batch end, whenever they are asked."""

Mutilation = Callable[[Path], object]


def is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def cut(name: str, share: float) -> Mutilation:
    """Tear the end off; with a share of 0 empty the file."""

    def act(folder: Path) -> None:
        if is_file(folder / name):
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content[: int(len(content) * share)])

    return act


def zeroed(name: str, share: float) -> Mutilation:
    """Have zeros where data was, at the same size: what a loss of power leaves."""

    def act(folder: Path) -> None:
        if is_file(folder / name):
            content = (folder / name).read_bytes()
            kept = content[: int(len(content) * share)]
            (folder / name).write_bytes(kept.ljust(len(content), b"\0"))

    return act


def flipped(name: str, share: float, bits: int) -> Mutilation:
    """Alter one byte at the same size, but none that says which format a line has."""

    def act(folder: Path) -> None:
        if is_file(folder / name) and (content := bytearray((folder / name).read_bytes())):
            place = int(len(content) * share)
            if not content[:place].endswith(b'"format":'):
                content[place] ^= bits
            (folder / name).write_bytes(content)

    return act


def swapped(one: int, other: int) -> Mutilation:
    def act(folder: Path) -> None:
        paths = [folder / f"movie-{number}.json" for number in (one, other)]
        if all(map(is_file, paths)):
            contents = [path.read_bytes() for path in paths]
            for path, content in zip(paths, contents[::-1], strict=True):
                path.write_bytes(content)

    return act


def lengthened(name: str, data: bytes) -> Mutilation:
    def act(folder: Path) -> None:
        # four words in the lock file are the line of another host, which is waited for
        is_line_of_a_host = name == ".lock" and len(data.split()) > 3
        if name not in obstacles(folder) and not is_line_of_a_host:
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.write(descriptor, data)
            os.close(descriptor)

    return act


def gone(name: str) -> Mutilation:
    def act(folder: Path) -> None:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)

    return act


def there(name: str, data: bytes) -> Mutilation:
    def act(folder: Path) -> None:
        gone(name)(folder)
        (folder / name).write_bytes(data)

    return act


def all_gone_but_the_receipt(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "receipt.json":
            gone(path.name)(folder)


def receipt_says(field: str, value: object) -> Mutilation:
    def act(folder: Path) -> None:
        if is_file(folder / "receipt.json"):
            try:
                receipt = {**json.loads((folder / "receipt.json").read_bytes()), field: value}
            except (ValueError, RecursionError):
                return
            (folder / "receipt.json").write_text(json.dumps(receipt))

    return act


def told_again(number: int, kind: OutcomeKind) -> Mutilation:
    """Append an outcome that contradicts an earlier one, or says it twice."""
    return lengthened("outcomes.jsonl", encode(outcome_of(targets(len(KINDS))[number], kind)))


def repeated(share: float) -> Mutilation:
    def act(folder: Path) -> None:
        path = folder / "outcomes.jsonl"
        if is_file(path) and (found := path.read_bytes().splitlines(keepends=True)):
            path.write_bytes(b"".join([*found, found[int(len(found) * share)]]))

    return act


def outside(folder: Path) -> Path:
    """Return a file outside of the data folder, which nobody may touch."""
    return folder.parents[3] / "outside"


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to(outside(path.parent)),
    "link to nowhere": lambda path: path.symlink_to(path.parents[4] / "nowhere"),
    "link to itself": lambda path: path.symlink_to(path),
}


def blocked(name: str, obstacle: str) -> Mutilation:
    def act(folder: Path) -> None:
        gone(name)(folder)
        OBSTACLES[obstacle](folder / name)

    return act


def obstacles(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not is_file(path)}


def cleared(folder: Path) -> None:
    """Do what a message asks for: remove what is in the way."""
    for name in obstacles(folder):
        gone(name)(folder)


GARBAGE = st.binary(max_size=60).filter(lambda data: b'"format"' not in data) | st.sampled_from(
    [b"\n", b"{}\n", b"\0" * 5000, b"\0" * 99 + b"\n", b'{"url":"x"}\n', b"[" * 9, b"[" * 2000]
)
_bodies = st.sampled_from([f"movie-{number}.json" for number in range(len(KINDS))])
_own = st.sampled_from(["outcomes.jsonl", "receipt.json", ".lock"]) | _bodies
_foreign = st.sampled_from([".DS_Store", "movie-99.json", "notes.txt", "movie-2", "a\nb"])
_temporaries = st.sampled_from([".tmp-movie-0", ".tmp-movie-2", ".tmp-1-abc"])
_shares = st.floats(0, 0.999)
_numbers = st.integers(0, len(KINDS) - 1)
_values: st.SearchStrategy[object] = st.sampled_from(
    [0, 1, 6, 10**30, 1e400, -1, "", None, [], "other-0001"]
)
_retellings = st.builds(told_again, _numbers, st.sampled_from([FAILED, FETCHED]))

damages = (
    st.builds(cut, _own, _shares)
    | st.builds(zeroed, _own, _shares)
    | st.builds(flipped, _own, _shares, st.integers(1, 255))
    | st.builds(swapped, _numbers, _numbers)
    | st.builds(lengthened, _own, GARBAGE.filter(bool))
    | st.builds(gone, _own)
    | st.builds(there, _foreign | _temporaries | _bodies, GARBAGE)
    | st.just(all_gone_but_the_receipt)
    | st.builds(
        receipt_says, st.sampled_from(["fetched", "failed", "bytes", "digest", "batch"]), _values
    )
    | _retellings
    | st.builds(repeated, _shares)
)
"""What a crash, a loss of power, a bad disk or a hand can do, and the next run mends by itself."""

blockages = st.builds(blocked, _own | _temporaries, st.sampled_from(sorted(OBSTACLES)))
"""What is in the way of a file of ours."""

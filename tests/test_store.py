import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmdb_assets.errors import BatchBusyError, BatchError, StoreError
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.outcomes import decode, encode
from tmdb_assets.store import BatchStore, batch_folder, needs_download

BATCH = "films-0001"
FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED

HOLD = """
import sys
from pathlib import Path
from tmdb_assets.store import BatchStore
with BatchStore(Path(sys.argv[1]), "films-0001", (), "the other one"):
    print("held", flush=True)
    sys.stdin.read()
"""

RECORD_FOR_EVER = """
import hashlib, itertools, os, sys
from pathlib import Path
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.store import BatchStore
targets = [
    Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
    for number in range(200)
]
with BatchStore(Path(sys.argv[1]), "films-0001", targets) as store:
    for round_number in itertools.count():
        for target in targets:
            body = b'{"padding":"%s"}' % (b"x" * round_number)
            digest = hashlib.sha256(body).hexdigest()
            store.record(
                Outcome(
                    target.url, target.name, OutcomeKind.FETCHED, 200, "", 1, len(body), digest,
                    "", (1.0,), 0.1,
                ),
                body,
            )
            os.write(1, b".")
"""

RECORD_TOO_MUCH = """
import resource, sys
from pathlib import Path
from tmdb_assets.errors import StoreError
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.store import BatchStore
targets = [
    Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
    for number in range(200)
]
body = b"x" * int(sys.argv[2])
with BatchStore(Path(sys.argv[1]), "films-0001", targets) as store:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    for target in targets:
        outcome = Outcome(
            target.url, target.name, OutcomeKind.FETCHED, 200, "", 1, len(body), "", "", (1.0,), 0.1
        )
        try:
            store.record(outcome, body)
        except StoreError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
"""


def targets(count: int) -> tuple[Target, ...]:
    return tuple(
        Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
        for number in range(count)
    )


def body_of(target: Target) -> bytes:
    return json.dumps({"title": target.name * 3}).encode()


def outcome_of(target: Target, kind: OutcomeKind = FETCHED, attempts: int = 1) -> Outcome:
    body = body_of(target) if kind is FETCHED else None
    return Outcome(
        url=target.url,
        name=target.name,
        outcome=kind,
        status=200,
        reason="" if kind is FETCHED else "HTTP 404",
        attempts=attempts,
        bytes=len(body or b""),
        sha256=hashlib.sha256(body).hexdigest() if body else "",
        etag="",
        sent_at=(1.0,) * attempts,
        seconds=0.1,
    )


def record(store: BatchStore, target: Target, kind: OutcomeKind = FETCHED) -> None:
    store.record(outcome_of(target, kind), body_of(target) if kind is FETCHED else None)


def finished(data_dir: Path, all_targets: Sequence[Target]) -> Path:
    """Fetch a whole batch and return its folder."""
    with BatchStore(data_dir, BATCH, all_targets) as store:
        for target in store.pending:
            record(store, target)
        store.seal(1.5)
        return store.folder


def pending(data_dir: Path, all_targets: Sequence[Target]) -> list[str]:
    with BatchStore(data_dir, BATCH, all_targets) as store:
        return [target.name for target in store.pending]


def lines(folder: Path) -> list[bytes]:
    return (folder / "outcomes.jsonl").read_bytes().splitlines(keepends=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- what is recorded ---------------------------------------------------------------------------


def test_the_responses_of_a_batch_lie_in_the_folder_of_its_list() -> None:
    folder = batch_folder(Path("data"), "my-films-0012")

    assert folder == Path("data/responses/my-films/my-films-0012")


def test_a_new_batch_is_pending_as_a_whole_in_its_order(tmp_path: Path) -> None:
    all_targets = targets(5)[::-1]

    with BatchStore(tmp_path, BATCH, all_targets) as store:
        assert store.pending == all_targets
        assert store.counts.total() == 0
        assert store.attempts == 0


@pytest.mark.parametrize(
    "body", [b'{"title": "Am\xc3\xa9lie"}\r\n', b"{}", b'{"a":"\\u0000"}' * 99]
)
def test_a_body_is_on_disk_byte_for_byte_and_its_outcome_after_it(
    tmp_path: Path, body: bytes
) -> None:
    (target,) = targets(1)
    outcome = outcome_of(target)

    with BatchStore(tmp_path, BATCH, (target,)) as store:
        store.record(outcome, body)
        folder = store.folder

    assert (folder / "movie-0.json").read_bytes() == body
    assert lines(folder) == [encode(outcome)]
    assert names(folder) == {"movie-0.json", "outcomes.jsonl", ".lock"}


def test_an_outcome_without_a_body_leaves_no_file(tmp_path: Path) -> None:
    absent, failed = targets(2)

    with BatchStore(tmp_path, BATCH, (absent, failed)) as store:
        record(store, absent, ABSENT)
        record(store, failed, FAILED)
        folder = store.folder

    assert [decode(line).outcome for line in lines(folder)] == [ABSENT, FAILED]
    assert names(folder) == {"outcomes.jsonl", ".lock"}


def test_no_outcome_is_written_when_its_body_cannot_be(tmp_path: Path) -> None:
    (target,) = targets(1)

    with BatchStore(tmp_path, BATCH, (target,)) as store:
        (store.folder / "movie-0.json").mkdir()
        with pytest.raises(StoreError, match=r"cannot use '.*/movie-0.json': .*: set TMDB_DATA_"):
            record(store, target)

        assert lines(store.folder) == []
        assert names(store.folder) == {"movie-0.json", "outcomes.jsonl", ".lock"}
        assert store.counts.total() == 0


def test_counts_and_attempts_follow_what_is_recorded(tmp_path: Path) -> None:
    first, second, third = targets(3)

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        store.record(outcome_of(first, FAILED, attempts=6), None)
        record(store, second, ABSENT)
        record(store, third)
        record(store, first)

        assert +store.counts == {FETCHED: 2, ABSENT: 1}
        assert store.attempts == 9


# --- what is left to do -------------------------------------------------------------------------


def test_a_resume_has_all_but_the_fetched_and_the_absent(tmp_path: Path) -> None:
    all_targets = targets(5)
    with BatchStore(tmp_path, BATCH, all_targets) as store:
        record(store, all_targets[1])
        record(store, all_targets[2], ABSENT)
        record(store, all_targets[3], FAILED)

    with BatchStore(tmp_path, BATCH, all_targets) as store:
        assert [target.name for target in store.pending] == ["movie-0", "movie-3", "movie-4"]
        assert store.counts == {FETCHED: 1, ABSENT: 1, FAILED: 1}
        assert store.attempts == 3


def test_the_last_outcome_of_a_url_is_the_one_that_counts(tmp_path: Path) -> None:
    mended, broken = targets(2)
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, mended, FAILED)
        record(store, mended)
        record(store, broken)
        record(store, broken, FAILED)

    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        assert store.pending == (broken,)
        assert +store.counts == {FETCHED: 1, FAILED: 1}
        assert store.attempts == 4


MISHAPS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b" "),
}


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS.keys())
def test_a_body_that_is_not_there_as_recorded_is_pending_again(
    tmp_path: Path, mishap: Callable[[Path], object]
) -> None:
    folder = finished(tmp_path, targets(3))
    mishap(folder / "movie-1.json")

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        assert [target.name for target in store.pending] == ["movie-1"]
        assert +store.counts == {FETCHED: 2}
        record(store, targets(3)[1])

    assert (folder / "movie-1.json").read_bytes() == body_of(targets(3)[1])
    assert pending(tmp_path, targets(3)) == []


def test_a_body_without_an_outcome_is_pending_and_overwritten(tmp_path: Path) -> None:
    folder = batch_folder(tmp_path, BATCH)
    folder.mkdir(parents=True)
    (folder / "movie-0.json").write_bytes(b"from before the crash")

    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        for target in store.pending:
            record(store, target)

    assert (folder / "movie-0.json").read_bytes() == body_of(targets(1)[0])


def test_outcomes_of_urls_that_are_not_of_the_batch_count_for_nothing(tmp_path: Path) -> None:
    finished(tmp_path, targets(5))

    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        assert store.pending == ()
        assert store.counts == {FETCHED: 2}
        assert store.attempts == 2


def test_a_torn_last_line_is_cut_off_so_that_the_next_one_is_whole(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(3))
    whole = lines(folder)
    (folder / "outcomes.jsonl").write_bytes(b"".join(whole)[:-30])

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        kept = lines(folder)
        for target in store.pending:
            record(store, target)

    assert kept == whole[:2]
    assert lines(folder) == whole
    assert pending(tmp_path, targets(3)) == []


@pytest.mark.parametrize("torn_bytes", [1, 65_535, 65_536, 200_000])
def test_a_torn_line_of_any_length_is_cut_off(tmp_path: Path, torn_bytes: int) -> None:
    folder = finished(tmp_path, targets(2))
    whole = lines(folder)
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(b"x" * torn_bytes)

    left = pending(tmp_path, targets(2))

    assert left == []
    assert lines(folder) == whole


def test_a_file_of_outcomes_without_any_whole_line_is_emptied(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    (folder / "outcomes.jsonl").write_bytes(b"x" * 70_000)

    left = pending(tmp_path, targets(2))

    assert left == ["movie-0", "movie-1"]
    assert lines(folder) == []


def test_unreadable_lines_are_told_and_cost_their_urls_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = finished(tmp_path, targets(3))
    first, _, third = lines(folder)
    (folder / "outcomes.jsonl").write_bytes(first + b"\0" * 99 + b"\n" + third)

    left = pending(tmp_path, targets(3))

    assert left == ["movie-1"]
    assert "batch films-0001: 1 unreadable lines in outcomes.jsonl" in caplog.text


def test_leftover_temporaries_are_swept_and_foreign_files_are_not(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(1))
    for name in (".tmp-movie-0", ".tmp-123-abc", "notes.txt", ".DS_Store"):
        (folder / name).write_text("left")

    left = pending(tmp_path, targets(1))

    assert left == []
    assert names(folder) == {
        *("movie-0.json", "outcomes.jsonl", "receipt.json", ".lock", "notes.txt", ".DS_Store")
    }


def test_a_link_to_nowhere_in_the_folder_does_not_matter(tmp_path: Path) -> None:
    # some editors mark a file that they have open in this way
    folder = finished(tmp_path, targets(1))
    (folder / ".#outcomes.jsonl").symlink_to("ada@host.1234:1700000000")

    assert pending(tmp_path, targets(1)) == []


def test_outcomes_of_a_newer_format_are_refused_and_kept(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(1))
    newer = lines(folder)[0].replace(b'"format":1', b'"format":2')
    (folder / "outcomes.jsonl").write_bytes(newer)

    with pytest.raises(BatchError, match="update this one"):
        pending(tmp_path, targets(1))

    assert lines(folder) == [newer]
    with pytest.raises(BatchError, match="update this one"):
        # not a BatchBusyError: the lock was given back
        pending(tmp_path, targets(1))


# --- one writer at a time -----------------------------------------------------------------------


def test_a_second_opener_is_turned_away_while_the_first_one_lives(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        with pytest.raises(BatchBusyError, match="batch 'films-0001' is being downloaded by an"):
            BatchStore(tmp_path, BATCH, targets(1)).__enter__()
        record(store, targets(1)[0])

    assert pending(tmp_path, targets(1)) == []


def test_another_batch_of_the_list_is_free(tmp_path: Path) -> None:
    first = BatchStore(tmp_path, BATCH, targets(1))
    second = BatchStore(tmp_path, "films-0002", targets(1))

    with first, second:
        assert second.pending == targets(1)


@contextmanager
def held(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process hold the batch until the end of its input."""
    command = [sys.executable, "-c", HOLD, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process


def test_a_batch_is_free_again_when_the_process_that_held_it_closed_it(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        lock = (batch_folder(tmp_path, BATCH) / ".lock").read_text()
        with pytest.raises(BatchBusyError):
            pending(tmp_path, targets(1))
        assert lock == f"the other one {process.pid}\n"
        process.communicate()

        assert pending(tmp_path, targets(1)) == ["movie-0"]


def test_a_batch_is_free_again_when_the_process_that_held_it_was_killed(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        with pytest.raises(BatchBusyError):
            pending(tmp_path, targets(1))
        process.kill()
        process.communicate()

        assert pending(tmp_path, targets(1)) == ["movie-0"]


# --- the receipt --------------------------------------------------------------------------------


def test_there_is_no_receipt_while_a_url_has_no_outcome(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, targets(2)[0])
        with pytest.raises(BatchError, match=r"batch 'films-0001' has URLs without an outcome"):
            store.seal(1.0)

    assert "receipt.json" not in names(store.folder)


def test_the_receipt_tells_counts_and_a_digest_that_anyone_can_recompute(tmp_path: Path) -> None:
    fetched, absent, failed = all_targets = targets(3)
    with BatchStore(tmp_path, BATCH, all_targets) as store:
        record(store, failed, FAILED)
        record(store, absent, ABSENT)
        record(store, fetched)
        path = store.seal(12.34567)

    receipt = json.loads(path.read_bytes())
    completed_at = receipt.pop("completed_at")
    body_digest = hashlib.sha256((store.folder / "movie-0.json").read_bytes()).hexdigest()
    text = f"movie-0 {body_digest}\nmovie-1 \nmovie-2 \n"
    assert path == store.folder / "receipt.json"
    assert completed_at.endswith("+00:00")
    assert receipt == {
        "format": 1,
        "batch": "films-0001",
        "list": "films",
        "urls": 3,
        "fetched": 1,
        "absent": 1,
        "failed": 1,
        "attempts": 3,
        "bytes": len(body_of(fetched)),
        "seconds": 12.346,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }


def test_the_digest_depends_on_the_bodies_and_not_on_the_order_of_events(tmp_path: Path) -> None:
    digests = []
    for place, order in enumerate((1, -1)):
        with BatchStore(tmp_path / str(place), BATCH, targets(4)) as store:
            for target in store.pending[::order]:
                record(store, target)
            digests.append(json.loads(store.seal(1.0).read_bytes())["digest"])

    assert digests[0] == digests[1]


def test_a_receipt_stays_while_nothing_is_pending(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    before = (folder / "receipt.json").read_bytes()

    left = pending(tmp_path, targets(2))

    assert left == []
    assert (folder / "receipt.json").read_bytes() == before


def test_a_receipt_goes_when_something_is_pending_again(tmp_path: Path) -> None:
    folder = finished(tmp_path, targets(2))
    (folder / "movie-1.json").unlink()

    left = pending(tmp_path, targets(2))

    assert left == ["movie-1"]
    assert "receipt.json" not in names(folder)


def test_a_batch_needs_a_download_until_its_receipt_tells_of_no_failure(tmp_path: Path) -> None:
    needs = [needs_download(tmp_path, BATCH)]
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, targets(2)[0])
        needs.append(needs_download(tmp_path, BATCH))
        record(store, targets(2)[1], FAILED)
        store.seal(1.0)
        needs.append(needs_download(tmp_path, BATCH))
        record(store, targets(2)[1], ABSENT)
        store.seal(1.0)
        needs.append(needs_download(tmp_path, BATCH))

    assert needs == [True, True, True, False]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"failed":1}', b"null"])
def test_a_receipt_that_does_not_say_that_none_failed_is_not_believed(
    tmp_path: Path, content: bytes
) -> None:
    folder = finished(tmp_path, targets(1))
    (folder / "receipt.json").write_bytes(content)

    assert needs_download(tmp_path, BATCH)


def test_a_receipt_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    (batch_folder(tmp_path, BATCH) / "receipt.json").mkdir(parents=True)

    with pytest.raises(StoreError, match=r"cannot use '.*/receipt.json': .*: set TMDB_DATA_DIR"):
        needs_download(tmp_path, BATCH)


# --- whatever happens ---------------------------------------------------------------------------

KINDS = (FETCHED, FETCHED, ABSENT, FETCHED, FETCHED, ABSENT, FETCHED, FETCHED)
"""How the URLs of a batch end, whenever they are asked."""

NEVER_WRITTEN = st.binary(max_size=60).filter(lambda data: b'"format"' not in data)
GARBAGE = NEVER_WRITTEN | st.sampled_from(
    [b"\n", b"{}\n", b"\0" * 5000, b'{"url":"x"}\n', b"[" * 9]
)
OUTCOMES = Path("outcomes.jsonl")

Mutilation = Callable[[Path], object]


def cut(name: str, share: float) -> Mutilation:
    def act(folder: Path) -> None:
        if (folder / name).exists():
            content = (folder / name).read_bytes()
            (folder / name).write_bytes(content[: int(len(content) * share)])

    return act


def lengthened(name: str, data: bytes) -> Mutilation:
    def act(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(data)

    return act


def gone(name: str) -> Mutilation:
    return lambda folder: (folder / name).unlink(missing_ok=True)


def there(name: str, data: bytes) -> Mutilation:
    return lambda folder: (folder / name).write_bytes(data)


own_names = st.sampled_from(
    ["outcomes.jsonl", "outcomes.jsonl", "receipt.json", ".lock"]
    + [f"movie-{number}.json" for number in range(len(KINDS))]
)
foreign_names = st.sampled_from(
    [".tmp-movie-0", ".tmp-movie-2", ".tmp-1-abc", ".DS_Store", "movie-99.json", "notes.txt"]
)
mutilations = st.lists(
    st.builds(cut, own_names, st.floats(0, 0.999))
    | st.builds(lengthened, own_names, GARBAGE.filter(bool))
    | st.builds(gone, own_names)
    | st.builds(there, foreign_names, GARBAGE),
    max_size=8,
)


def go_on(data_dir: Path, at_most: int = len(KINDS)) -> dict[str, object]:
    """Fetch up to so many pending targets, seal the batch if that is all; return the receipt."""
    all_targets = targets(len(KINDS))
    with BatchStore(data_dir, BATCH, all_targets) as store:
        for target in store.pending[:at_most]:
            record(store, target, KINDS[all_targets.index(target)])
        if at_most < len(store.pending):
            return {}
        receipt: dict[str, object] = json.loads(store.seal(1.0).read_bytes())
        return receipt


def bodies(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for number in range(len(KINDS))
        if (path := folder / f"movie-{number}.json").exists()
    }


@settings(deadline=None, max_examples=100)
@given(done=st.integers(0, len(KINDS)), mishaps=st.lists(mutilations, min_size=1, max_size=3))
def test_whatever_happened_to_its_files_a_batch_ends_like_an_undisturbed_one(
    done: int, mishaps: list[list[Mutilation]]
) -> None:
    all_targets = targets(len(KINDS))
    expected = {
        f"{target.name}.json": body_of(target)
        for target, kind in zip(all_targets, KINDS, strict=True)
        if kind is FETCHED
    }
    with tempfile.TemporaryDirectory() as name:
        data_dir, folder = Path(name), batch_folder(Path(name), BATCH)
        go_on(data_dir, at_most=done)
        for mutilated in mishaps:
            for mutilate in mutilated:
                mutilate(folder)
            # an absent URL has no body: what somebody put there is a foreign file
            for number in (2, 5):
                gone(f"movie-{number}.json")(folder)
            receipt = go_on(data_dir)

            with BatchStore(data_dir, BATCH, all_targets) as store:
                assert store.pending == ()
                assert +store.counts == {FETCHED: 6, ABSENT: 2}
            assert bodies(folder) == expected
            assert (receipt["fetched"], receipt["absent"], receipt["failed"]) == (6, 2, 0)
            assert not needs_download(data_dir, BATCH)
            assert not [path for path in folder.iterdir() if path.name.startswith(".tmp-")]
            assert lines(folder)[-1].endswith(b"\n")


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_at_any_moment_loses_nothing_that_was_recorded(tmp_path: Path, seed: int) -> None:
    all_targets = targets(200)
    command = [sys.executable, "-c", RECORD_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(random.Random(seed).randrange(1, 600))  # noqa: S311 - a choice of moments
        process.kill()
        process.communicate()
    folder = batch_folder(tmp_path, BATCH)
    whole = [decode(line) for line in lines(folder) if line.endswith(b"\n")]
    last = {outcome.name: outcome for outcome in whole}
    on_disk = {
        name
        for name, outcome in last.items()
        if (folder / f"{name}.json").stat().st_size == outcome.bytes
    }

    with BatchStore(tmp_path, BATCH, all_targets) as store:
        left = [target.name for target in store.pending]

    # the one body that was renamed while its outcome was not written yet
    assert len(last) - len(on_disk) <= 1
    assert left == [target.name for target in all_targets if target.name not in on_disk]
    for name in on_disk:
        body = (folder / f"{name}.json").read_bytes()
        assert hashlib.sha256(body).hexdigest() == last[name].sha256
    assert not [path for path in folder.iterdir() if path.name.startswith(".tmp-")]
    assert all(line.endswith(b"\n") for line in lines(folder))


# --- disks that fail ----------------------------------------------------------------------------


def recorded_too_much(data_dir: Path, body_bytes: int) -> list[str]:
    """Return what was said while a bound on the size of files stood for a disk without room."""
    command = [sys.executable, "-c", RECORD_TOO_MUCH, str(data_dir), str(body_bytes)]
    return subprocess.check_output(command, text=True).splitlines()


def test_a_disk_without_room_for_outcomes_leaves_whole_lines(tmp_path: Path) -> None:
    said = recorded_too_much(tmp_path, body_bytes=10)

    folder = batch_folder(tmp_path, BATCH)
    kept = [decode(line).name for line in lines(folder)]
    assert kept == [f"movie-{number}" for number in range(len(kept))]
    assert 2 <= len(kept) <= 10
    assert len(said) == 200 - len(kept)
    path = folder / f"movie-{len(kept)}.json"
    assert said[0].startswith(f"cannot use '{path}': ")
    assert said[0].endswith(": set TMDB_DATA_DIR to a folder that can be written and has room")
    assert pending(tmp_path, targets(200))[0] == f"movie-{len(kept)}"


def test_a_disk_without_room_for_a_body_leaves_nothing_of_it(tmp_path: Path) -> None:
    said = recorded_too_much(tmp_path, body_bytes=2000)

    folder = batch_folder(tmp_path, BATCH)
    assert len(said) == 200
    assert said[0].startswith(f"cannot use '{folder / 'movie-0.json'}': No space left on device: ")
    assert names(folder) == {"outcomes.jsonl", ".lock"}
    assert lines(folder) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_device_is_said_to_be_full(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        (store.folder / ".tmp-movie-0").symlink_to("/dev/full")
        with pytest.raises(StoreError, match=r"movie-0.json': No space left on device: set TMDB_"):
            record(store, targets(2)[0])
        record(store, targets(2)[1])

    assert names(store.folder) == {"movie-1.json", "outcomes.jsonl", ".lock"}


def test_a_folder_that_became_a_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        shutil.rmtree(store.folder)
        store.folder.touch()

        with pytest.raises(StoreError, match=r"cannot use '.*': Not a directory: set TMDB_DATA_DI"):
            record(store, targets(1)[0])

    with pytest.raises(StoreError, match=r"cannot use '.*/films-0001': File exists: set TMDB_DAT"):
        pending(tmp_path, targets(1))


def test_a_folder_that_went_away_gets_no_receipt(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        record(store, targets(1)[0])
        shutil.rmtree(store.folder)

        with pytest.raises(StoreError, match=r"cannot use '.*/receipt.json': No such file or dir"):
            store.seal(1.0)


@pytest.mark.parametrize("name", ["outcomes.jsonl", ".lock"])
def test_a_folder_in_the_place_of_a_file_is_named_and_the_lock_given_back(
    tmp_path: Path, name: str
) -> None:
    path = batch_folder(tmp_path, BATCH) / name
    path.mkdir(parents=True)

    for _ in range(2):
        with pytest.raises(StoreError, match=r"cannot use '.*': Is a directory: set TMDB_DATA_"):
            pending(tmp_path, targets(1))

"""A batch that has to be newer: what is there stays until there is better, killed or not."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.made_outcome import made_outcome
from tests.store.stored_batches import BATCH, lines, names, targets
from tmdb_assets import outcomes
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.inspection import inspect
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.receipt import batch_folder, counted, read
from tmdb_assets.renewal import Renewal
from tmdb_assets.store import BatchStore

FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED
PURGED = OutcomeKind.PURGED
LONG_AGO, SINCE, NOW = 1_700_000_000.0, 1_750_000_000.0, 1_800_000_000.0
STAMP = "20231114T221320Z"
"""When the bodies were fetched at first."""


def body_of(one: Target, edition: int = 1) -> bytes:
    return json.dumps({"title": one.name, "edition": edition}).encode()


def outcome_of(
    one: Target, kind: OutcomeKind = FETCHED, body: bytes = b"", as_of: float = LONG_AGO
) -> Outcome:
    return made_outcome(one, kind, body, as_of, etag='W/"1"' if body else "")


def record(
    store: BatchStore, one: Target, edition: int = 1, as_of: float = LONG_AGO, **changes: object
) -> None:
    """Have a body fetched."""
    body = body_of(one, edition)
    store.record(replace(outcome_of(one, FETCHED, body, as_of), **changes), body)  # type: ignore[arg-type]


def record_none(
    store: BatchStore, one: Target, kind: OutcomeKind, former: Outcome | None = None
) -> None:
    """Have a request end without a body: absent, or failed with what was there before."""
    outcome = outcome_of(one, kind, as_of=NOW)
    if former is not None:
        outcome = replace(former, outcome=kind, status=503, reason="HTTP 503")
    store.record(outcome, None)


def fetched(data_dir: Path, count: int = 4) -> Path:
    """Fetch a whole batch, long ago; return its folder."""
    with BatchStore(data_dir, BATCH, targets(count)) as store:
        for one in store.pending:
            record(store, one)
        store.seal(1.0)
        return store.folder


@contextmanager
def refreshing(
    data_dir: Path, count: int = 4, *, keep_history: bool = False, since: float = SINCE
) -> Iterator[BatchStore]:
    renewal = Renewal(since, keep_history=keep_history)
    with BatchStore(data_dir, BATCH, targets(count), renewal=renewal) as store:
        yield store


def is_as_of(folder: Path) -> list[float]:
    """Return what the last outcomes are as of, in the order of the batch."""
    last = inspect(folder, targets(4)).last
    return [last[one.url].as_of for one in targets(4)]


def history(data_dir: Path) -> dict[str, bytes]:
    folder = data_dir / "history" / "films" / BATCH
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


# --- what is pending ----------------------------------------------------------------------------


def test_what_is_too_old_is_pending_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    before = lines(folder)

    with refreshing(tmp_path) as store:
        assert store.pending == targets(4)
        assert store.former == {one.url: outcome_of(one, body=body_of(one)) for one in targets(4)}
        assert store.counts == {FETCHED: 4}
        assert not (folder / "receipt.json").exists()
        assert {one.name: (folder / f"{one.name}.json").read_bytes() for one in targets(4)} == {
            one.name: body_of(one) for one in targets(4)
        }

    assert lines(folder) == before
    assert not (tmp_path / "history").exists()


def test_only_what_is_older_is_pending(tmp_path: Path) -> None:
    fetched(tmp_path)
    with refreshing(tmp_path) as store:
        record(store, targets(4)[1], as_of=SINCE)
        record_none(store, targets(4)[2], ABSENT)

    with refreshing(tmp_path) as store:
        assert store.pending == (targets(4)[0], targets(4)[3])
        assert set(store.former) == {targets(4)[0].url, targets(4)[3].url}
    with BatchStore(tmp_path, BATCH, targets(4)) as store:
        assert store.pending == ()
        assert store.former == {}


def test_what_is_absent_too_long_is_asked_for_again(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(1)) as store:
        store.record(outcome_of(targets(1)[0], ABSENT), None)

    with refreshing(tmp_path, 1) as store:
        assert store.pending == targets(1)
        assert store.former == {}
        record(store, targets(1)[0], as_of=NOW)
        store.seal(1.0)


def test_a_broken_body_has_no_former_to_go_by(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    (folder / "movie-1.json").write_bytes(b"{}")
    (folder / "movie-2.json").unlink()

    with refreshing(tmp_path) as store:
        assert store.pending == targets(4)
        assert set(store.former) == {targets(4)[0].url, targets(4)[3].url}
        for one in store.pending:
            record(store, one, as_of=NOW)

    assert inspect(folder, targets(4)).has_broken_bodies is False


def test_what_was_purged_holds_and_leaves_nothing(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(outcomes.encode(outcome_of(targets(4)[1], PURGED, as_of=NOW)))

    with BatchStore(tmp_path, BATCH, targets(4)) as store:
        assert store.pending == ()
        assert store.counts == {FETCHED: 3, PURGED: 1}
        store.seal(1.0)
    assert "movie-1.json" not in names(folder)

    with refreshing(tmp_path) as store:
        assert targets(4)[1] not in store.pending
    with refreshing(tmp_path, since=NOW + 1) as store:
        assert store.pending == targets(4)
        assert targets(4)[1].url not in store.former
        record(store, targets(4)[1], as_of=NOW + 2)
    assert (folder / "movie-1.json").read_bytes() == body_of(targets(4)[1])


# --- what is recorded ---------------------------------------------------------------------------


def test_a_body_that_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    before = {path.name: path.stat() for path in folder.glob("movie-*.json")}

    with refreshing(tmp_path, keep_history=True) as store:
        for number, one in enumerate(store.pending):
            if number % 2:
                record(store, one, as_of=NOW)  # sent anew, the very same
            else:
                body = body_of(one)
                store.record(replace(outcome_of(one, body=body, as_of=NOW), status=304), None)
        store.seal(2.0)

    after = {path.name: path.stat() for path in folder.glob("movie-*.json")}
    assert {name: (one.st_ino, one.st_mtime_ns) for name, one in after.items()} == {
        name: (one.st_ino, one.st_mtime_ns) for name, one in before.items()
    }
    assert is_as_of(folder) == [NOW] * 4
    assert history(tmp_path) == {}
    said = read(folder)
    assert said is not None
    assert said["oldest_as_of"] == said["oldest_body_as_of"] == "2027-01-15T08:00:00+00:00"


@pytest.mark.parametrize("keep_history", [True, False])
def test_a_body_that_changed_is_replaced_and_kept_if_so_wished(
    tmp_path: Path, *, keep_history: bool
) -> None:
    folder = fetched(tmp_path)
    one = targets(4)[1]

    with refreshing(tmp_path, keep_history=keep_history) as store:
        record(store, one, edition=2, as_of=NOW)

    assert (folder / "movie-1.json").read_bytes() == body_of(one, 2)
    assert is_as_of(folder) == [LONG_AGO, NOW, LONG_AGO, LONG_AGO]
    kept = {f"movie-1-{STAMP}.json": body_of(one)}
    assert history(tmp_path) == (kept if keep_history else {})


@pytest.mark.parametrize("keep_history", [True, False])
def test_the_body_of_what_is_gone_goes_and_is_kept_if_so_wished(
    tmp_path: Path, *, keep_history: bool
) -> None:
    folder = fetched(tmp_path)
    one = targets(4)[1]

    with refreshing(tmp_path, keep_history=keep_history) as store:
        record_none(store, one, ABSENT)

    assert "movie-1.json" not in names(folder)
    assert inspect(folder, targets(4)).unrecorded == frozenset()
    kept = {f"movie-1-{STAMP}.json": body_of(one)}
    assert history(tmp_path) == (kept if keep_history else {})


def test_what_cannot_be_fetched_anew_keeps_its_body_and_is_asked_for_by_the_next_run(
    tmp_path: Path,
) -> None:
    folder = fetched(tmp_path)
    one = targets(4)[1]
    with refreshing(tmp_path, keep_history=True) as store:
        record_none(store, one, FAILED, store.former[one.url])
        for other in store.pending:
            if other != one:
                record(store, other, as_of=NOW)
        said = json.loads(store.seal(1.0).read_bytes())

    assert (folder / "movie-1.json").read_bytes() == body_of(one)
    assert (said["failed"], said["fetched"]) == (1, 3)
    assert said["bytes"] == sum(len(body_of(target)) for target in targets(4))
    assert said["oldest_as_of"] == said["oldest_body_as_of"] == "2023-11-14T22:13:20+00:00"
    assert history(tmp_path) == {}
    with BatchStore(tmp_path, BATCH, targets(4)) as store:
        assert store.pending == (one,)
        assert store.former[one.url].sha256 == hashlib.sha256(body_of(one)).hexdigest()
        assert store.former[one.url].etag == 'W/"1"'
        record(store, one, edition=3, as_of=NOW)
    assert (folder / "movie-1.json").read_bytes() == body_of(one, 3)


def test_two_refreshes_keep_two_earlier_bodies(tmp_path: Path) -> None:
    fetched(tmp_path, 1)
    (one,) = targets(1)
    for edition, moment in ((2, NOW), (3, NOW + 86_400)):
        with refreshing(tmp_path, 1, keep_history=True, since=moment - 1) as store:
            record(store, one, edition, moment)

    assert history(tmp_path) == {
        f"movie-0-{STAMP}.json": body_of(one, 1),
        "movie-0-20270115T080000Z.json": body_of(one, 2),
    }


def leads_out(data_dir: Path) -> None:
    (data_dir.parent / "elsewhere").mkdir()
    (data_dir / "history").symlink_to(data_dir.parent / "elsewhere")


def is_a_file(data_dir: Path) -> None:
    (data_dir / "history").touch()


def is_taken(data_dir: Path) -> None:
    (data_dir / "history" / "films" / BATCH / f"movie-1-{STAMP}.json").mkdir(parents=True)


@pytest.mark.parametrize("obstruct", [leads_out, is_a_file, is_taken])
def test_a_body_that_cannot_be_kept_is_not_replaced(
    tmp_path: Path, obstruct: Callable[[Path], None]
) -> None:
    data_dir = tmp_path / "data"
    folder = fetched(data_dir)
    before = lines(folder)
    obstruct(data_dir)

    with refreshing(data_dir, keep_history=True) as store, pytest.raises(StoreError):
        record(store, targets(4)[1], edition=2, as_of=NOW)

    assert (folder / "movie-1.json").read_bytes() == body_of(targets(4)[1])
    assert lines(folder) == before
    assert not (tmp_path / "elsewhere").exists() or not any((tmp_path / "elsewhere").iterdir())


# --- killed on the way --------------------------------------------------------------------------

COUNT = 5
STEPS = ("nothing", "kept", "half a temporary", "temporary", "renamed", "half a line", "line")


def killed_at(data_dir: Path, step: str, number: int, share: float) -> None:
    """Leave what a refresh leaves that was killed at a step of a record.

    Args:
        data_dir: of a batch that is being refreshed.
        step: of the record of a target.
        number: of that target.
        share: of a temporary or a line that was written.
    """
    one = targets(COUNT)[number]
    folder, done = batch_folder(data_dir, BATCH), STEPS.index(step)
    body = body_of(one, 2)
    if done >= 1:
        kept = data_dir / "history" / "films" / BATCH / f"{one.name}-{STAMP}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.hardlink_to(folder / f"{one.name}.json")
    if done >= 2:
        (folder / f".tmp-{one.name}").write_bytes(body[: int(len(body) * share)])
    if done >= 3:
        (folder / f".tmp-{one.name}").write_bytes(body)
    if done >= 4:
        (folder / f".tmp-{one.name}").replace(folder / f"{one.name}.json")
    if done >= 5:
        line = outcomes.encode(outcome_of(one, FETCHED, body, NOW))
        with (folder / "outcomes.jsonl").open("ab") as file:
            file.write(line if step == "line" else line[: int((len(line) - 1) * share)])


@hypothesis_settings(max_examples=20)
@given(
    step=st.sampled_from(STEPS),
    number=st.integers(0, COUNT - 1),
    share=st.floats(0, 1),
    is_sealed=st.booleans(),
)
def test_a_refresh_that_is_killed_goes_on_and_ends_like_an_undisturbed_one(
    *, step: str, number: int, share: float, is_sealed: bool
) -> None:
    with TemporaryDirectory() as place:
        data_dir = Path(place)
        folder = fetched(data_dir, COUNT)
        if not is_sealed:
            (folder / "receipt.json").unlink()
        with refreshing(data_dir, COUNT, keep_history=True) as store:
            for one in store.pending[:number]:
                record(store, one, 2, NOW)
        killed_at(data_dir, step, number, share)

        for one in targets(COUNT):
            assert json.loads((folder / f"{one.name}.json").read_bytes())["title"] == one.name
        with refreshing(data_dir, COUNT, keep_history=True) as store:
            done = number + (step == "line")
            assert store.pending == targets(COUNT)[done:]
            # a body without its outcome is nobody's, and not asked for on a condition
            lost = {targets(COUNT)[number].url} if step in {"renamed", "half a line"} else set()
            assert set(store.former) == {one.url for one in store.pending} - lost
            for one in store.pending:
                record(store, one, 2, NOW)
            store.seal(1.0)

        found = inspect(folder, targets(COUNT))
        assert (found.missing, found.altered, found.leftovers) == (set(), set(), set())
        assert found.foreign == set()
        assert {one.as_of for one in found.last.values()} == {NOW}
        assert found.pending(targets(COUNT), SINCE) == ()
        assert {(folder / f"{one.name}.json").read_bytes() for one in targets(COUNT)} == {
            body_of(one, 2) for one in targets(COUNT)
        }
        assert history(data_dir) == {
            f"{one.name}-{STAMP}.json": body_of(one) for one in targets(COUNT)
        }
        said = read(folder)
        assert said is not None
        assert said.items() >= counted(BATCH, targets(COUNT), found.last).items()


# --- what an earlier version wrote --------------------------------------------------------------


def as_format_1(folder: Path) -> None:
    """Make outcomes and receipt be as the first version wrote them."""
    old = []
    for line in lines(folder):
        fields = json.loads(line)
        del fields["as_of"], fields["combined_with"]
        old.append(json.dumps({**fields, "format": 1}, separators=(",", ":")).encode() + b"\n")
    (folder / "outcomes.jsonl").write_bytes(b"".join(old))
    said = json.loads((folder / "receipt.json").read_bytes())
    for name in ("purged", "oldest_as_of", "oldest_body_as_of"):
        del said[name]
    (folder / "receipt.json").write_text(json.dumps({**said, "format": 1}))


def test_what_an_earlier_version_fetched_is_as_of_its_last_request(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    as_format_1(folder)

    with BatchStore(tmp_path, BATCH, targets(4)) as store:
        assert store.pending == ()
    with refreshing(tmp_path, since=LONG_AGO) as store:
        assert store.pending == ()
    with refreshing(tmp_path) as store:
        assert store.former == {one.url: outcome_of(one, body=body_of(one)) for one in targets(4)}


def test_what_was_never_sent_dates_from_nowhere() -> None:
    unsent = replace(outcome_of(targets(1)[0], FAILED, as_of=0.0), sent_at=(), attempts=0)
    line = json.loads(outcomes.encode(unsent))
    old = json.dumps({name: line[name] for name in line if name not in {"as_of", "combined_with"}})

    assert line["as_of"] is None
    assert outcomes.decode(outcomes.encode(unsent)) == unsent
    assert outcomes.decode(old.encode()) == unsent


def test_outcomes_of_a_newer_version_stop_a_refresh_before_it_removes_the_receipt(
    tmp_path: Path,
) -> None:
    folder = fetched(tmp_path)
    newer = lines(folder)[0].replace(b'"format":2', b'"format":3')
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(newer)

    with pytest.raises(BatchError, match="update this one"), refreshing(tmp_path):
        pass
    assert (folder / "receipt.json").exists()


def test_a_folder_without_history_may_be_copied_and_refreshed_there(tmp_path: Path) -> None:
    fetched(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")

    with refreshing(tmp_path / "two", keep_history=True) as store:
        record(store, targets(4)[0], edition=2, as_of=NOW)

    assert history(tmp_path / "two") == {f"movie-0-{STAMP}.json": body_of(targets(4)[0])}
    assert history(tmp_path / "one") == {}

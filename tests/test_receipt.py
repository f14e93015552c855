"""What a receipt says, and when it is believed."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.stored_batches import (
    ABSENT,
    BATCH,
    FAILED,
    FETCHED,
    body_of,
    finished,
    in_time,
    outcome_of,
    record,
    targets,
)
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.model import Outcome, OutcomeKind
from tmdb_assets.outcomes import encode as line_of
from tmdb_assets.receipt import (
    batch_folder,
    counted,
    encode,
    is_settled,
    needs_download,
    oldest,
    read,
)
from tmdb_assets.renewal import Renewal, write_renewal
from tmdb_assets.store import BatchStore

KINDS = (FETCHED, ABSENT, FETCHED, FAILED)
LAST = {
    target.url: outcome_of(target, kind) for target, kind in zip(targets(4), KINDS, strict=True)
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished(tmp_path, targets(3))


def test_what_follows_from_outcomes_is_counted_in_the_order_of_the_batch() -> None:
    said = counted("my-films-0007", targets(4), LAST)
    bodies = [body_of(target) for target in (targets(4)[0], targets(4)[2])]
    digests = [hashlib.sha256(body).hexdigest() for body in bodies]
    text = f"movie-0 {digests[0]}\nmovie-1 \nmovie-2 {digests[1]}\nmovie-3 \n"

    assert said == {
        "format": 2,
        "batch": "my-films-0007",
        "list": "my-films",
        "urls": 4,
        "fetched": 2,
        "absent": 1,
        "failed": 1,
        "purged": 0,
        "bytes": sum(map(len, bodies)),
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "oldest_as_of": "1970-01-01T00:00:00+00:00",
        "oldest_body_as_of": "1970-01-01T00:00:00+00:00",
    }
    assert counted("my-films-0007", targets(4), dict(reversed(LAST.items()))) == said


def test_a_receipt_comes_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_bytes(encode("my-films-0007", targets(4), LAST, 9, 1.23456))

    found = read(tmp_path)

    assert found is not None
    assert found.pop("completed_at").endswith("+00:00")
    assert found == {
        **counted("my-films-0007", targets(4), LAST),
        "attempts": 9,
        "seconds": 1.235,
    }
    assert next(iter(json.loads((tmp_path / "receipt.json").read_bytes()))) == "format"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b"\0" * 400, b"[" * 5000, b"1" * 5000],
)
def test_what_is_no_receipt_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "receipt.json").write_bytes(content)

    assert read(tmp_path) is None
    assert read(tmp_path / "nowhere") is None


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("movie-0.json"),
}


@pytest.mark.parametrize("obstruct", OBSTACLES.values(), ids=OBSTACLES)
def test_a_receipt_that_is_no_file_is_named_and_nothing_waits(
    tmp_path: Path, folder: Path, obstruct: Callable[[Path], object]
) -> None:
    (folder / "receipt.json").unlink()
    obstruct(folder / "receipt.json")

    with in_time(5):
        for look in (
            lambda: read(folder),
            lambda: needs_download(tmp_path, BATCH),
            lambda: is_settled(tmp_path, BATCH),
        ):
            with pytest.raises(StoreError, match=r"cannot use '.*/receipt\.json': "):
                look()


LOSSES: dict[str, Callable[[Path], object]] = {
    "a body": lambda folder: (folder / "movie-1.json").unlink(),
    "an empty body": lambda folder: (folder / "movie-1.json").write_bytes(b""),
    "a torn body": lambda folder: (folder / "movie-1.json").write_bytes(b'{"title":'),
    "outcomes": lambda folder: (folder / "outcomes.jsonl").unlink(),
    "the receipt": lambda folder: (folder / "receipt.json").unlink(),
    "all but the receipt": lambda folder: [
        path.unlink() for path in folder.iterdir() if path.name != "receipt.json"
    ],
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_batch_that_lost_something_needs_a_download(
    tmp_path: Path, folder: Path, lose: Callable[[Path], object]
) -> None:
    before = needs_download(tmp_path, BATCH)

    lose(folder)

    assert (before, needs_download(tmp_path, BATCH)) == (False, True)


def test_a_look_at_a_batch_without_a_folder_makes_none(tmp_path: Path) -> None:
    assert needs_download(tmp_path / "data", BATCH)
    assert list(tmp_path.iterdir()) == []


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


@given(values=st.dictionaries(st.sampled_from(["failed", "fetched", "bytes", "format"]), odd))
def test_whatever_a_receipt_says_it_is_believed_or_not_but_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    data_dir = tmp_path_factory.getbasetemp() / "odd"
    folder = batch_folder(data_dir, BATCH)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "outcomes.jsonl").touch()
    (folder / "receipt.json").write_text(json.dumps({"failed": 0, "fetched": 0, **values}))

    assert needs_download(data_dir, BATCH) in {True, False}
    assert is_settled(data_dir, BATCH) in {True, False}


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN"])
@pytest.mark.parametrize("field", ["fetched", "bytes"])
def test_a_count_that_is_no_number_is_not_believed(
    tmp_path: Path, folder: Path, field: str, number: str
) -> None:
    counts = {"failed": "0", "fetched": "3", "bytes": "9", field: number}
    text = ",".join(f'"{name}":{value}' for name, value in counts.items())
    (folder / "receipt.json").write_text(f"{{{text}}}")

    assert needs_download(tmp_path, BATCH)


@pytest.mark.parametrize("field", ["urls", "fetched", "absent", "failed", "attempts", "bytes"])
def test_a_run_that_finds_all_done_and_no_true_receipt_writes_one(
    tmp_path: Path, folder: Path, field: str
) -> None:
    true = json.loads((folder / "receipt.json").read_bytes())
    (folder / "receipt.json").write_text(json.dumps({**true, field: 10**9}))

    with BatchStore(tmp_path, BATCH, targets(3)) as store:
        assert store.pending == ()
        said = json.loads(store.seal(1.5).read_bytes())

    assert said == {**true, "completed_at": said["completed_at"]}


def test_a_batch_with_a_failure_needs_a_download_although_it_has_a_receipt(tmp_path: Path) -> None:
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        record(store, targets(2)[0])
        record(store, targets(2)[1], FAILED)
        store.seal(1.0)

    assert needs_download(tmp_path, BATCH)
    assert not is_settled(tmp_path, BATCH)


def test_a_batch_is_settled_by_its_receipt_alone(tmp_path: Path, folder: Path) -> None:
    before = is_settled(tmp_path, BATCH)
    for path in folder.iterdir():
        if path.name != "receipt.json":
            path.unlink()
    alone = is_settled(tmp_path, BATCH)
    (folder / "receipt.json").unlink()

    assert (before, alone, is_settled(tmp_path, BATCH)) == (True, True, False)


def test_a_batch_that_never_ran_is_not_settled_and_a_look_makes_no_folder(tmp_path: Path) -> None:
    assert not is_settled(tmp_path / "data", BATCH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"failed": null}', b'{"failed": "0"}', b'{"failed": 1e400}'],
)
def test_what_says_nothing_of_failures_settles_nothing(
    tmp_path: Path, folder: Path, content: bytes
) -> None:
    (folder / "receipt.json").write_bytes(content)

    assert not is_settled(tmp_path, BATCH)


@pytest.mark.parametrize("place", ["responses", "responses/films", "responses/films/films-0001"])
def test_no_batch_lies_behind_a_link_that_leads_out(tmp_path: Path, place: str) -> None:
    data_dir = tmp_path / "data"
    (tmp_path / "elsewhere").mkdir()
    (data_dir / place).parent.mkdir(parents=True)
    (data_dir / place).symlink_to(tmp_path / "elsewhere")

    for look in (needs_download, is_settled):
        with pytest.raises(StoreError, match=r"leads out of '.*/data': remove the symbolic link"):
            look(data_dir, BATCH)


# --- how old it is ------------------------------------------------------------------------------

DAYS = [datetime(2026, 3, day, 12, tzinfo=UTC).timestamp() for day in range(1, 9)]


def aged(*ends: tuple[OutcomeKind, float]) -> dict[str, Outcome]:
    """Return outcomes of these kinds and moments, by URL."""
    return {
        one.url: replace(outcome_of(one, kind), as_of=as_of)
        for one, (kind, as_of) in zip(targets(len(ends)), ends, strict=True)
    }


def test_it_says_how_old_the_oldest_outcome_and_the_oldest_body_are() -> None:
    some = aged((FETCHED, DAYS[3]), (ABSENT, DAYS[1]), (FETCHED, DAYS[2] + 0.25))
    said = counted(BATCH, targets(3), some)

    assert said["oldest_as_of"] == "2026-03-02T12:00:00+00:00"
    assert said["oldest_body_as_of"] == "2026-03-03T12:00:00.250000+00:00"
    assert oldest(said) == DAYS[1]
    assert oldest(said, "oldest_body_as_of") == DAYS[2] + 0.25


def test_without_bodies_or_outcomes_it_says_nothing_of_their_age() -> None:
    absent = counted(BATCH, targets(1), aged((ABSENT, DAYS[1])))

    assert (oldest(absent), oldest(absent, "oldest_body_as_of")) == (DAYS[1], None)
    assert oldest(counted(BATCH, (), {})) is None


def test_a_purged_body_counts_as_none_and_as_of_its_purge() -> None:
    gone = OutcomeKind.PURGED
    said = counted(BATCH, targets(2), aged((gone, DAYS[5]), (ABSENT, DAYS[6])))

    assert (said["purged"], said["fetched"], said["bytes"]) == (1, 0, 0)
    assert (oldest(said), oldest(said, "oldest_body_as_of")) == (DAYS[5], None)


@settings(max_examples=30)
@given(said=st.dictionaries(st.just("oldest_as_of"), odd))
def test_an_age_that_is_none_is_not_told(said: dict[str, object]) -> None:
    assert oldest(said) is None


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a data folder with a complete batch, as of the third of March."""
    (tmp_path / "batches" / "films").mkdir(parents=True)
    with BatchStore(tmp_path, BATCH, targets(2)) as store:
        for number, one in enumerate(targets(2)):
            outcome = replace(outcome_of(one), as_of=DAYS[2 + number])
            store.record(outcome, body_of(one))
        store.seal(1.0)
    return tmp_path


@pytest.mark.parametrize(("since", "is_old"), [(DAYS[1], False), (DAYS[2], False), (DAYS[3], True)])
def test_a_batch_that_has_to_be_newer_needs_a_download(
    data_dir: Path, since: float, *, is_old: bool
) -> None:
    write_renewal(data_dir, "films", Renewal(since))

    assert needs_download(data_dir, BATCH) is is_old
    assert is_settled(data_dir, BATCH) is not is_old


def test_another_list_that_has_to_be_newer_is_no_matter(data_dir: Path) -> None:
    (data_dir / "batches" / "shows").mkdir()
    write_renewal(data_dir, "shows", Renewal(DAYS[7]))

    assert is_settled(data_dir, BATCH)


def test_a_receipt_that_does_not_tell_its_age_is_too_old_for_a_refresh_alone(
    data_dir: Path,
) -> None:
    path = batch_folder(data_dir, BATCH) / "receipt.json"
    said = json.loads(path.read_bytes())
    old = {name: said[name] for name in said if not name.startswith("oldest")}
    path.write_text(json.dumps({**old, "format": 1}))
    before = is_settled(data_dir, BATCH), needs_download(data_dir, BATCH)

    write_renewal(data_dir, "films", Renewal(DAYS[0]))

    assert before == (True, False)
    assert (is_settled(data_dir, BATCH), needs_download(data_dir, BATCH)) == (False, True)
    with BatchStore(data_dir, BATCH, targets(2), renewal=Renewal(DAYS[0])) as store:
        assert store.pending == ()
        store.seal(1.0)
    assert (is_settled(data_dir, BATCH), needs_download(data_dir, BATCH)) == (True, False)


def test_what_has_to_be_newer_is_not_guessed(data_dir: Path) -> None:
    (data_dir / "batches" / "films" / "renewal.json").write_bytes(b"{")

    for look in (is_settled, needs_download):
        with pytest.raises(BatchError, match="is damaged"):
            look(data_dir, BATCH)


def test_a_failure_that_kept_its_body_needs_a_download(data_dir: Path) -> None:
    failed = replace(outcome_of(targets(2)[0]), outcome=FAILED, as_of=DAYS[2])
    folder = batch_folder(data_dir, BATCH)
    with (folder / "outcomes.jsonl").open("ab") as file:
        file.write(line_of(failed))
    with BatchStore(data_dir, BATCH, targets(2)) as store:
        assert store.pending == targets(2)[:1]
        said = json.loads(store.seal(1.0).read_bytes())

    assert (said["failed"], said["bytes"]) == (1, sum(len(body_of(one)) for one in targets(2)))
    assert needs_download(data_dir, BATCH)
    assert not is_settled(data_dir, BATCH)

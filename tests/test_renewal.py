"""What of a list has to be newer: kept beside its batches, and never taken back."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.stored_batches import frozen, in_time, names
from tmdb_assets import batches
from tmdb_assets.errors import BatchError, StoreError
from tmdb_assets.renewal import RECORD_NAME, Renewal, read_renewal, write_renewal

MOMENT = 1_800_000_000.123456


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    frozen(tmp_path / "data")
    return tmp_path / "data"


def record(data_dir: Path) -> Path:
    return data_dir / "batches" / "films" / RECORD_NAME


def test_of_a_list_that_nobody_refreshed_nothing_has_to_be_newer(data_dir: Path) -> None:
    assert read_renewal(data_dir, "films") == Renewal(0.0, keep_history=False)
    assert read_renewal(data_dir, "nowhere") == Renewal()
    assert not record(data_dir).exists()
    assert not (data_dir / "batches" / "nowhere").exists()


@pytest.mark.parametrize("keep_history", [True, False])
def test_what_was_asked_for_comes_back_to_the_microsecond(
    data_dir: Path, *, keep_history: bool
) -> None:
    renewal = Renewal(MOMENT, keep_history=keep_history)

    write_renewal(data_dir, "films", renewal)

    assert read_renewal(data_dir, "films") == renewal
    assert json.loads(record(data_dir).read_bytes()) == {
        "format": 1,
        "since": "2027-01-15T08:00:00.123456+00:00",
        "keep_history": keep_history,
    }
    assert not [name for name in names(record(data_dir).parent) if name.startswith(".tmp-")]


@settings(max_examples=20)
@given(moments=st.lists(st.floats(0, 4e9), min_size=1, max_size=5))
def test_the_moment_only_moves_forward(
    tmp_path_factory: pytest.TempPathFactory, moments: list[float]
) -> None:
    data_dir = tmp_path_factory.getbasetemp() / "forward"
    folder = data_dir / "batches" / "films"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD_NAME).unlink(missing_ok=True)

    for moment in moments:
        write_renewal(data_dir, "films", Renewal(moment))

    assert read_renewal(data_dir, "films").since == pytest.approx(max(moments), abs=1e-6)


def test_the_last_word_says_whether_history_is_kept(data_dir: Path) -> None:
    write_renewal(data_dir, "films", Renewal(2 * 10**9, keep_history=True))
    write_renewal(data_dir, "films", Renewal(10**9))

    assert read_renewal(data_dir, "films") == Renewal(2 * 10**9, keep_history=False)


def test_adding_to_a_list_leaves_its_renewal_alone(data_dir: Path) -> None:
    write_renewal(data_dir, "films", Renewal(MOMENT))

    frozen(data_dir, count=250)

    assert read_renewal(data_dir, "films").since == MOMENT
    assert batches.list_names(data_dir) == ("films",)


def test_a_record_of_a_newer_format_is_refused_and_not_written_over(data_dir: Path) -> None:
    record(data_dir).write_text('{"format": 2, "since": "soon"}')

    for act in (
        lambda: read_renewal(data_dir, "films"),
        lambda: write_renewal(data_dir, "films", Renewal(MOMENT)),
    ):
        with pytest.raises(BatchError, match="written by a newer tmdb-assets: update this one"):
            act()
    assert record(data_dir).read_text() == '{"format": 2, "since": "soon"}'


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"7", b"\xff", b"\0" * 90, b"[" * 5000, b"{}"),
        b'{"format": 1}',
        b'{"format": 1, "since": 7, "keep_history": false}',
        b'{"format": 1, "since": "soon", "keep_history": false}',
        b'{"format": 1, "since": null, "keep_history": false}',
        b'{"format": null, "since": "2026-01-01T00:00:00+00:00", "keep_history": false}',
        b'{"format": "one", "since": "2026-01-01T00:00:00+00:00", "keep_history": false}',
        b'{"format": 1e400, "since": "2026-01-01T00:00:00+00:00", "keep_history": false}',
        b'{"format": 1, "since": "2026-01-01T00:00:00+00:00"}',
    ],
)
def test_a_damaged_record_is_named_with_the_remedy(data_dir: Path, content: bytes) -> None:
    record(data_dir).write_bytes(content)

    for act in (
        lambda: read_renewal(data_dir, "films"),
        lambda: write_renewal(data_dir, "films", Renewal(MOMENT)),
    ):
        with pytest.raises(BatchError, match=r"renewal\.json' is damaged: remove it, and refresh"):
            act()


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("list.json"),
}


@pytest.mark.parametrize("obstruct", OBSTACLES.values(), ids=OBSTACLES)
def test_a_record_that_is_no_file_is_named_and_nothing_waits(
    data_dir: Path, obstruct: Callable[[Path], object]
) -> None:
    obstruct(record(data_dir))

    with in_time(5), pytest.raises(StoreError, match=r"cannot use '.*/renewal\.json': "):
        read_renewal(data_dir, "films")


def test_no_record_is_read_or_written_behind_a_link_that_leads_out(
    tmp_path: Path, data_dir: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (data_dir / "batches" / "shows").symlink_to(tmp_path / "elsewhere")

    for act in (
        lambda: read_renewal(data_dir, "shows"),
        lambda: write_renewal(data_dir, "shows", Renewal(MOMENT)),
    ):
        with pytest.raises(StoreError, match="remove the symbolic link"):
            act()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_list_whose_folder_went_away_cannot_be_refreshed(data_dir: Path) -> None:
    with pytest.raises(StoreError):
        write_renewal(data_dir, "nowhere", Renewal(datetime.now(UTC).timestamp()))

    assert batches.list_names(data_dir) == ("films",)

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tmdb_assets.errors import StoreError
from tmdb_assets.sources.change_pages import Page, Window
from tmdb_assets.sources.kept_days import KeptDays, is_settled, together

ORIGIN = "https://api.themoviedb.org"
DAY = date(2026, 8, 20)
WINDOW = Window("movie", DAY)
PAGE = Page(pages=500, all_pages=507, ids=(7, 5, 7, 2**62), adult=frozenset({5}), without_id=3)


@pytest.fixture
def kept(tmp_path: Path) -> KeptDays:
    kept = KeptDays(tmp_path, ORIGIN)
    kept.prepare(DAY)
    return kept


def test_what_is_kept_comes_back_and_nothing_else(tmp_path: Path, kept: KeptDays) -> None:
    assert kept.read(WINDOW) is None

    kept.keep(WINDOW, PAGE)

    assert KeptDays(tmp_path, ORIGIN).read(WINDOW) == PAGE
    assert kept.read(Window("tv", DAY)) is None
    assert kept.read(Window("movie", DAY + timedelta(days=1))) is None
    assert [path.name for path in (tmp_path / "changes").iterdir()] == ["movie-2026-08-20.json"]


def test_what_another_origin_said_counts_as_none_and_is_written_over(
    tmp_path: Path, kept: KeptDays
) -> None:
    other = KeptDays(tmp_path, "http://127.0.0.1:9")
    other.keep(WINDOW, PAGE)

    assert kept.read(WINDOW) is None
    kept.keep(WINDOW, PAGE)
    assert kept.read(WINDOW) == PAGE
    assert other.read(WINDOW) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"ids": None},
        {"ids": ["5"]},
        {"ids": [0]},
        {"ids": [True]},
        {"ids": [2**63]},
        {"adult": 5},
        {"pages": "many"},
        {"without_id": None},
        {"all_pages": float("inf")},
    ],
)
def test_what_is_damaged_counts_as_none(
    tmp_path: Path, kept: KeptDays, change: dict[str, object]
) -> None:
    kept.keep(WINDOW, PAGE)
    path = tmp_path / "changes/movie-2026-08-20.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    assert kept.read(WINDOW) is None


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"[]", b"5", b'{"format": 1', b"[" * 100_000])
def test_what_is_no_record_counts_as_none(tmp_path: Path, kept: KeptDays, content: bytes) -> None:
    (tmp_path / "changes/movie-2026-08-20.json").write_bytes(content)

    assert kept.read(WINDOW) is None


def test_a_link_is_not_followed(tmp_path: Path, kept: KeptDays) -> None:
    (tmp_path / "changes/movie-2026-08-20.json").symlink_to("/etc/hostname")

    with pytest.raises(StoreError, match="a symbolic link there is not followed"):
        kept.read(WINDOW)


def test_old_days_and_old_leftovers_go_and_nothing_else(tmp_path: Path, kept: KeptDays) -> None:
    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
        kept.keep(Window("tv", day), PAGE)
    folder = tmp_path / "changes"
    for name in (".tmp-1-aa", ".tmp-2-bb", "notes.txt", "tv-2020-01-01.json.bak"):
        (folder / name).touch()
    os.utime(folder / ".tmp-1-aa", (1, 1))

    kept.prepare(DAY)

    assert sorted(path.name for path in folder.iterdir()) == [
        *(".tmp-2-bb", "notes.txt", "tv-2020-01-01.json.bak"),
        *("tv-2026-08-20.json", "tv-2026-08-21.json"),
    ]


@pytest.mark.parametrize(
    ("asked_at", "settled"),
    [
        (datetime(2026, 8, 20, 12, tzinfo=UTC), False),
        (datetime(2026, 8, 21, 0, tzinfo=UTC), False),
        (datetime(2026, 8, 21, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 8, 21, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 8, 30, 0, tzinfo=UTC), True),
    ],
)
def test_a_day_is_settled_some_hours_after_its_end(asked_at: datetime, *, settled: bool) -> None:
    assert is_settled(DAY, asked_at) is settled


def test_pages_together_are_one_with_all_of_their_items() -> None:
    first = Page(pages=2, all_pages=2, ids=(1, 2), adult=frozenset({2}), without_id=1)
    second = Page(pages=3, all_pages=3, ids=(2, 3), adult=frozenset({3}), without_id=4)

    found = together([first, second])

    assert found == Page(2, 2, (1, 2, 2, 3), frozenset({2, 3}), 5)

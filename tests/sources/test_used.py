from pathlib import Path

import pytest

from tmdb_assets.errors import StoreError
from tmdb_assets.sources.export_file import ExportError, ExportFile
from tmdb_assets.sources.used import Used, check_length, read_used, write_used


def export(lines: int) -> ExportFile:
    return ExportFile(Path("x"), "https://files.tmdb.org/x", lines=lines)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "movie_ids.json"
    assert read_used(path) is None

    write_used(path, Used("2026-08-26", 1000, '"etag"'))

    assert read_used(path) == Used("2026-08-26", 1000, '"etag"')


def test_half_of_the_lines_is_enough_and_one_less_is_not(tmp_path: Path) -> None:
    path = tmp_path / "movie_ids.json"
    check_length(export(1), path)
    write_used(path, Used("2026-08-26", 1001, ""))
    check_length(export(501), path)

    with pytest.raises(ExportError) as caught:
        check_length(export(500), path)

    assert str(caught.value) == (
        "https://files.tmdb.org/x has 500 lines where that of 2026-08-26 had 1,001: it looks cut "
        "short, and nothing of it is used; try again later. If it is right all the same, remove "
        f"'{path}' and try again"
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"date": "x"}', '{"date":1,"lines":"x","etag":""}']
)
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "movie_ids.json"
    path.write_text(text)

    with pytest.raises(StoreError, match=r"movie_ids\.json' is damaged: remove it"):
        check_length(export(1), path)

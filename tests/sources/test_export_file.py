import gzip
import json
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tmdb_assets.errors import UrlListError
from tmdb_assets.sources import export_file
from tmdb_assets.sources.export_file import ExportError, ExportFile
from tmdb_assets.sources.ids import IdSet
from tmdb_assets.standin import exports

DAY = date(2026, 8, 27)
URL = "https://files.tmdb.org/p/exports/movie_ids_08_27_2026.json.gz"
Store = Callable[[bytes], ExportFile]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def put(content: bytes) -> ExportFile:
        path = tmp_path / "export.json.gz"
        path.write_bytes(content)
        return ExportFile(path, URL)

    return put


def gz(text: bytes) -> bytes:
    """Return the text packed, the same at every moment: names of tests hang on it."""
    return gzip.compress(text, mtime=0)


def packed(*lines: object) -> bytes:
    return gz("".join(f"{json.dumps(line)}\n" for line in lines).encode())


def ids_of(file: ExportFile) -> list[int]:
    return [entry.number for entry in file.entries()]


def refusal(file: ExportFile) -> str:
    with pytest.raises(ExportError) as caught:
        ids_of(file)
    assert isinstance(caught.value, UrlListError)
    return str(caught.value)


@pytest.mark.parametrize("name", exports.NAMES)
def test_exports_of_all_kinds_are_read(store: Store, name: str) -> None:
    file = store(exports.file_of(name, DAY, 500).body)
    entries = list(file.entries())

    assert (len(entries), file.lines, file.odd.total()) == (500, 500, 0)
    assert all(entry.fields["id"] == entry.number for entry in entries)


def test_odd_lines_are_counted_by_what_is_wrong_and_the_others_kept(store: Store) -> None:
    file = store(exports.file_of("person_ids", DAY, 300, "odd_lines").body)

    assert len(ids_of(file)) == 300
    assert file.lines == 306
    assert dict(file.odd) == {
        "an id that is null": 1,
        "an id that is no whole number": 1,
        "an id that is not within 64 bits": 1,
        "no id": 1,
        "no JSON object": 1,
        "an id that came before": 1,
    }


@pytest.mark.parametrize("number", [0, -1, True, 1.5, "1", 2**63])
def test_what_is_no_id_is_odd(store: Store, number: object) -> None:
    lines = [{"id": one} for one in range(1, 20)]
    file = store(packed(*lines, {"id": number}))

    assert ids_of(file) == list(range(1, 20))
    assert file.odd.total() == 1


def test_ids_of_another_export_count_as_having_come_before(tmp_path: Path) -> None:
    seen = IdSet()
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(
            packed(*({"id": one} for one in range(1, 30)), {"id": len(name)})
        )
    first, second = (ExportFile(tmp_path / name, URL, seen) for name in ("one", "two"))

    assert len(ids_of(first)) == 29
    with pytest.raises(ExportError, match="30 with an id that came before"):
        ids_of(second)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut_gzip", "is cut short: its gzip has no end"),
        ("cut_line", "is cut short: its last line is not whole"),
        ("html", "is no export of ids: a page in HTML or XML, of a proxy or a login"),
        ("no_gzip", "is no export of ids: JSON that is not packed"),
    ],
)
def test_what_is_cut_short_or_foreign_is_refused_by_name(
    store: Store, fault: str, words: str
) -> None:
    said = refusal(store(exports.file_of("movie_ids", DAY, 3000, fault).body))

    assert said == f"{URL} {words}: nothing of it is used; try again later, or take another date"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is cut short: its gzip has no end"),
        (gz(b""), "is empty"),
        (gz(b"\n \n"), "is empty"),
        (gz(b"<html>\n" * 3 + b"{}"), "is no export of ids: 4 of 4 lines odd"),
        (gz(b"x" * 400_000), "it has a line without end"),
        (packed({"id": 1}) + b"more", "its gzip cannot be unpacked"),
        (b"PK\x03\x04", "something that is not gzip"),
        (
            gz(b"[" * 9000 + b"\n" + b'{"id":1}'),
            "1 of 2 lines odd, 1 with no JSON object",
        ),
    ],
)
def test_what_is_no_export_is_refused(store: Store, content: bytes, words: str) -> None:
    assert words in refusal(store(content))


def test_a_wrong_checksum_is_refused(store: Store) -> None:
    content = bytearray(packed({"id": 1}))
    content[-8] ^= 1

    assert "is damaged: its gzip cannot be unpacked" in refusal(store(bytes(content)))


def test_a_file_cut_anywhere_is_refused(store: Store) -> None:
    whole = exports.file_of("tv_series_ids", DAY, 40).body
    for end in range(len(whole)):
        assert "nothing of it is used" in refusal(store(whole[:end]))


def test_what_is_too_much_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(*({"id": one} for one in range(1, 2000)))
    monkeypatch.setattr(export_file, "MOST_BYTES", 1000)
    assert "has more than 1,000 bytes unpacked" in refusal(store(content))
    monkeypatch.undo()
    content = gz(b"".join(b'{"id":%d}\n' % one for one in range(1, 60_000)))
    monkeypatch.setattr(export_file, "MOST_LINES", 100)
    assert "has more than 100 lines" in refusal(store(content))


def test_the_last_line_needs_no_line_feed_and_bad_utf8_costs_no_id(store: Store) -> None:
    file = store(gz(b'{"id":1,"name":"caf\xe9"}\r\n\n{"id":2}'))

    assert ids_of(file) == [1, 2]
    assert file.lines == 2


NAMES = st.text(max_size=60)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 10**9), NAMES), min_size=1, unique_by=lambda pair: pair[0])
)
def test_every_id_is_read_whatever_the_names_and_the_members_of_the_gzip(
    store: Store, rows: list[tuple[int, str]]
) -> None:
    text = "".join(
        json.dumps({"id": number, "name": name}, ensure_ascii=False) + "\n" for number, name in rows
    ).encode("utf-8", "surrogatepass")
    cut = random.Random(len(text)).randrange(len(text))  # noqa: S311 - no secret
    file = store(gz(text[:cut]) + gz(b"") + gz(text[cut:]))

    assert ids_of(file) == [number for number, _ in rows]

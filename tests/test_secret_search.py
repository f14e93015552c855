"""The search for secrets finds what was planted, wherever and however: else it proves nothing."""

import base64
import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.system.secret_search import FRAGMENT, Finding, find_secrets

SECRET = "eyJq9.Zt-4Kw_7RbX2/mQ+vN8hLc~3PdYs6Gf"  # noqa: S105 - made up
NEIGHBOURS = st.binary(max_size=40)


def search(root: Path) -> list[Finding]:
    return find_secrets(root, {"token": SECRET})


def in_file(root: Path, data: bytes) -> list[Finding]:
    root.joinpath("file").write_bytes(data)
    return search(root)


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


ENCODINGS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "plain": ("plain", str.encode),
    "in upper case": ("plain", lambda text: text.upper().encode()),
    "UTF-16 LE": ("UTF-16 LE", lambda text: text.encode("utf-16-le")),
    "UTF-16 BE": ("UTF-16 BE", lambda text: text.encode("utf-16-be")),
    "percent, where needed": ("plain, escaped", lambda text: quote(text, safe="").encode()),
    "percent, all": ("plain, escaped", lambda text: percent(text).encode()),
    "percent, lower": ("plain, escaped", lambda text: percent(text).lower().encode()),
    "percent, twice": ("plain, escaped", lambda text: quote(percent(text)).encode()),
    "percent, a part": ("plain, escaped", lambda text: (text[:9] + percent(text[9:])).encode()),
    "JSON": ("plain, escaped", lambda text: escaped(text).encode()),
    "JSON in JSON": ("plain, escaped", lambda text: json.dumps(escaped(text)).encode()),
    "\\x": ("plain, escaped", lambda text: percent(text).replace("%", "\\x").encode()),
    "HTML": ("plain, escaped", lambda text: "".join(f"&#{ord(c)};" for c in text).encode()),
    "HTML, hex": ("plain, escaped", lambda text: "".join(f"&#x{ord(c):x};" for c in text).encode()),
    "hex, lower": ("hex", lambda text: text.encode().hex().encode()),
    "hex, upper": ("hex", lambda text: text.encode().hex().upper().encode()),
    "reversed": ("reversed", lambda text: text[::-1].encode()),
    "wrapped": ("plain, with white space in it", lambda text: "\n  ".join(text).encode()),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_secret_is_found_in_every_encoding_and_the_finding_says_which(
    name: str, tmp_path: Path
) -> None:
    encoding, encode = ENCODINGS[name]

    found = in_file(tmp_path, b"\x00text %s before and " + encode(SECRET) + b"behind %")

    assert (tmp_path / "file", "token", encoding) in {
        (path, secret, found_encoding) for path, _, secret, found_encoding in found
    }


@pytest.mark.parametrize("name", ENCODINGS)
def test_half_a_secret_is_found_in_every_encoding(name: str, tmp_path: Path) -> None:
    _, encode = ENCODINGS[name]

    assert in_file(tmp_path, b"before" + encode(SECRET[13 : 13 + FRAGMENT]) + b"behind")


@given(before=NEIGHBOURS, behind=NEIGHBOURS, start=st.integers(0, len(SECRET) - FRAGMENT))
def test_base64_is_found_at_every_alignment_in_both_alphabets_whole_and_a_part(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, behind: bytes, start: int
) -> None:
    root = tmp_path_factory.mktemp("base64")
    plain = SECRET.encode()
    part = plain[start : start + FRAGMENT]
    for data in (plain, part):
        whole = before + data + behind
        for encoded in (base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
            assert in_file(root, encoded)
            assert in_file(root, encoded.rstrip(b"="))
            assert in_file(root, b"\n".join(encoded[at : at + 7] for at in range(0, 200, 7)))


def test_every_fragment_of_twelve_characters_is_found_and_none_of_eleven(tmp_path: Path) -> None:
    for start in range(len(SECRET) - FRAGMENT + 1):
        part = SECRET[start : start + FRAGMENT]
        assert in_file(tmp_path, f"\0{part}\0".encode())
        assert not in_file(tmp_path, f"\0{part[1:]}\0".encode())
        assert not in_file(tmp_path, f"\0{part[:-1]}\0".encode())


@given(data=st.binary(max_size=5000))
def test_nothing_is_found_in_what_holds_no_secret(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    root = tmp_path_factory.mktemp("clean")

    assert not in_file(root, data + SECRET[:11].encode() + b"\n\0|" + SECRET[11:22].encode())


def test_a_stretch_that_begins_well_and_ends_wrong_does_not_hide_one_behind_it(
    tmp_path: Path,
) -> None:
    assert in_file(tmp_path, f"{SECRET[:11]}|{SECRET[6:17]}|{SECRET[6:18]}".encode())


def test_names_of_files_and_folders_and_targets_of_links_are_searched(tmp_path: Path) -> None:
    name = SECRET.replace("/", "|")
    tmp_path.joinpath(f"folder-{name}", ".hidden").mkdir(parents=True)
    tmp_path.joinpath(f"folder-{name}", ".hidden", f".{name}.json").touch()
    tmp_path.joinpath("link").symlink_to(f"/nowhere/{name}")

    assert [(path.name, place) for path, place, _, _ in search(tmp_path)] == [
        (f"folder-{name}", "name"),
        ("link", "link: byte 9"),
        (f".{name}.json", "name"),
    ]


def test_hidden_files_far_down_are_searched(tmp_path: Path) -> None:
    path = tmp_path / ".a" / "b" / ".c" / ".file"
    path.parent.mkdir(parents=True)
    path.write_text(f"x{SECRET}")

    assert search(tmp_path) == [(path, "byte 1", "token", "plain")]


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zlib, fast": lambda data: zlib.compress(data, 1),
    "zlib, best": lambda data: zlib.compress(data, 9),
    "zlib, stored": lambda data: zlib.compress(data, 0),
    "gzip, torn": lambda data: gzip.compress(data + bytes(range(256)) * 40)[:-300],
    "second member of a gzip": lambda data: gzip.compress(b"first") + gzip.compress(data),
    "gzip of gzip": lambda data: gzip.compress(gzip.compress(data)),
    "zlib in base64": lambda data: base64.b64encode(zlib.compress(data)),
    "gzip in base64": lambda data: base64.b64encode(gzip.compress(data)),
    "gzip in base64, wrapped": lambda data: base64.encodebytes(gzip.compress(data)),
    "zlib in urlsafe base64": lambda data: base64.urlsafe_b64encode(zlib.compress(data)),
    "JSON with it in gzip": lambda data: json.dumps(
        {"body": base64.b64encode(gzip.compress(data)).decode()}
    ).encode(),
    "gzip in UTF-16 of base64": lambda data: (
        base64.b64encode(gzip.compress(data)).decode().encode("utf-16")
    ),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("before", [b"", b'\0x\x9c noise "'])
def test_a_secret_is_found_in_what_is_packed(packing: str, before: bytes, tmp_path: Path) -> None:
    text = b"something else " * 30 + f"Bearer {percent(SECRET)}".encode()

    assert in_file(tmp_path, before + PACKINGS[packing](text) + b'"\nbehind')


@pytest.mark.parametrize("packing", ["none", *PACKINGS])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_a_secret_is_found_in_the_values_of_a_database_with_table_and_column(
    packing: str, encoding: str, tmp_path: Path
) -> None:
    value = PACKINGS.get(packing, bytes)(f"some text and {SECRET}".encode())
    with closing(sqlite3.connect(tmp_path / "any.db")) as database:
        database.execute(f"PRAGMA encoding = '{encoding}'")
        database.execute('CREATE TABLE "odd ""name" (id INTEGER, first TEXT, "the key" BLOB)')
        rows = [(1, "nothing", None), (2, "nothing", value)]
        database.executemany('INSERT INTO "odd ""name" VALUES (?, ?, ?)', rows)
        database.commit()

    assert any(place.startswith('odd "name.the key row 2: ') for _, place, _, _ in search(tmp_path))


def test_a_secret_is_found_in_what_only_the_log_of_a_database_has(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "runs.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE runs (body TEXT)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("INSERT INTO runs VALUES (?)", (zlib.compress(SECRET.encode()),))
        database.commit()
        before = sorted(tmp_path.iterdir())
        sizes = [path.stat().st_size for path in before]

        found = search(tmp_path)

        assert [path.stat().st_size for path in sorted(tmp_path.iterdir())] == sizes
    places = {(path.name, place.partition(":")[0]) for path, place, _, _ in found}
    assert ("runs.db", "runs.body row 1") in places
    assert any(name == "runs.db-wal" for name, _ in places)


def test_a_secret_is_found_where_the_pages_of_a_database_cut_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    behind = range(4000, 4100)  # one of them puts the end of a page into the secret
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE runs (body TEXT)")
        for size in behind:
            database.execute("INSERT INTO runs VALUES (?)", ("." * 3000 + SECRET + "." * size,))
        database.commit()
    assert 0 < path.read_bytes().count(SECRET.encode()) < len(behind)

    rows = {place.partition(":")[0] for _, place, _, _ in search(tmp_path) if "row" in place}

    assert len(rows) == len(behind)


def test_a_secret_is_found_in_deleted_rows_and_in_the_names_of_tables(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "deleted.db")) as database:
        database.execute("CREATE TABLE runs (body TEXT)")
        database.execute("INSERT INTO runs VALUES (?)", (zlib.compress(SECRET.encode()),))
        database.commit()
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("DELETE FROM runs")
        database.commit()
    with closing(sqlite3.connect(tmp_path / "named.db")) as database:
        database.execute(f'CREATE TABLE "{SECRET}" (body TEXT)')

    places = {(path.name, place.split()[0]) for path, place, _, _ in search(tmp_path)}

    assert {("deleted.db", "packed"), ("named.db", "sqlite_master.sql")} <= places


def test_what_says_it_is_a_database_and_is_none_does_not_pass_for_searched(tmp_path: Path) -> None:
    tmp_path.joinpath("broken").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 20)

    with pytest.raises(sqlite3.DatabaseError):
        search(tmp_path)


def test_a_folder_that_is_not_there_does_not_pass_for_searched(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        search(tmp_path / "nowhere")


def test_several_secrets_are_told_apart_and_short_ones_refused(tmp_path: Path) -> None:
    other = "q8Wn3Zx6Vb1Mk5Lp0Ds4"
    tmp_path.joinpath("file").write_text(f"{other} {SECRET}")

    found = find_secrets(tmp_path, {"token": SECRET, "key": other})

    assert {(secret, encoding) for _, _, secret, encoding in found} >= {
        ("token", "plain"),
        ("key", "plain"),
    }
    with pytest.raises(ValueError, match="'key' is shorter than 12"):
        find_secrets(tmp_path, {"key": SECRET[:11]})

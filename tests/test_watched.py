"""The watched folder: what counts as a list, when it rests, and what was refused."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.errors import StoreError, UrlListError
from tmdb_assets.model import Settings
from tmdb_assets.settings import from_environment
from tmdb_assets.watched import (
    IN_THE_MAKING,
    MAX_BYTES,
    MAX_PACKED_BYTES,
    Refused,
    Version,
    WatchedFolder,
    check_size,
    note_refused,
    refused_files,
)

Memory = Mapping[str, Sequence[int]]

ODD = os.fsdecode(b"fil\xffme.txt")
"""A name with a byte that is no UTF-8."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "url_lists"
    path.mkdir()
    return path


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Settings:
    (tmp_path / "data").mkdir()
    return from_environment(
        {"TMDB_DATA_DIR": str(tmp_path / "data"), "TMDB_URL_LISTS_DIR": str(folder)}
    )


def dropped(folder: Path, name: str = "films.txt", text: str = "/movie/1\n") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def remembered(folder: Path, seen: Memory | None = None) -> dict[str, list[int]]:
    """Look, take nothing, and return what the next look is told after a stay in a cursor."""
    return recalled(WatchedFolder(folder, seen or {}))


def recalled(watched: WatchedFolder) -> dict[str, list[int]]:
    memory: dict[str, list[int]] = json.loads(json.dumps(watched.memory()))
    assert memory == watched.memory()
    return memory


def resting(folder: Path, seen: Memory) -> list[str]:
    return [path.name for path in WatchedFolder(folder, seen).at_rest()]


def taken(folder: Path, seen: Memory) -> dict[str, list[int]]:
    """Look, take all that rests, and return what the next look is told."""
    watched = WatchedFolder(folder, seen)
    for path in watched.at_rest():
        watched.taken(path)
    return recalled(watched)


def same_stamp(path: Path, like: os.stat_result) -> None:
    os.utime(path, ns=(like.st_atime_ns, like.st_mtime_ns))


# --- when a list rests --------------------------------------------------------------------------


def test_a_file_that_two_looks_find_the_same_rests(folder: Path) -> None:
    path = dropped(folder)

    first = WatchedFolder(folder, {})
    second = WatchedFolder(folder, recalled(first))

    assert [*first.at_rest()] == []
    assert [*second.at_rest()] == [path]


def test_lists_rest_in_the_order_of_their_names(folder: Path) -> None:
    for name in ("b.txt", "c.txt.gz", "a.txt"):
        dropped(folder, name)

    assert resting(folder, remembered(folder)) == ["a.txt", "b.txt", "c.txt.gz"]


def test_a_file_that_grows_is_left_alone_until_it_has_grown(folder: Path) -> None:
    path = dropped(folder)
    memory = remembered(folder)
    looks = []
    for number in range(3):
        with path.open("a") as file:
            file.write(f"/movie/{number}\n")
        looks.append(resting(folder, memory))
        memory = remembered(folder, memory)

    assert looks == [[], [], []]
    assert resting(folder, memory) == ["films.txt"]


def test_a_file_that_is_written_to_without_growing_is_left_alone(folder: Path) -> None:
    path = dropped(folder)
    memory = remembered(folder)
    path.write_text("/movie/2\n")
    os.utime(path, ns=(0, 1))

    assert resting(folder, memory) == []


def test_another_file_of_the_same_size_and_moment_in_its_place_is_another(folder: Path) -> None:
    path = dropped(folder)
    memory = remembered(folder)
    other = dropped(folder, "new", "/movie/2\n")
    same_stamp(other, path.stat())
    other.replace(path)

    assert resting(folder, memory) == []
    assert resting(folder, remembered(folder, memory)) == ["films.txt"]


def test_a_file_that_went_away_is_forgotten(folder: Path) -> None:
    path = dropped(folder)
    memory = remembered(folder)
    path.unlink()

    assert remembered(folder, memory) == {}
    assert resting(folder, memory) == []


class Fleeting(PosixPath):
    """A folder that lists a file which is gone by the time one looks at it."""

    def iterdir(self) -> Iterator[Path]:
        yield from map(Path, super().iterdir())
        yield Path(self) / "gone.txt"


def test_a_file_that_is_removed_between_listing_and_looking_is_passed_over(folder: Path) -> None:
    dropped(folder)

    watched = WatchedFolder(Fleeting(folder), {})

    assert watched.memory().keys() == {"films.txt"}
    assert watched.others == []


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    watched = WatchedFolder(tmp_path / "nowhere", {"films.txt": [1, 2, 3, False]})

    assert ([*watched.at_rest()], watched.others, watched.memory()) == ([], [], {})
    assert not (tmp_path / "nowhere").exists()


class Unreadable(PosixPath):
    """A folder that may not be listed."""

    def iterdir(self) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")


def test_a_folder_that_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot use '.*/url_lists': Permission denied"):
        WatchedFolder(Unreadable(folder), {})


# --- what counts as a list ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [".films.txt", ".txt", ".~lock.films.txt#", *(f"films.txt{end}" for end in IN_THE_MAKING)],
)
def test_what_is_hidden_or_in_the_making_is_not_even_mentioned(folder: Path, name: str) -> None:
    dropped(folder, name)
    watched = WatchedFolder(folder, {})

    assert (watched.memory(), watched.others) == ({}, [])


@pytest.mark.parametrize(
    "name", ["films.csv", "films.TXT", "films.gz", "films.zip", "txt", "films.txt.bz2"]
)
def test_what_is_no_list_by_its_name_is_mentioned_and_not_looked_at(
    folder: Path, name: str
) -> None:
    dropped(folder, name)
    watched = WatchedFolder(folder, remembered(folder))

    assert (watched.memory(), watched.others) == ({}, [name])
    assert [*watched.at_rest()] == []


def test_a_folder_is_no_list_whatever_its_name(folder: Path) -> None:
    (folder / "films.txt").mkdir()
    (folder / "old").mkdir()
    (folder / ".hidden").mkdir()

    watched = WatchedFolder(folder, {})

    assert watched.memory() == {}
    assert watched.others == ["films.txt", "old"]


def test_a_link_to_nothing_is_passed_over_and_one_to_a_list_is_a_list(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "broken.txt").symlink_to("nowhere")
    (folder / "films.txt").symlink_to(dropped(tmp_path, "elsewhere"))

    watched = WatchedFolder(folder, {})

    assert (watched.memory().keys(), watched.others) == ({"films.txt"}, [])


@pytest.mark.parametrize("target", ["circle.txt", "films.txt/x", "x" * 300])
def test_a_link_that_cannot_be_followed_hides_no_list_beside_it(folder: Path, target: str) -> None:
    dropped(folder)
    (folder / "circle.txt").symlink_to(target)

    assert WatchedFolder(folder, {}).memory().keys() == {"films.txt"}


def test_names_that_are_no_utf8_are_lists_like_others(folder: Path) -> None:
    dropped(folder, ODD)
    dropped(folder, os.fsdecode(b"\xfe.csv"))
    memory = taken(folder, remembered(folder))

    assert resting(folder, remembered(folder)) == [ODD]
    assert resting(folder, memory) == []
    assert WatchedFolder(folder, {}).others == [os.fsdecode(b"\xfe.csv")]


@given(st.binary(min_size=1, max_size=60).filter(lambda name: not {0, ord("/")} & {*name}))
def test_any_name_of_a_list_is_remembered(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("names")
    name = os.fsdecode(b"n" + raw + b".txt")
    dropped(folder, name)

    memory = taken(folder, remembered(folder))

    assert memory.keys() == {name}
    assert resting(folder, remembered(folder)) == [name]
    assert resting(folder, memory) == []


# --- what was taken -----------------------------------------------------------------------------


def test_what_was_taken_stays_taken_as_long_as_it_is_the_same(folder: Path) -> None:
    dropped(folder)
    memory = taken(folder, remembered(folder))

    for _ in range(3):
        assert resting(folder, memory) == []
        memory = remembered(folder, memory)


def test_taking_tells_the_version_that_was_looked_at(folder: Path) -> None:
    path = dropped(folder)
    found = path.stat()
    watched = WatchedFolder(folder, remembered(folder))
    path.write_text("grew in the meantime")

    assert watched.taken(path) == (found.st_size, found.st_mtime_ns, found.st_ino)
    assert [*watched.at_rest()] == []
    assert resting(folder, recalled(watched)) == []
    assert resting(folder, remembered(folder, recalled(watched))) == ["films.txt"]


def test_what_was_taken_rests_anew_when_it_was_changed(folder: Path) -> None:
    path = dropped(folder)
    memory = taken(folder, remembered(folder))
    path.write_text("/movie/1\n/movie/2\n")

    assert resting(folder, memory) == []
    memory = remembered(folder, memory)
    assert resting(folder, memory) == ["films.txt"]
    assert resting(folder, taken(folder, memory)) == []


def test_what_was_taken_and_removed_is_a_new_file_when_it_comes_back(folder: Path) -> None:
    path = dropped(folder)
    memory = taken(folder, remembered(folder))
    path.rename(folder.parent / "aside")
    memory = remembered(folder, memory)
    (folder.parent / "aside").rename(path)

    assert resting(folder, memory) == []
    assert resting(folder, remembered(folder, memory)) == ["films.txt"]


def test_what_there_was_no_time_for_rests_on(folder: Path) -> None:
    dropped(folder, "a.txt")
    dropped(folder, "b.txt")
    watched = WatchedFolder(folder, remembered(folder))
    watched.taken(next(watched.at_rest()))

    assert resting(folder, recalled(watched)) == ["b.txt"]


def test_taking_each_as_it_comes_leaves_none_out(folder: Path) -> None:
    names = [f"{number}.txt" for number in range(9)]
    for name in names:
        dropped(folder, name)
    watched = WatchedFolder(folder, remembered(folder))

    found = []
    for path in watched.at_rest():
        watched.taken(path)
        found.append(path.name)

    assert found == names


# --- how large it may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "most"),
    [("films.txt", MAX_BYTES), ("films.txt.gz", MAX_PACKED_BYTES), ("my.gz.txt", MAX_BYTES)],
)
def test_a_file_is_refused_from_the_first_byte_too_many(folder: Path, name: str, most: int) -> None:
    path = dropped(folder, name, "")
    os.truncate(path, most)
    check_size(path)
    os.truncate(path, most + 1)

    with pytest.raises(UrlListError) as caught:
        check_size(path)

    assert str(caught.value) == (
        f"{str(path)!r} has {most + 1:,} bytes, more than the {most:,} that fit into a tick: "
        "take it with `tmdb-assets add`, or split it"
    )


def test_a_file_that_went_away_has_no_size(folder: Path) -> None:
    with pytest.raises(UrlListError, match=r"'.*/films\.txt' cannot be read: No such file or dir"):
        check_size(folder / "films.txt")


def test_the_remedy_for_a_large_file_of_an_odd_name_can_be_printed(folder: Path) -> None:
    path = dropped(folder, ODD, "")
    os.truncate(path, MAX_BYTES + 1)

    with pytest.raises(UrlListError) as caught:
        check_size(path)

    assert str(caught.value).encode()


# --- what was refused ---------------------------------------------------------------------------


def version_of(path: Path) -> Version:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def refuse(path: Path, reason: str = "no URL in it: write some") -> Refused:
    return Refused(path.name, version_of(path), reason)


def record(settings: Settings) -> Path:
    return settings.data_dir / "refused_lists.json"


@pytest.mark.parametrize("name", ["films.txt", "ünï.txt", ODD, "a b\n.txt", '"`$().txt'])
def test_what_was_refused_is_told_until_it_is_dealt_with(
    folder: Path, settings: Settings, name: str
) -> None:
    refused = refuse(dropped(folder, name), reason=f"{name!r} ✗")
    before = refused_files(settings)

    note_refused(settings, [refused], [])

    assert before == ()
    assert refused_files(settings) == (refused,)
    assert refused_files(settings) == (refused,)


def test_refused_files_are_gathered_from_look_to_look(folder: Path, settings: Settings) -> None:
    first, second = refuse(dropped(folder, "b.txt")), refuse(dropped(folder, "a.txt"))

    note_refused(settings, [first], [])
    note_refused(settings, iter([second]), iter(["films.txt"]))

    assert {*refused_files(settings)} == {first, second}


def test_a_file_that_is_refused_once_more_has_its_last_reason_only(
    folder: Path, settings: Settings
) -> None:
    path = dropped(folder)
    note_refused(settings, [refuse(path, "too large")], [])
    path.write_text("nonsense")

    note_refused(settings, [refuse(path, "no URL")], [])

    assert refused_files(settings) == (refuse(path, "no URL"),)


def test_what_was_taken_at_last_is_refused_no_more(folder: Path, settings: Settings) -> None:
    kept, mended = refuse(dropped(folder, "a.txt")), refuse(dropped(folder, "b.txt"))
    note_refused(settings, [kept, mended], [])

    note_refused(settings, [], ["b.txt"])

    assert refused_files(settings) == (kept,)


def grown(path: Path) -> None:
    path.write_text("/movie/1\n/movie/2\n")


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def replaced(path: Path) -> None:
    other = dropped(path.parent, "new", path.read_text())
    same_stamp(other, path.stat())
    other.replace(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "grown": grown,
    "touched": touched,
    "replaced": replaced,
    "gone": Path.unlink,
    "renamed": lambda path: path.rename(path.with_name("other.txt")),
    "folder": as_folder,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_as_it_was_when_it_was_refused_is_forgotten(
    folder: Path, settings: Settings, change: Callable[[Path], object]
) -> None:
    kept = refuse(dropped(folder, "kept.txt"))
    note_refused(settings, [kept, refuse(dropped(folder))], [])

    change(folder / "films.txt")

    assert refused_files(settings) == (kept,)
    note_refused(settings, [], [])
    assert b"films.txt" not in record(settings).read_bytes()


def test_the_record_says_its_format_and_when_it_was_written(
    folder: Path, settings: Settings
) -> None:
    refused = refuse(dropped(folder))
    note_refused(settings, [refused], [])

    found = json.loads(record(settings).read_bytes())

    assert next(iter(found)) == "format"
    assert found["format"] == 1
    assert found["written_at"] > 1_600_000_000
    assert found["files"] == [
        {"file": "films.txt", "version": [*refused.version], "reason": refused.reason, "lines": 0}
    ]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff", b"\0" * 400, b"[" * 5000),
        *(b"{}", b'{"files": 7}', b'{"files": null}', b'{"files": [7]}', b'{"files": ["x"]}'),
        *(
            b'{"files": {"a": 1}}',
            b'{"format": 1, "files": [{}]}',
            b'{"format": 1, "files": [{"file": "a.txt"}]}',
        ),
        b'{"format": 1, "files": [{"file": "a.txt", "version": [1, 2], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": ["x", 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": null, "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": [NaN, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a\\u0000b", "version": [1, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "\\ud800", "version": [1, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "'
        + b"a" * 5000
        + b'", "version": [1, 2, 3], "reason": ""}]}',
        b'{"format": 1, "files": [{"file": "a.txt", "version": [1e400, 2, 3], "reason": ""}]}',
    ],
)
def test_a_record_that_is_none_is_empty_and_is_written_anew(
    folder: Path, settings: Settings, content: bytes
) -> None:
    refused = refuse(dropped(folder))
    record(settings).write_bytes(content)

    before = refused_files(settings)
    note_refused(settings, [refused], [])

    assert before == ()
    assert refused_files(settings) == (refused,)


def test_a_record_that_cannot_be_read_is_named(settings: Settings) -> None:
    record(settings).mkdir()

    with pytest.raises(StoreError, match=r"cannot use '.*/refused_lists\.json': Is a directory"):
        refused_files(settings)


def test_the_first_file_of_a_project_can_be_refused(folder: Path, settings: Settings) -> None:
    settings.data_dir.rmdir()
    refused = refuse(dropped(folder))

    note_refused(settings, [refused], [])

    assert refused_files(settings) == (refused,)

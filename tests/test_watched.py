"""The watched folder: what counts as a list, when it rests, and what was taken."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.url_lists import ODD, dropped, empty_folder, same_stamp
from tmdb_assets.errors import StoreError
from tmdb_assets.watched import IN_THE_MAKING, WatchedFolder

Memory = Mapping[str, Sequence[int]]

folder = pytest.fixture(empty_folder)


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

    def iterdir(self) -> Any:
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

    def iterdir(self) -> Any:
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

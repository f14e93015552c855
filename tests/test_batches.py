"""Adding a list freezes its URLs into even batches, once; adding it again freezes what is new."""

import gzip
import hashlib
import json
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.movie_lists import TMDB, loaded, record, small_batches, written
from tmdb_assets.batches import add, batch_file, list_names, load, origins_of, plan, read_list
from tmdb_assets.errors import BatchError, StoreError, UrlListError
from tmdb_assets.model import Settings
from tmdb_assets.plans import split_between, split_sizes

settings = pytest.fixture(small_batches)


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of all files and folders."""
    return {
        str(path.relative_to(folder)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
    }


@given(st.integers(0, 10**6), st.integers(100, 20_000))
def test_sizes_are_even_few_and_complete(count: int, batch_size: int) -> None:
    sizes = split_sizes(count, batch_size)

    assert sum(sizes) == count
    assert len(sizes) == -(-count // batch_size)
    assert all(0 < size <= batch_size for size in sizes)
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


@given(st.integers(2, 10**6), st.integers(100, 20_000))
def test_no_batch_has_a_single_url_but_the_only_one(count: int, batch_size: int) -> None:
    assert min(split_sizes(count, batch_size)) > 1


def test_the_remainder_is_spread() -> None:
    assert split_sizes(100_001, 2000) == [1961] * 41 + [1960] * 10


@given(
    st.integers(1, 20).flatmap(lambda most: st.lists(st.integers(1, most), max_size=400)),
    st.integers(100, 300),
)
def test_batches_part_no_request_and_are_as_even_as_that_allows(
    requests: list[int], batch_size: int
) -> None:
    sizes = split_between(requests, batch_size)

    assert sum(sizes) == sum(requests)
    assert set(accumulate(sizes)) <= set(accumulate(requests))
    assert all(0 < size <= batch_size for size in sizes)
    even = -(-sum(requests) // max(len(sizes), 1))
    most = max(requests, default=1)
    assert all(even - most <= size < even + most for size in sizes)
    assert len(sizes) <= -(-sum(requests) // (batch_size - most + 1))


@given(st.integers(0, 5000), st.integers(100, 20_000))
def test_where_nothing_goes_together_batches_are_those_of_any_list(
    count: int, batch_size: int
) -> None:
    assert split_between([1] * count, batch_size) == split_sizes(count, batch_size)


def test_a_request_that_would_be_parted_makes_one_batch_more_if_it_fits_into_none() -> None:
    assert split_between([4] * 50, 100) == [100, 100]
    assert split_between([3] * 66 + [2], 100) == [66, 66, 68]


def test_every_url_is_in_exactly_one_batch_in_the_order_of_the_list(
    tmp_path: Path, settings: Settings
) -> None:
    numbers = [*range(250, 0, -1), 7, 7, *range(251, 302)]

    added = add(written(tmp_path, *numbers), settings)

    assert added.new_batches == added.all_batches
    assert added.all_batches == ("movies-0001", "movies-0002", "movies-0003", "movies-0004")
    assert added.plan.batch_sizes == (76, 75, 75, 75)
    assert loaded(settings, added) == list(dict.fromkeys(numbers))


def test_a_batch_gives_targets_with_names_and_origins(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path, 550)

    (batch,) = add(path, settings).all_batches
    (target,) = load(settings.data_dir, batch)

    assert target.url == f"{TMDB}/3/movie/550"
    assert target.name.startswith("movie-550-")
    assert origins_of([target]) == {TMDB}


def test_the_record_says_where_the_list_came_from(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "movies.txt"
    path.write_bytes(b"# mine\n/movie/1?api_key=SECRET\n/movie/1\nurl\n/movie/2")

    add(path, settings)

    frozen = read_list(settings.data_dir, "movies")
    (source,) = frozen.sources
    found = json.loads(record(settings).read_text())
    content = (record(settings).parent / "movies-0001.txt").read_bytes()
    assert content == f"{TMDB}/3/movie/1\n{TMDB}/3/movie/2\n".encode()
    assert frozen.urls == 2
    assert source.added_at == frozen.created_at
    assert found == {
        "format": 2,
        "name": "movies",
        "batches": [
            {"name": "movies-0001", "urls": 2, "sha256": hashlib.sha256(content).hexdigest()}
        ],
        "sources": [
            {
                "file": "movies.txt",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "lines": 5,
                "urls": 2,
                "new": 2,
                "duplicates": 1,
                "rejected": 1,
                "had_credential": 1,
                "first_rejected": [
                    {
                        "line": 4,
                        "reason": "not a URL",
                        "remedy": "start it with https:// or, for a path, with /",
                    }
                ],
                "added_at": source.added_at,
                "folder": str(tmp_path),
            }
        ],
        "created_at": frozen.created_at,
        "combine": False,
    }


def test_no_credential_is_written_anywhere(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "movies.txt"
    path.write_text("/movie/1?api_key=SECRET\n/movie//1?api_key=SECRET\nx?api_key=SECRET\n")

    added = add(path, settings)

    assert added.plan.had_credential == 1
    assert "SECRET" not in f"{added} {plan(path, settings)}"
    assert not [name for name, (text, _) in state(settings.data_dir).items() if b"SECRET" in text]


def test_adding_again_changes_nothing(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path, *range(250))
    first = add(path, settings)
    before = state(settings.data_dir)

    second = add(path, settings)
    # shorter, in another order, packed
    written(tmp_path, *range(200, 0, -1))
    third = add(path, settings)
    packed = tmp_path / "movies.txt.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    fourth = add(packed, settings)

    assert state(settings.data_dir) == before
    assert second.new_batches == third.new_batches == fourth.new_batches == ()
    assert second.all_batches == first.all_batches
    assert (second.plan.already, second.plan.new, second.plan.batch_sizes) == (250, 0, ())
    assert third.plan.already == fourth.plan.already == 200


def test_a_list_that_grew_gets_batches_of_its_new_urls_only(
    tmp_path: Path, settings: Settings
) -> None:
    first = add(written(tmp_path, *range(150)), settings)
    before = state(settings.data_dir)

    grown = add(written(tmp_path, 900, *range(100, 260), 5), settings)

    after = state(settings.data_dir)
    assert grown.new_batches == ("movies-0003", "movies-0004")
    assert grown.all_batches == (*first.all_batches, *grown.new_batches)
    assert loaded(settings, grown) == [*range(150), 900, *range(150, 260)]
    assert all(
        after[f"batches/movies/{name}.txt"] == before[f"batches/movies/{name}.txt"]
        for name in first.all_batches
    )
    assert [source.new for source in read_list(settings.data_dir, "movies").sources] == [150, 111]


def test_a_plan_says_what_adding_does_and_writes_nothing(
    tmp_path: Path, settings: Settings
) -> None:
    path = written(tmp_path, *range(150), 3)

    planned = plan(path, settings)
    written_by_plan = settings.data_dir.exists()
    added = add(path, settings)
    written(tmp_path, *range(200))
    before = state(settings.data_dir)
    again = plan(path, settings)

    assert not written_by_plan
    assert planned == added.plan
    assert (planned.lines, planned.urls, planned.duplicates) == (151, 150, 1)
    assert (again.already, again.new, again.batch_sizes) == (150, 50, (50,))
    assert state(settings.data_dir) == before


def test_a_name_may_be_chosen(tmp_path: Path, settings: Settings) -> None:
    path = written(tmp_path, 1, 2)

    added = add(path, settings, "mine")

    assert plan(path, settings, "mine").already == 2
    assert plan(path, settings).already == 0
    assert added.plan.name == "mine"
    assert added.all_batches == ("mine-0001",)
    for act in (plan, add):
        with pytest.raises(UrlListError, match="is no name for a list"):
            act(path, settings, "../mine")


def test_lists_are_listed_by_their_records(tmp_path: Path, settings: Settings) -> None:
    before = list_names(settings.data_dir)
    for name in ("b.txt", "a.txt"):
        add(written(tmp_path, 1, name=name), settings)
    (settings.data_dir / "batches" / "unfinished").mkdir()
    (settings.data_dir / "batches" / "No Name").mkdir()
    (settings.data_dir / "batches" / "No Name" / "list.json").touch()

    assert before == ()
    assert list_names(settings.data_dir) == ("a", "b")


def test_the_file_of_a_batch_has_its_urls(tmp_path: Path, settings: Settings) -> None:
    added = add(written(tmp_path, *range(150)), settings)

    paths = [batch_file(settings.data_dir, batch) for batch in added.all_batches]

    assert [len(path.read_text().splitlines()) for path in paths] == [75, 75]
    assert {path.parent for path in paths} == {record(settings).parent}


def test_the_file_of_a_batch_that_there_is_not_is_named_and_not_made(
    tmp_path: Path, settings: Settings
) -> None:
    path = batch_file(settings.data_dir, "my-films-0007")

    assert path == settings.data_dir / "batches" / "my-films" / "my-films-0007.txt"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["", "films", "films-1", "-0001", "../x-0001", "a/b-0001", "films-0001\n", "films-0001.txt"],
)
def test_what_is_no_name_of_a_batch_has_no_file(settings: Settings, name: str) -> None:
    with pytest.raises(BatchError, match="is no name of a batch: they look like my-list-0001"):
        batch_file(settings.data_dir, name)


@pytest.mark.parametrize("place", ["batches", "batches/films"])
def test_no_file_of_a_batch_lies_behind_a_link_that_leads_out(
    tmp_path: Path, settings: Settings, place: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (settings.data_dir / place).parent.mkdir(parents=True)
    (settings.data_dir / place).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match=r"leads out of '.*/data': remove the symbolic link there"):
        batch_file(settings.data_dir, "films-0001")

"""URLs come out of the temporary as they went in, or in groups that are asked for together."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.stored_batches import names
from tmdb_assets.combine import group_of
from tmdb_assets.errors import StoreError
from tmdb_assets.spool import Spool

TMDB = "https://api.themoviedb.org/3"


def spooled(folder: Path, urls: list[str], *, combine: bool) -> tuple[list[str], Spool]:
    """Return what comes out of a spool, and the spool."""
    spool = Spool(folder, combine=combine)
    try:
        spool.fill(iter(urls))
        return [line.decode().removesuffix("\n") for line in spool.lines()], spool
    finally:
        spool.close()


_urls = st.lists(
    st.builds(
        lambda number, name, query: f"{TMDB}/movie/{number}{name}{query}",
        st.integers(1, 5),
        st.sampled_from(["", "/credits", "/images", "/lists", "/nonsense"]),
        st.sampled_from(["", "?language=de", "?page=2"]),
    ),
    unique=True,
    max_size=40,
)


@given(urls=_urls, combine=st.booleans())
def test_every_line_comes_out_once_and_groups_in_the_order_of_their_first(
    urls: list[str], *, combine: bool
) -> None:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for url in urls:
        groups[group_of(url)].append(url)

    with TemporaryDirectory() as place:
        lines, spool = spooled(Path(place), urls, combine=combine)
        assert list(Path(place).iterdir()) == []

    assert lines == ([url for some in groups.values() for url in some] if combine else urls)
    assert spool.urls == len(urls)
    assert (spool.grouping is not None) == combine
    if spool.grouping is not None:
        assert [*spool.grouping.requests()] == [len(some) for some in groups.values()]


@pytest.mark.parametrize("combine", [True, False])
def test_a_spool_of_nothing_has_no_lines(tmp_path: Path, *, combine: bool) -> None:
    lines, spool = spooled(tmp_path, [], combine=combine)

    assert lines == []
    assert spool.urls == 0
    assert spool.grouping is None or not spool.grouping.requests()


def test_all_waits_in_one_temporary_that_goes_in_the_end(tmp_path: Path) -> None:
    spool = Spool(tmp_path, combine=True)
    assert names(tmp_path) == set()

    spool.fill([f"{TMDB}/movie/1"])
    (name,) = names(tmp_path)
    spool.close()
    spool.close()

    assert name.startswith(".tmp-")
    assert names(tmp_path) == set()


def test_lines_are_read_one_by_one(tmp_path: Path) -> None:
    urls = [f"{TMDB}/movie/{number}" for number in range(5)]
    spool = Spool(tmp_path, combine=True)
    spool.fill(urls)

    lines = spool.lines()
    first = next(lines)
    lines.close()
    spool.close()

    assert first == f"{urls[0]}\n".encode()


def test_urls_are_taken_in_one_by_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path, combine=True)
    seen: list[int] = []

    def urls() -> Iterator[str]:
        for number in range(100):
            seen.append(spool.urls)
            yield f"{TMDB}/movie/{number}"

    spool.fill(urls())
    spool.close()

    assert seen == list(range(100))


def test_a_folder_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "nowhere", combine=False)

    with pytest.raises(StoreError, match="set TMDB_DATA_DIR"):
        spool.fill([f"{TMDB}/movie/1"])
    spool.close()

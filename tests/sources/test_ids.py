from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.sources import ids
from tmdb_assets.sources.ids import IdSet

DENSE = 70_000
"""Few ids as bits: 32 MiB of them take their time."""

IDS = st.integers(1, 3_000) | st.integers(1, 2**63 - 1) | st.integers(DENSE - 2, DENSE + 2)


@patch.object(ids, "_DENSE", DENSE)
@given(st.lists(IDS), st.lists(IDS))
def test_it_is_a_set(taken: list[int], asked: list[int]) -> None:
    found, truth = IdSet(), set[int]()
    for number in taken:
        assert found.add(number) is (number not in truth)
        truth.add(number)

    assert len(found) == len(truth)
    for number in taken + asked:
        assert (number in found) is (number in truth)

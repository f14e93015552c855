import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.dice import Dice, unit_of


@given(st.text(), st.integers(1, 10**6))
def test_numbers_stay_below_their_bound(key: str, bound: int) -> None:
    assert 0 <= Dice(key).below(bound) < bound


@given(st.text())
def test_a_unit_is_in_its_interval_and_depends_on_the_text_alone(text: str) -> None:
    assert 0.0 <= unit_of(text) < 1.0
    assert unit_of(text) == unit_of(text)


@given(st.text(), st.lists(st.integers(), unique=True), st.integers(0, 9))
def test_some_things_are_different_things(key: str, things: list[int], count: int) -> None:
    chosen = Dice(key).some(things, count)

    assert len(chosen) == len(set(chosen)) == min(count, len(things))
    assert set(chosen) <= set(things)


def test_another_process_throws_the_same_numbers() -> None:
    code = "from tmdb_assets.standin.dice import Dice; print(Dice('a', 1).hexadecimal(40))"

    there = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert there.strip() == Dice("a", 1).hexadecimal(40)

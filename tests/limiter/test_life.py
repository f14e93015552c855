"""How a store ends: once, for good, and for all threads at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tmdb_assets.errors import LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.life import Life

InAChild = Callable[[Callable[[], object]], str]


def test_a_life_that_was_not_ended_goes_on() -> None:
    life = Life()

    life.check()
    life.wait(0)
    life.check()


def test_a_failure_is_returned_and_raised_by_every_check() -> None:
    life, gone = Life(), LimiterUnavailableError("gone")

    assert life.fail(gone) is gone
    for _ in range(3):
        with pytest.raises(LimiterUnavailableError) as caught:
            life.check()
        assert caught.value is gone


def test_the_first_failure_stays() -> None:
    life, later = Life(), LimiterUnavailableError("later")
    life.fail(LimiterUnavailableError("first"))

    assert life.fail(later) is later
    with pytest.raises(LimiterUnavailableError, match="first"):
        life.check()


def test_a_closed_life_stays_closed() -> None:
    life = Life()
    life.close()
    life.close()

    for _ in range(3):
        with pytest.raises(LimiterClosedError, match="closed"):
            life.check()
    with pytest.raises(LimiterClosedError, match="closed"):
        life.wait(60)


@pytest.mark.parametrize("is_closed_first", [True, False])
def test_a_failure_outranks_a_close(*, is_closed_first: bool) -> None:
    life = Life()
    if is_closed_first:
        life.close()
    life.fail(LimiterUnavailableError("gone"))
    life.close()

    with pytest.raises(LimiterUnavailableError, match="gone"):
        life.check()
    with pytest.raises(LimiterUnavailableError, match="gone"):
        life.wait(60)


def test_closing_wakes_everybody_who_waits() -> None:
    life = Life()
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(life.wait, 60) for _ in range(8)]
        life.close()
        errors = [waited.exception(10) for waited in waiting]

    assert [type(error) for error in errors] == [LimiterClosedError] * 8
    assert time.monotonic() - started < 10


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_closed", [False, True])
def test_a_life_does_not_outlive_a_fork(in_a_child: InAChild, *, is_closed: bool) -> None:
    life = Life()
    if is_closed:
        life.close()

    told = in_a_child(life.check)

    assert told.startswith("LimiterUnavailableError: ")
    assert "fork" in told
    assert len(told.splitlines()) == 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_life_that_begins_in_a_child_goes_on_there(in_a_child: InAChild) -> None:
    assert in_a_child(lambda: Life().check()) == "nothing"

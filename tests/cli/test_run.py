import os
import signal
from contextlib import suppress

import pytest

from tmdb_assets.cli.run import stoppable


@stoppable()
def terminate_ourselves() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.sigtimedwait([], 5)


def test_sigterm_acts_like_ctrl_c_while_a_run_goes_on_and_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        terminate_ourselves()

    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_got_lost_where_it_came_is_heeded_at_the_next_look(number: int) -> None:
    with stoppable() as heed:
        heed()
        with suppress(KeyboardInterrupt):  # as Python does in a finalizer
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 5)
        with pytest.raises(KeyboardInterrupt):
            heed()


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable() as heed:
            os.kill(os.getpid(), signal.SIGINT)
            heed()
    finally:
        signal.signal(signal.SIGINT, before)

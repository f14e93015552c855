import os
import signal

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

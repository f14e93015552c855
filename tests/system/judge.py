"""The judge of rates: a stand-in in its own process, at real-time priority if allowed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.standin.settings import StandInSettings


@contextmanager
def judging(**settings: Any) -> Iterator[tuple[StandInProcess, str]]:
    """Lend a stand-in, and the words for how it is scheduled.

    At ordinary priority on a busy machine the stamps come late and invent violations.
    """
    with StandInProcess(StandInSettings(**settings)) as server:
        try:
            os.sched_setscheduler(server.pid, os.SCHED_FIFO, os.sched_param(10))
            priority = "real-time judge"
        except (PermissionError, AttributeError):
            priority = "ordinary judge: counts above 50 may be its own delay"
        yield server, priority

"""How long tests wait for what must happen."""

import time
from collections.abc import Callable
from typing import Any

HANG_SECONDS = 240.0
"""After this long something hangs. It claims nothing: a busy machine may be ten times as slow."""


def wait_until(
    condition: Callable[[], Any], what: str, between: float = 0.1, seconds: float = HANG_SECONDS
) -> Any:
    """Return what the condition says as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(between)
    return said

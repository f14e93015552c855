"""Dagster instances that could not be opened, and what they leave behind in a process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from dagster._core.storage.defs_state.base import set_defs_state_storage


@contextmanager
def instances_kept() -> Iterator[None]:
    """Collect no garbage meanwhile: an instance that goes puts the state of before it back."""
    gc.collect()
    gc.disable()
    try:
        with set_defs_state_storage(None):
            yield
    finally:
        gc.enable()
        gc.collect()

"""Whether a store of the limiter may be used: until it fails, is closed, or its process forks."""

import os
import threading
from typing import TypeVar

from tmdb_assets.errors import LimiterClosedError, LimiterError, LimiterUnavailableError

_Error = TypeVar("_Error", bound=LimiterError)


class Life:
    """The end of a store, seen by all threads at once.

    A failure is for good: else each of a hundred waiting threads would wait out the bound in turn.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._closed = threading.Event()
        self._failure: LimiterError | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the store was opened by this process, and not by the parent of a fork."""
        return os.getpid() == self._pid

    def check(self) -> None:
        """Raise the error that ended the store, if any.

        Raises:
            LimiterUnavailableError: the store failed, or belongs to the parent of this process.
            LimiterClosedError: `close` was called.
        """
        if not self.is_ours:
            raise LimiterUnavailableError(
                "a limiter does not outlive a fork: open it in the process that uses it"
            )
        if self._failure is not None:
            raise self._failure
        if self._closed.is_set():
            raise LimiterClosedError("the limiter was closed: this run is being stopped")

    def fail(self, error: _Error) -> _Error:
        """Make every further `check` raise this error, unless another came first; return it."""
        if self._failure is None:
            self._failure = error
        return error

    def wait(self, seconds: float) -> None:
        """Sleep; raise as `check` does as soon as the store is closed."""
        if self._closed.wait(seconds):
            self.check()

    def close(self) -> None:
        """Make every waiting and future call raise; may be called from any thread, repeatedly."""
        self._closed.set()

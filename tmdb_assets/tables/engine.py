"""DuckDB, begun and ended so that Ctrl-C ends a query and nothing else.

An interrupt in the middle of its import can abort the whole process; so that is undisturbed.
Closing waits for a query that was left in the middle, for ever if need be; so it is interrupted.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Have Ctrl-C and SIGTERM wait until the block has ended, where they reach this thread."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    came: list[int] = []
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(handler := signal.getsignal(number))
    }
    for number in before:
        signal.signal(number, lambda which, _: came.append(which))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for which in came[:1]:
            signal.raise_signal(which)


with undisturbed():
    import duckdb

__all__ = ["closing", "duckdb", "undisturbed"]


@contextmanager
def closing(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Close a connection at the end of the block, and end what still runs on it.

    Raises:
        KeyboardInterrupt: a signal came whose handler raised something, and a query ran.
    """
    try:
        yield connection
    except RuntimeError as error:
        if str(error) == "Query interrupted":  # what DuckDB makes of whatever a handler raises
            raise KeyboardInterrupt from None
        raise
    finally:
        connection.interrupt()
        connection.close()

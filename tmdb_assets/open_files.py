"""The open-file limit: looked at before a run, raised where that is allowed.

A run holds a socket per thread, and macOS starts processes with 256 descriptors.
"""

import resource

from tmdb_assets.errors import ConfigurationError

SPARE_FILES = 128
"""Descriptors beside the sockets: databases and logs of Dagster, bodies being written, imports."""


def ensure(threads: int) -> int:
    """Raise the soft limit if need be, so that `threads` connections fit; return the limit.

    Raises:
        ConfigurationError: the hard limit is too low.
    """
    needed = threads + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft
    if hard != resource.RLIM_INFINITY and hard < needed:
        fitting = hard - SPARE_FILES
        fewer = f" or set TMDB_THREADS to {fitting} or less" if fitting > 0 else ""
        raise ConfigurationError(
            f"{threads} threads need {needed} open files, this system allows {hard}: "
            f"raise it (ulimit -Hn {needed}){fewer}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return needed

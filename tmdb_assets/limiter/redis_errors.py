"""What Redis or the way to it can have against us, in words that hold nothing of a password."""

import ssl

import redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (redis.TimeoutError, "no answer in time"),
    (AuthenticationError, "it refuses user or password"),
    (OutOfMemoryError, "it is out of memory (maxmemory)"),
    (ReadOnlyError, "it is read-only, as replicas are"),
    (BusyLoadingError, "it is loading its data"),
)
_DENIED = "the user may not do what the limiter needs"

MEND = "start or mend that Redis, or set TMDB_LIMITER to another store"
"""The remedy for what may pass by itself; with any other, waiting cannot help."""

_RIGHTS = (
    "check user and password in TMDB_LIMITER, and that the user may run EVALSHA, SCRIPT LOAD, "
    "INFO, TIME, HMGET, HSET and PEXPIRE on the limiter's key"
)
_AUTHORITY = "check TMDB_LIMITER: ?ssl_ca_certs=/path names the authority to trust"


def reason(error: Exception) -> str:
    """Say in a few words what is wrong."""
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    if _is_denied(error):
        return _DENIED
    said = " ".join(str(error).split()).partition(" script: ")[0][:120]
    if isinstance(error, ResponseError):
        return f"it says {said!r}"
    cause = _system_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {cause.verify_message.rstrip('.')}"
    return f"no connection: {said!r}" if cause is None else str(cause.strerror)


def remedy(error: Exception) -> str:
    """Say what to do; other than `MEND` when waiting cannot help."""
    if isinstance(error, (AuthenticationError, AuthorizationError)) or _is_denied(error):
        return _RIGHTS
    # no other file is opened on the way to Redis
    wrong = (ssl.SSLCertVerificationError, FileNotFoundError, IsADirectoryError)
    if isinstance(_system_error(error), wrong):
        return _AUTHORITY
    return MEND


def _is_denied(error: Exception) -> bool:
    # for what a script does Redis has no code; the words are those of 7.2 and of before
    words = ("ACL failure in script", "executing the script can't")
    return isinstance(error, NoPermissionError) or any(text in str(error) for text in words)


def _system_error(error: Exception) -> OSError | None:
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    return cause if isinstance(cause, OSError) and cause.strerror else None

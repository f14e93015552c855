"""What an attempt means and when to try again: pure policy, no clock, no network.

The table of TMDB's error codes follows "Errors" in TMDB's developer documentation: an HTTP status
alone would retry what is permanent (code 44 comes as a 500) and store what is no data (codes 21 and
40 come as a 200).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus

from tmdb_assets.answer import NotAnAnswerError, check_asked, parse
from tmdb_assets.model import Attempt, Fault

BACKOFF_SECONDS = 1.0
"""Longest first pause before a target is tried again; doubles with every try."""

LONGEST_BACKOFF_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 60.0
"""A server that asks for more gets this: nobody can be made to wait for hours."""

STOP_CODES = frozenset({3, 7, 10, 14, 31, 32, 35, 45})
"""TMDB codes that refuse the credential itself."""

PERMANENT_CODES = frozenset({2, 4, 5, 18, 20, 21, 22, 23, 26, 27, 28, 29, 40, 42, 44, 47})
"""TMDB codes that the same request will always get, whatever HTTP status they come with."""

_LARGEST_CODE = 9999  # a longer number is no code, and would fill the log
_PERMANENT_FAULTS = frozenset({Fault.TOO_LARGE, Fault.ECHO, Fault.REDIRECTED, Fault.REDIRECT_LOOP})
_ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


class Verdict(Enum):
    """What to do after an attempt."""

    FETCHED = auto()
    UNCHANGED = auto()
    """What is there already still holds."""
    ABSENT = auto()
    AGAIN = auto()
    REFUSED = auto()
    """Again too, but it does not count as a try: everybody was asked to slow down."""
    GIVE_UP = auto()
    STOP = auto()
    """End the run: no request can succeed with this credential."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and its reason in a few words that hold nothing of the URL or the body."""

    verdict: Verdict
    reason: str = ""


def judge(attempt: Attempt, url: str, *, is_conditional: bool = False) -> Judgement:
    """Say what an attempt at a URL means.

    Args:
        attempt: that was made.
        url: that was asked for.
        is_conditional: whether it was asked for only if it changed.
    """
    if attempt.fault is not None:
        permanent = attempt.fault in _PERMANENT_FAULTS
        return Judgement(Verdict.GIVE_UP if permanent else Verdict.AGAIN, attempt.fault.value)
    status = attempt.status or 0
    if status == HTTPStatus.NOT_MODIFIED and is_conditional:
        return Judgement(Verdict.UNCHANGED)
    try:
        document = parse(attempt.body)
        code = _tmdb_code(document)
        if status == HTTPStatus.OK and code is None:
            check_asked(document, url)
            return Judgement(Verdict.FETCHED)
    except NotAnAnswerError as error:
        return _judge_foreign(status, attempt.body, str(error))
    return _judge_error(status, code)


def pause_seconds(
    tries: int, retry_after_seconds: float | None, jitter: Callable[[], float]
) -> float:
    """Return how long to wait before a target's next attempt, with full jitter.

    Args:
        tries: how often it was tried for this reason, from 1.
        retry_after_seconds: what the server asked for; honoured within a minute.
        jitter: returns a number from 0 to 1.
    """
    longest = min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2.0 ** (min(tries, 60) - 1))
    asked = min(retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
    return max(asked, longest * jitter())


def asks_to_slow_down(attempt: Attempt) -> bool:
    """Say whether the server wants less of everybody: 429, or 503 that says when to come back."""
    is_busy = attempt.status == HTTPStatus.SERVICE_UNAVAILABLE and attempt.retry_after is not None
    return attempt.fault is None and (is_busy or attempt.status == HTTPStatus.TOO_MANY_REQUESTS)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, or None if it says nothing usable.

    Args:
        value: the header: seconds or an HTTP date.
        now: present moment with time zone.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except (ValueError, OverflowError):
        return None


def _tmdb_code(document: object) -> int | None:
    """Return the code of a TMDB error body, 0 for one without a code, None for data."""
    if not isinstance(document, dict):
        return None
    code = document.get("status_code")
    if code is not None and "status_message" in document:
        return code if type(code) is int and abs(code) <= _LARGEST_CODE else 0
    return 0 if document.get("success") is False else None


def _judge_foreign(status: int, body: bytes, what: str) -> Judgement:
    """Judge an answer that is not TMDB's: a proxy's, a portal's, or a broken one."""
    if status in _ABSENT and not body.strip():
        return Judgement(Verdict.ABSENT, f"HTTP {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        return Judgement(Verdict.STOP, "HTTP 401")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Judgement(Verdict.REFUSED, "HTTP 429")
    return Judgement(Verdict.AGAIN, what if status == HTTPStatus.OK else f"HTTP {status}, {what}")


def _judge_error(status: int, code: int | None) -> Judgement:
    reason = f"HTTP {status}, TMDB code {code}" if code else f"HTTP {status}"
    if status in _ABSENT:
        return Judgement(Verdict.ABSENT, reason)
    if code in STOP_CODES or (status == HTTPStatus.UNAUTHORIZED and not code):
        return Judgement(Verdict.STOP, reason)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Judgement(Verdict.REFUSED, reason)
    passing = status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if code not in PERMANENT_CODES and (passing or status == HTTPStatus.OK):
        return Judgement(Verdict.AGAIN, reason)
    return Judgement(Verdict.GIVE_UP, reason)

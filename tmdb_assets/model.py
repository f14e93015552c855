"""Frozen values that travel between the layers, and nothing that acts.

Words are those of the glossary in ARCHITECTURE.md. Durations are seconds; moments are UTC.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

OUTCOME_FORMAT = 2
"""Version of a line of `outcomes.jsonl` and of `receipt.json`; those of version 1 are read too."""


class OutcomeKind(StrEnum):
    """How a URL ended."""

    FETCHED = "fetched"
    """Valid TMDB JSON is on disk."""
    ABSENT = "absent"
    """TMDB says that there is no such thing (404 or 410): an answer."""
    FAILED = "failed"
    """Given up for now; a later run tries again."""
    PURGED = "purged"
    """Was fetched, and removed for its age: not asked for again unless somebody wants it anew."""


@dataclass(frozen=True, slots=True)
class Target:
    """One URL to download.

    Attributes:
        url: canonical, absolute, without credentials.
        name: file name of its body without `.json`; stable between runs.
        etag: of the body that is there already: it is asked for only if it changed since.
        parts: targets that its answer is split into; empty for one that stands for itself alone.
    """

    url: str
    name: str
    etag: str = ""
    parts: tuple["Target", ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one target ended in one run; a line of `outcomes.jsonl`.

    A body is stored if `sha256` is not empty. One that failed has such a body if it was fetched
    before and could not be fetched anew: then `bytes`, `sha256`, `etag` and `as_of` are of that.

    Attributes:
        status: last HTTP status, or None where no answer came.
        reason: why, in one or a few words without data of the URL; empty for `fetched`.
        attempts: requests that left for it in this run, redirects and refused ones too.
        bytes: size of the stored body, 0 if none.
        sha256: digest of the stored body in hex, empty if none.
        etag: as the server sent it, empty if none.
        sent_at: moment at which each request left, POSIX seconds, good to a microsecond; empty
            where another target of the same combined request has them.
        seconds: duration of the last attempt from its permit to its last byte.
        as_of: moment that what it says dates from, POSIX seconds: when the last request for the
            body left, or for the answer that it still holds; 0 if nothing was ever sent.
        combined_with: URL of the request that brought it with others, empty if it came alone.
    """

    url: str
    name: str
    outcome: OutcomeKind
    status: int | None
    reason: str
    attempts: int
    bytes: int
    sha256: str
    etag: str
    sent_at: tuple[float, ...]
    seconds: float
    as_of: float = 0.0
    combined_with: str = ""

    @property
    def has_body(self) -> bool:
        """Whether it promises a body on disk."""
        return bool(self.sha256)


@dataclass(frozen=True, slots=True)
class Credential:
    """What TMDB knows the user by; its text shows in no `repr`.

    Attributes:
        secret: the token or key itself.
        is_token: True for an API Read Access Token (sent as Bearer), False for a v3 key (sent as
            the query parameter `api_key`).
    """

    secret: str = field(repr=False)
    is_token: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the environment decides, checked; see `settings.from_environment`.

    Attributes:
        origins: `scheme://host[:port]` that may be asked; lines without an origin get the first.
        requests_per_second: cap over any second, for everything that shares the limiter.
        limiter: `file:/path` or a Redis address.
        limiter_key: what is paced, as a name: a digest of origins and credential.
        threads: requests in flight per run at most.
        timeout_seconds: bound of one whole attempt, from its permit to its last byte.
        max_attempts: tries per URL; an answer 429 does not count.
        outage_seconds: how long a run waits for a server that does not answer.
        max_failed_share: of the URLs of a batch, how many may fail before its run fails.
    """

    data_dir: Path
    url_lists_dir: Path
    origins: tuple[str, ...]
    credential: Credential | None
    requests_per_second: int
    limiter: str = field(repr=False)  # a Redis address may hold a password
    limiter_key: str
    threads: int
    batch_size: int
    timeout_seconds: float
    max_attempts: int
    outage_seconds: float
    max_body_bytes: int
    max_failed_share: float


class Fault(StrEnum):
    """Why an attempt brought no whole answer; the value is what users read."""

    NAME = "host name not found"
    CONNECTION_REFUSED = "connection refused"
    NO_ROUTE = "no route to the host"
    CONNECTION_LOST = "connection lost"
    TIMED_OUT = "timed out"
    TLS = "TLS failure"
    PROXY = "proxy failure"
    MALFORMED = "malformed HTTP"
    TRUNCATED = "truncated body"
    BAD_ENCODING = "undecodable body"
    TOO_LARGE = "body too large"
    ECHO = "answer that repeats the credential"
    REDIRECTED = "redirected elsewhere"
    REDIRECT_LOOP = "redirect loop"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt at a target.

    Attributes:
        status: HTTP status, or None where no whole answer came.
        body: the whole body, decoded from gzip; empty where there is a fault.
        etag: as sent, or empty.
        retry_after: header Retry-After as sent.
        fault: why there is no whole answer, or None.
        sent_at: moments at which its requests left (redirects make more than one), POSIX seconds.
        seconds: from the last permit to the last byte.
        left_at: monotonic seconds of the last permit.
    """

    status: int | None
    body: bytes
    etag: str
    retry_after: str | None
    fault: Fault | None
    sent_at: tuple[float, ...]
    seconds: float
    left_at: float = 0.0

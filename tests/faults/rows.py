"""Every fault of the server and the net: what becomes of a URL that has it, and what that costs.

The tests stage each row; the table on the architecture page is made of the same rows.
"""

from dataclasses import dataclass
from enum import Enum, auto

from tmdb_assets.client.session import HANDSHAKE_SECONDS
from tmdb_assets.outage import OUTAGE_SECONDS
from tmdb_assets.settings import from_environment

_DEFAULTS = from_environment({})
_BAD_KEY = "TMDB refuses the credential (HTTP 401, TMDB code 7)"
_SUSPENDED = "TMDB refuses the credential (HTTP 401, TMDB code 10)"


class Stage(Enum):
    """What stages a fault."""

    STAND_IN = auto()
    """The stand-in, by its kind of misbehaviour."""
    HANDSHAKE = auto()
    """A TLS server of our own."""
    NET = auto()
    """Addresses that cannot be reached."""


class End(Enum):
    """How it ends if the fault does not go away by itself, or if it does in time."""

    FETCHED = auto()
    FAILED = auto()
    STOPPED = auto()
    """The run ends, with an error."""


class Again(Enum):
    """Whether a URL is tried again; the value is what the page says."""

    NO = "no"
    YES = "yes"
    PAUSED = "yes, after a pause of everybody"
    UNCOUNTED = "yes, and it is no try"
    OUTAGE = "yes, as an outage"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    Attributes:
        fault: its name on the page.
        kind: what the stage calls it.
        reason: of the outcome, or the beginning of the error of a run that ends; empty if the URL
            is fetched.
        requests: that leave in one attempt.
        attempt_seconds: what an attempt takes because something waits for its bound, with defaults.
    """

    fault: str
    kind: str
    reason: str
    again: Again = Again.YES
    end: End = End.FAILED
    requests: int = 1
    attempt_seconds: float = 0.0
    stage: Stage = Stage.STAND_IN

    def markdown(self) -> str:
        """Return the row as the page has it."""
        sees = f"`{self.reason}`" if self.reason else "nothing, it is fetched"
        return f"| {self.fault} | {sees} | {self.again.value} | {self._costs()} |"

    def _costs(self) -> str:
        each = f" of {self.attempt_seconds:.0f} s" if self.attempt_seconds else ""
        match self.again:
            case Again.UNCOUNTED:
                return "a request per pause of everybody"
            case Again.OUTAGE if self.end is End.FETCHED:
                return "no request but the one that is answered"
            case Again.OUTAGE:
                handshakes = f", handshakes{each}" if each else ""
                minutes = f"{OUTAGE_SECONDS / 60:.0f} minutes"
                return f"no request{handshakes}; the run ends after {minutes}"
            case Again.NO:
                count = self.requests
            case _:
                count = self.requests * _DEFAULTS.max_attempts
        run = "; the run ends" if self.end is End.STOPPED else ""
        return f"{count} request{'s' * (count > 1)}{each}{run}"


_ELSEWHERE = "redirected elsewhere"
_TIMEOUT = _DEFAULTS.timeout_seconds
_HTTP = (
    Row("503", "503", "HTTP 503, TMDB code 9"),
    Row("503 with Retry-After", "503_retry_after", "HTTP 503, TMDB code 9", Again.PAUSED),
    Row("500", "500", "HTTP 500, TMDB code 11"),
    Row("502", "502", "HTTP 502, TMDB code 43"),
    Row("504", "504", "HTTP 504, TMDB code 24"),
    Row("500 with TMDB's code for a bad id", "error_44", "HTTP 500, TMDB code 44", Again.NO),
    Row("429", "429", "", Again.UNCOUNTED, End.FETCHED),
    Row("429 with Retry-After", "429_retry_after", "", Again.UNCOUNTED, End.FETCHED),
    Row("401", "401", _BAD_KEY, Again.NO, End.STOPPED),
    Row("401 for a suspended account", "suspended", _SUSPENDED, Again.NO, End.STOPPED),
)
_CONNECTION = (
    Row("reset before the headers", "reset", "connection lost"),
    Row("reset in the headers", "reset_in_headers", "connection lost"),
    Row("reset after the headers, in the body", "reset_in_body", "connection lost"),
    Row("closed without an answer", "close", "connection lost"),
    Row("cut short, with Content-Length", "truncated", "truncated body"),
    Row("cut short, in chunks", "truncated_chunked", "truncated body"),
    Row("cut short, without any framing", "truncated_unframed", "invalid JSON"),
)
_BODY = (
    Row("JSON that is broken", "bad_json", "invalid JSON"),
    Row("bytes that are no UTF-8", "bad_utf8", "invalid JSON"),
    Row("JSON 5,000 lists deep", "deep_json", "JSON nested too deeply"),
    Row("the answer to another id", "wrong_id", "an answer about another id"),
    Row("HTML with 200", "html", "HTML instead of JSON"),
    Row("HTML with 404", "404_html", "HTTP 404, HTML instead of JSON"),
    Row("200 without a body", "empty", "empty body"),
    Row("an error body of TMDB with 200", "error_in_200", "HTTP 200, TMDB code 21", Again.NO),
    Row("no gzip where gzip is announced", "bad_gzip", "undecodable body"),
    Row("gzip with a wrong CRC", "bad_gzip_crc", "undecodable body"),
    Row("gzip that ends early", "cut_gzip", "undecodable body"),
    Row("gzip without its trailer", "gzip_no_trailer", "undecodable body"),
    Row("a gzip bomb", "gzip_bomb", "body too large", Again.NO),
    Row("a body of 1 GiB", "huge", "body too large", Again.NO),
    Row("the credential in the answer", "echo", "answer that repeats the credential", Again.NO),
)
_TIME = (
    Row("no answer", "stall", "timed out", attempt_seconds=_TIMEOUT),
    Row("silence in the body", "stall_in_body", "timed out", attempt_seconds=_TIMEOUT),
    Row("a body of a byte a second", "drip", "timed out", attempt_seconds=_TIMEOUT),
    Row("headers of a byte a second", "drip_headers", "timed out", attempt_seconds=_TIMEOUT),
    Row("5,000 headers", "header_flood", "malformed HTTP"),
    Row("interim answers (103) without end", "interim_flood", "connection lost"),
)
_REDIRECTS = (
    Row("redirect within the origin", "redirect_same", "", Again.NO, End.FETCHED, requests=2),
    Row("redirect to another host", "redirect_other", _ELSEWHERE, Again.NO),
    Row("redirect in a circle", "redirect_loop", "redirect loop", Again.NO, requests=6),
    Row("redirect to a port of loopback", "redirect_loopback", _ELSEWHERE, Again.NO),
    Row("redirect to a link-local address", "redirect_link_local", _ELSEWHERE, Again.NO),
    Row("redirect to `file:`", "redirect_file", _ELSEWHERE, Again.NO),
)


def _unreached(  # noqa: PLR0913 - the fields that differ
    fault: str,
    kind: str,
    reason: str,
    *,
    end: End = End.FAILED,
    attempt_seconds: float = 0.0,
    stage: Stage = Stage.NET,
) -> Row:
    return Row(fault, kind, reason, Again.OUTAGE, end, 0, attempt_seconds, stage)


_NET = (
    _unreached("a certificate for somebody else", "tls", "TLS failure", stage=Stage.HANDSHAKE),
    _unreached(
        "a TLS handshake that never ends",
        "mute",
        "timed out",
        attempt_seconds=HANDSHAKE_SECONDS,
        stage=Stage.HANDSHAKE,
    ),
    _unreached("a host that DNS does not know", "name", "host name not found"),
    _unreached("DNS that fails for a while", "flap", "", end=End.FETCHED),
    _unreached("IPv6 without a route", "route", "no route to the host"),
    _unreached("connections refused", "refused", "connection refused"),
    _unreached("connections refused for a while", "restart", "", end=End.FETCHED),
)

ROWS = (*_HTTP, *_CONNECTION, *_BODY, *_TIME, *_REDIRECTS, *_NET)


def markdown() -> str:
    """Return the table as the page has it."""
    head = ("| fault | seen as | tried again | costs |", "| --- | --- | --- | --- |")
    return "\n".join((*head, *(row.markdown() for row in ROWS)))

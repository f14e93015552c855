"""Which request is answered with which misbehaviour; pure, apart from counting requests.

How each kind looks on the wire is in `misbehave`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tmdb_assets.standin.dice import unit_of

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "401": "401, code 7: the key is invalid",
        "404_html": "404 with an HTML page",
        "429": "429 without Retry-After although the cap is kept",
        "429_retry_after": "429 with Retry-After: 1",
        "500": "500, code 11: internal error",
        "502": "502, code 43: no backend",
        "503": "503, code 9: service offline",
        "503_retry_after": "503 with Retry-After: 1",
        "504": "504, code 24: the backend took too long",
        "bad_gzip": "200, says gzip, is none",
        "bad_gzip_crc": "200 in gzip whose checksum is wrong",
        "bad_json": "200, whole for HTTP, but the JSON is cut",
        "bad_utf8": "200, JSON in Latin-1 instead of UTF-8",
        "close": "the connection ends before any byte of the answer",
        "cut_gzip": "200, whole for HTTP, but half of the gzip is missing",
        "deep_json": "200, valid JSON, 5,000 arrays deep",
        "drip": "the body comes a byte a second",
        "drip_headers": "the headers come a byte a second and never end",
        "echo": "200 that repeats the credential in body and ETag",
        "empty": "200 without a body",
        "error_44": "500, code 44: the id is invalid, for ever",
        "error_in_200": "200 whose body says success: false",
        "gzip_bomb": "a small gzip that unpacks to more than `huge_bytes`",
        "gzip_no_trailer": "200 in gzip without checksum and length at its end",
        "header_flood": "5,000 headers, then the usual body",
        "html": "200 with an HTML page",
        "huge": "valid JSON larger than `huge_bytes`",
        "interim_flood": "103 Early Hints, a hundred a second, and no answer",
        "redirect_file": "302 to file:///etc/passwd",
        "redirect_link_local": "302 to where a cloud keeps a machine's credentials",
        "redirect_loop": "302 to itself",
        "redirect_loopback": "302 to port 9 of 127.0.0.1, where nobody listens",
        "redirect_other": "302 to another origin, where nothing listens",
        "redirect_same": "301 to a path of this origin that works",
        "reset": "the connection is reset before any byte of the answer",
        "reset_in_body": "headers and half of the body, then a reset",
        "reset_in_headers": "part of the headers, then a reset",
        "stall": "no answer for two minutes, then the end of the connection",
        "stall_in_body": "half of the body, then nothing for two minutes",
        "suspended": "401, code 10: the account is suspended",
        "truncated": "half of the body that Content-Length announces, then the end",
        "truncated_chunked": "half of the body in chunks without the last one, then the end",
        "truncated_unframed": "half of a body that ends with the connection",
        "wrong_id": "200, the usual object, but with the next id",
    }
)
"""Each kind of misbehaviour and what it does."""

BEHAVE = "ok"
"""In a script: answer as usual."""

DEFAULT_KINDS = ("503", "reset", "truncated", "bad_json", "html")
"""Those of a share of faulty URLs, if no others are named: each goes away by itself."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of all URLs that misbehave at first.

    Attributes:
        share: of all URLs, from 0 to 1.
        kinds: each faulty URL has one of them.
        times: first requests for a faulty URL that misbehave.
        seed: other seeds make other URLs faulty.
    """

    share: float
    kinds: tuple[str, ...]
    times: int
    seed: int

    def kind_of(self, url: str) -> str | None:
        """Return what is wrong with the URL, None for most."""
        if not self.kinds or unit_of(f"{self.seed} faulty {url}") >= self.share:
            return None
        return self.kinds[int(unit_of(f"{self.seed} kind {url}") * len(self.kinds))]


class FaultPlan:
    """Decides request by request; one event loop owns it."""

    def __init__(self, share: Share, script: Mapping[str, Sequence[str]]) -> None:
        self._share = share
        self._left = {path: list(reversed(kinds)) for path, kinds in script.items()}
        self._asked: Counter[str] = Counter()

    def kind_for(self, path: str, url: str) -> str | None:
        """Return the misbehaviour of the next request, None if it is to be answered as usual.

        Args:
            path: without query; what a script goes by.
            url: path and query without credentials; what a share goes by.
        """
        if path in self._left:
            return self.scripted(path)
        kind = self._share.kind_of(url)
        if kind is None:
            return None
        self._asked[url] += 1
        return kind if self._asked[url] <= self._share.times else None

    def scripted(self, path: str) -> str | None:
        """Return what the script has for the next request for the path, None if nothing."""
        left = self._left.get(path)
        next_kind = left.pop() if left else BEHAVE
        return None if next_kind == BEHAVE else next_kind


def check_kinds(kinds: Iterable[str]) -> None:
    """Raise ValueError for a kind that does not exist."""
    for kind in kinds:
        if kind not in KINDS:
            known = ", ".join(KINDS)
            raise ValueError(f"{kind!r} is no kind of misbehaviour: use one of {known}")

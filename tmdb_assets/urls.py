"""URLs as text: their canonical form, their key and their file name.

A URL is known by its canonical form, so one spelled differently is the same target. Pure functions
without files, network or settings; any thread may call them. No message from here holds text of a
query, because keys travel there.
"""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tmdb_assets.model import Target
from tmdb_assets.rejection import MAX_LENGTH, RejectedLineError, check_length, check_text

TMDB_HOSTS = frozenset({"api.themoviedb.org", "api.tmdb.org"})
"""TMDB's own names for its API: here its rate limit holds and a credential is needed."""

CREDENTIAL_PARAMETERS = frozenset(
    {
        *("api_key", "session_id", "guest_session_id", "access_token", "request_token"),
        # not TMDB's, but what people write for them
        *("api-key", "apikey", "bearer", "password", "token"),
    }
)
"""Query parameters that say who asks, not what is asked; compared in lower case."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65_535
_ORIGIN = re.compile(
    r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?"
)
_READABLE_LENGTH = 60
_DIGEST_DIGITS = 12

# Most lines of a long list look like this, and taking them apart is five times the work: no part of
# the path starts with a dot, nothing is encoded, no slash at the end, only whole parameters.
_PLAIN = re.compile(
    r"(https?://[a-z0-9.:_-]+)/[34](?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+"
    r"(?:\?((?:[A-Za-z0-9_.~-]+=[A-Za-z0-9_.~,:-]*&)*[A-Za-z0-9_.~-]+=[A-Za-z0-9_.~,:-]*))?"
)
_ABSOLUTE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?")
_GUEST_SESSION = re.compile("/guest_session/", re.IGNORECASE)
_SAFE = re.compile(r"[A-Za-z0-9_.~,:-]*")
_PATH_FORBIDS = re.compile(r"%(?:22|26|3C|3D|3E|5B|5D|5E|60|7B|7C|7D)")
_ENCODED_DELIMITER = re.compile(r"%(?:2f|5c|3f|23)", re.IGNORECASE)
_ENDS_WITH_SPACE = " \t\r\n\xa0"

# TMDB's own names end in one of these.
_CREDENTIAL_NAME = "(?:api_key|session_id|access_token|request_token)"
# After a second "?", in an encoded URL, or with brackets; "=" may be encoded, even twice.
_HIDDEN_CREDENTIAL = re.compile(f"{_CREDENTIAL_NAME}[=%]")


class Canonical(NamedTuple):
    """A URL in canonical form, and whether the line held a credential, which is gone."""

    url: str
    had_credential: bool


def canonical(line: str, origins: Sequence[str]) -> Canonical:
    """Return the one spelling of the URL in `line`.

    Origin in lower case without a default port; percent-encoding only where needed; `+` in a query
    becomes `%20`; parameters sorted by name (repeated ones keep their order), `a` becomes `a=`;
    credentials, empty parameters and the fragment are dropped, and so is one slash at the end:
    TMDB answers both alike. The canonical form of a canonical URL is itself.

    Args:
        line: an absolute URL, or a path such as `/3/movie/550` or `/movie/550` (version 3 is
            meant). White space around it does not matter.
        origins: canonical origins that may be asked; a path belongs to the first. If that one is
            on loopback, it stands in for TMDB: URLs of TMDB's own hosts belong to it too.

    Raises:
        RejectedLineError: the line is not such a URL.
    """
    text = line.strip(_ENDS_WITH_SPACE)
    if _is_canonical(text, origins):
        return Canonical(text, had_credential=False)
    check_text(text)
    origin, path, query, is_relative = _split(text, origins)
    path = _canonical_path(path, is_relative=is_relative)
    query, had_credential = _canonical_query(query)
    url = f"{origin}{path}?{query}" if query else f"{origin}{path}"
    if _HIDDEN_CREDENTIAL.search(url.lower()) or _GUEST_SESSION.search(url):
        raise RejectedLineError(
            "a credential inside the path or the value of a parameter",
            "remove it; parameters start with one ? and are separated by &",
        )
    check_length(url)
    return Canonical(url, had_credential)


def _is_canonical(text: str, origins: Sequence[str]) -> bool:
    """Tell whether a text is surely canonical; False says nothing."""
    plain = _PLAIN.fullmatch(text)
    if plain is None or plain[1] not in origins or len(text) > MAX_LENGTH:
        return False
    if _GUEST_SESSION.search(text):
        return False
    if plain[2] is None:
        return True
    # names alone are compared: "-" sorts before "="
    names = [pair.partition("=")[0] for pair in plain[2].split("&")]
    return (
        names == sorted(names)
        and not _HIDDEN_CREDENTIAL.search(text.lower())
        and CREDENTIAL_PARAMETERS.isdisjoint(map(str.lower, names))
    )


def _split(text: str, origins: Sequence[str]) -> tuple[str, str, str, bool]:
    """Return origin, path, query, and whether the line gave no origin."""
    if text.startswith("//"):
        raise RejectedLineError("a URL without a scheme", "write https: before the //")
    is_relative = text.startswith("/")
    # the host of a path is never looked at: any will do
    match = _ABSOLUTE.fullmatch(f"https://host{text}" if is_relative else text)
    if match is None:
        raise _not_a_url(text)
    scheme, authority, path, query = match.groups(default="")
    origin = origins[0] if is_relative else _allowed(scheme.lower(), authority, origins)
    return origin, path, query, is_relative


def _not_a_url(text: str) -> RejectedLineError:
    if text[:1] in {'"', "'", "<"}:
        return RejectedLineError("a quoted line", "write the URL alone, without quotes")
    if text.partition("/")[0].lower() in TMDB_HOSTS:
        return RejectedLineError("a URL without a scheme", "write https:// before it")
    return RejectedLineError("not a URL", "start it with https:// or, for a path, with /")


def _allowed(scheme: str, authority: str, origins: Sequence[str]) -> str:
    if "@" in authority:
        raise RejectedLineError("a user name before the host", "remove all up to and with the @")
    if scheme not in _DEFAULT_PORTS:
        raise RejectedLineError(f"the scheme {scheme[:20]!r}", "write https://")
    try:
        origin = canonical_origin(f"{scheme}://{authority}")
    except ValueError:
        raise RejectedLineError(
            "no valid host after the //", "write https://api.themoviedb.org there"
        ) from None
    if origin in origins:
        return origin
    if is_tmdb(origin) and is_loopback(origins[0]):
        return origins[0]  # the stand-in answers for TMDB; the URL is frozen with its origin
    host = host_of(origin)
    same_host = [allowed for allowed in origins if host_of(allowed) == host]
    if same_host:
        raise RejectedLineError(
            f"the origin {origin[:80]!r} is not allowed", f"write {same_host[0]}"
        )
    raise RejectedLineError(
        f"the host {host[:80]!r} is not allowed",
        "remove the line, or name its origin in TMDB_ALLOWED_ORIGINS",
    )


def _canonical_path(path: str, *, is_relative: bool) -> str:
    if "//" in path:
        raise RejectedLineError(
            "an empty part between two slashes of the path", "fill or remove it"
        )
    if _ENCODED_DELIMITER.search(path):
        raise RejectedLineError(
            "an encoded slash, backslash, ? or # in the path", "write it plainly or remove it"
        )
    parts = [_encoded(part) for part in path.removesuffix("/").split("/")[1:]]
    if "." in parts or ".." in parts:
        raise RejectedLineError("a . or .. as a part of the path", "write the path out")
    if is_relative and parts and not parts[0][:1].isdigit():
        parts.insert(0, "3")
    if parts[:1] not in (["3"], ["4"]):
        raise RejectedLineError("the path is not under /3/ or /4/", "write it as in /3/movie/550")
    if len(parts) == 1:
        raise RejectedLineError(
            f"nothing after /{parts[0]}/", "say what to fetch, as in /3/movie/550"
        )
    result = "/" + "/".join(parts)
    if _PATH_FORBIDS.search(result):
        raise RejectedLineError(
            'one of " & = < > [ ] ^ ` { | } in the path',
            "remove it, fill in placeholders, and put ? before parameters",
        )
    return result


def _canonical_query(query: str) -> tuple[str, bool]:
    """Return the query and whether it named a credential."""
    had_credential = False
    pairs = []
    for pair in query.split("&") if query else ():
        name, _, value = pair.replace("+", "%20").partition("=")
        name = _encoded(name)
        if name.lower() in CREDENTIAL_PARAMETERS:
            had_credential = had_credential or bool(value)
        elif name or value:
            pairs.append((name, _encoded(value)))
    pairs.sort(key=lambda pair: pair[0])
    return "&".join(f"{name}={value}" for name, value in pairs), had_credential


def _encoded(text: str) -> str:
    if _SAFE.fullmatch(text):
        return text
    # Bytes, not text: escapes that are no UTF-8 pass through as they are.
    return quote_from_bytes(unquote_to_bytes(text), safe=",:")


def canonical_origin(text: str) -> str:
    """Return `scheme://host[:port]` in lower case, without a default port or a dot at the end.

    Raises:
        ValueError: it is anything else than an origin of http or https. Its message holds no part
            of `text`, which may hold a password.
    """
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        raise ValueError("not of the form https://host[:port]")
    scheme, host, port = match.groups(default="")
    number = int(port or _DEFAULT_PORTS[scheme])
    if not 1 <= number <= _LAST_PORT:
        raise ValueError(f"its port is not within 1 to {_LAST_PORT}")
    host = _compressed(host) if host.startswith("[") else host.removesuffix(".")
    suffix = "" if number == _DEFAULT_PORTS[scheme] else f":{number}"
    return f"{scheme}://{host}{suffix}"


def _compressed(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    except ValueError:
        raise ValueError("not an IPv6 address between the brackets") from None


def host_of(origin: str) -> str:
    """Return the host of a canonical origin; an IPv6 address keeps its brackets."""
    return re.sub(r":[0-9]+$", "", origin.partition("://")[2])


def origin_of(url: str) -> str:
    """Return the origin of a canonical URL."""
    return url[: url.index("/", len("https://"))]


def is_loopback(origin: str) -> bool:
    """Tell whether a canonical origin is on this machine: 127.0.0.0/8, ::1 or localhost."""
    host = host_of(origin)
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_tmdb(origin: str) -> bool:
    """Tell whether a canonical origin is TMDB's own, on whatever port."""
    return host_of(origin) in TMDB_HOSTS


def key(url: str) -> bytes:
    """Return 16 bytes that stand for a canonical URL: enough for sets of millions."""
    return hashlib.sha256(url.encode()).digest()[:16]


def file_name(url: str) -> str:
    """Return the name of the body of a canonical URL, as `movie-550-1f0c9a2b3c4d`.

    Only `[a-z0-9-]`, so it is the same on every file system; the digest tells apart what the
    readable part cannot.
    """
    path = url[len(origin_of(url)) :].partition("?")[0]
    version, _, rest = path[1:].partition("/")
    plain = re.sub(r"%[0-9A-F]{2}", "-", rest if version == "3" else f"v{version}-{rest}").lower()
    readable = re.sub(r"[^a-z0-9]+", "-", plain)[:_READABLE_LENGTH].strip("-") or "url"
    return f"{readable}-{key(url).hex()[:_DIGEST_DIGITS]}"


def target(url: str) -> Target:
    """Return the target of a canonical URL."""
    return Target(url, file_name(url))

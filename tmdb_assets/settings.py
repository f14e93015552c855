"""What the environment decides, checked once and before any request: `from_environment`.

Pure: the caller hands in the mapping, nobody here reads the environment of the process. What is
wrong comes out as `ConfigurationError` that names variable, value and remedy; the value of a
credential is never part of it.
"""

import hashlib
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Credential, Settings
from tmdb_assets.urls import canonical_origin, is_loopback, is_tmdb

MAX_TMDB_REQUESTS_PER_SECOND = 50
"""TMDB developer docs, 'Rate limiting': about 40 to 50 per second; we never ask for more."""

_MIB = 1024 * 1024


class _Bounds(NamedTuple):
    default: float
    least: int
    most: int
    unit: str


# Nine digits are the most that are read at all: a stand-in may be driven as fast as it goes.
_RATE = _Bounds(50, 1, 999_999_999, "requests per second")
_THREADS = _Bounds(160, 1, 1024, "threads")
_BATCH_SIZE = _Bounds(2000, 100, 20_000, "URLs per batch")
_TIMEOUT = _Bounds(30, 1, 600, "seconds")
_ATTEMPTS = _Bounds(6, 1, 20, "attempts per URL")
_OUTAGE = _Bounds(600, 1, 86_400, "seconds")
_BODY = _Bounds(16, 1, 1024, "MiB")
_FAILED = _Bounds(0.1, 0, 1, "as a share of a batch")


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings that these variables ask for; an empty one counts as unset.

    Relative folders stay relative to wherever the process runs.

    Raises:
        ConfigurationError: the first variable that cannot be used.
    """
    origins = _origins(environment)
    credential = _credential(environment)
    return Settings(
        data_dir=_folder(environment.get("TMDB_DATA_DIR") or "data"),
        url_lists_dir=Path(environment.get("TMDB_URL_LISTS_DIR") or "url_lists"),
        origins=origins,
        credential=credential,
        requests_per_second=_rate(environment, origins),
        limiter=_limiter(environment, key := _limiter_key(origins, credential)),
        limiter_key=key,
        threads=_whole(environment, "TMDB_THREADS", _THREADS),
        batch_size=_whole(environment, "TMDB_BATCH_SIZE", _BATCH_SIZE),
        timeout_seconds=_number(environment, "TMDB_TIMEOUT_SECONDS", _TIMEOUT),
        max_attempts=_whole(environment, "TMDB_MAX_ATTEMPTS", _ATTEMPTS),
        outage_seconds=_number(environment, "TMDB_OUTAGE_SECONDS", _OUTAGE),
        max_body_bytes=_whole(environment, "TMDB_MAX_BODY_MIB", _BODY) * _MIB,
        max_failed_share=_number(environment, "TMDB_MAX_FAILED_SHARE", _FAILED),
    )


def _folder(text: str) -> Path:
    """Return a folder without `..`: what that leads to behind a link, not every library asks."""
    path = Path(text)
    return path.resolve() if ".." in path.parts else path


def require_credential(settings: Settings, origins: Iterable[str]) -> None:
    """Make sure that there is a credential if one of these origins is TMDB's.

    Raises:
        ConfigurationError: there is none.
    """
    if settings.credential is None and any(is_tmdb(origin) for origin in origins):
        raise ConfigurationError(
            "set TMDB_READ_ACCESS_TOKEN: TMDB answers nobody without; "
            "get the API Read Access Token at https://www.themoviedb.org/settings/api"
        )


def _whole(environment: Mapping[str, str], name: str, bounds: _Bounds) -> int:
    return int(_checked(environment, name, bounds, r"-?[0-9]{1,9}", "a whole number"))


def _number(environment: Mapping[str, str], name: str, bounds: _Bounds) -> float:
    return float(_checked(environment, name, bounds, r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?", "a number"))


def _checked(
    environment: Mapping[str, str], name: str, bounds: _Bounds, pattern: str, what: str
) -> str:
    text = (environment.get(name) or str(bounds.default)).strip()
    if not re.fullmatch(pattern, text):
        raise _not_within(name, text, bounds, what)
    if not bounds.least <= float(text) <= bounds.most:
        raise _not_within(name, text, bounds, "within bounds")
    return text


def _not_within(name: str, text: str, bounds: _Bounds, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is {text[:80]!r}, which is not {what}: "
        f"set it to {bounds.least} to {bounds.most} ({bounds.unit}), "
        f"or unset it for {bounds.default}"
    )


def _rate(environment: Mapping[str, str], origins: tuple[str, ...]) -> int:
    rate = _whole(environment, "TMDB_REQUESTS_PER_SECOND", _RATE)
    own = [origin for origin in origins if is_tmdb(origin)]
    if own and rate > MAX_TMDB_REQUESTS_PER_SECOND:
        raise ConfigurationError(
            f"TMDB_REQUESTS_PER_SECOND is {rate}, above TMDB's limit for {own[0]}: "
            f"set it to 1 to {MAX_TMDB_REQUESTS_PER_SECOND}, "
            "or take TMDB's hosts out of TMDB_ALLOWED_ORIGINS"
        )
    return rate


def _origins(environment: Mapping[str, str]) -> tuple[str, ...]:
    name = "TMDB_ALLOWED_ORIGINS"
    texts = (environment.get(name) or "https://api.themoviedb.org").split(",")
    origins = [_origin(name, text.strip()) for text in texts if text.strip()]
    if not origins:
        raise ConfigurationError(
            f"{name} names no origin: set it to https://api.themoviedb.org or unset it"
        )
    return tuple(dict.fromkeys(origins))


def _origin(name: str, text: str) -> str:
    try:
        origin = canonical_origin(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{name} has {_without_secrets(text)}, {error}: write scheme, host and port alone, "
            "as in https://api.themoviedb.org"
        ) from None
    if origin.startswith("http://") and not is_loopback(origin):
        raise ConfigurationError(
            f"{name} has {origin!r}, where a token would travel in clear: "
            f"write https, plain http is for 127.0.0.0/8, ::1 and localhost"
        )
    return origin


def _without_secrets(text: str) -> str:
    # A password stands before an @ and keys stand in a query: such a value is not shown at all.
    return "a value with a password or a query" if re.search("[@?]", text) else repr(text[:80])


def _credential(environment: Mapping[str, str]) -> Credential | None:
    for name, is_token in (("TMDB_READ_ACCESS_TOKEN", True), ("TMDB_API_KEY", False)):
        secret = environment.get(name)
        if secret:
            # Only visible ASCII can stand in a header; a line feed would even start a new one.
            if not re.fullmatch(r"[!-~]+", secret):
                raise ConfigurationError(
                    f"{name} holds white space or other characters that no credential has: "
                    "copy it anew from https://www.themoviedb.org/settings/api"
                )
            return Credential(secret, is_token=is_token)
    return None


def _limiter(environment: Mapping[str, str], key: str) -> str:
    text = environment.get("TMDB_LIMITER") or "file"
    if text == "file":
        return f"file:{_state_folder(environment) / key}"
    if re.fullmatch(r"file:/(?!/)[^\x00]*[^/\x00]", text) or _is_redis(text):
        return text
    raise ConfigurationError(
        f"TMDB_LIMITER is {_without_secrets(text)}, which names no store: "
        "set it to file, file:/absolute/path, redis://host:port/db or rediss://host:port/db"
    )


def _limiter_key(origins: tuple[str, ...], credential: Credential | None) -> str:
    """Return the name of what is paced: the same for all who ask these origins as this user.

    TMDB's own hosts are one API: whatever else may be asked beside them, the same token means the
    same name. It holds a digest of the credential, not the credential. The cap is no part of it:
    two caps for one token would add up.
    """
    whom = ("tmdb",) if any(map(is_tmdb, origins)) else tuple(sorted(origins))
    secret = credential.secret if credential is not None else ""
    digest = hashlib.sha256("\n".join((*whom, secret)).encode()).hexdigest()[:16]
    return f"limiter-{digest}"


def _state_folder(environment: Mapping[str, str]) -> Path:
    """Return where the limiter's files lie: with the user, from wherever a command is started."""
    home = environment.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    state = environment.get("XDG_STATE_HOME", "")
    folder = Path(state) if state.startswith("/") else Path(home).absolute() / ".local" / "state"
    return folder / "tmdb_assets"


def _is_redis(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # reading the port is what checks it
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_database = re.fullmatch(r"(?:/[0-9]*)?", parts.path) is not None
    # another query could switch off the bounds of waiting, or the check of certificates
    is_tls_query = re.fullmatch(r"ssl_ca_certs=/[^&]+", parts.query) is not None
    is_query = not parts.query or (parts.scheme == "rediss" and is_tls_query)
    is_rest = is_database and is_query and not parts.fragment
    return parts.scheme in {"redis", "rediss"} and has_place and is_rest

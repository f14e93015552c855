"""An environment without what is the user's own, and with as little room as a test wants."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")


def clean(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """Take the user's token, lists, limiter, proxies and certificates out of the environment."""
    for name in (*_PROXIES, *map(str.upper, _PROXIES), *_BUNDLES):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith(("TMDB_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Have this process write no file beyond a size: as little room as one likes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

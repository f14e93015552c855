"""An environment without what is the user's own."""

import os
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

from pathlib import Path

import pytest

from tests.client.servers import Certificate, make_certificate
from tests.faults.place import MakePlace, Place

_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_NAMES, *map(str.upper, _NAMES), *_BUNDLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def limiter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a limiter for all: a fresh one is silent at first because it knows no past."""
    return tmp_path_factory.mktemp("limiter") / "limiter"


@pytest.fixture
def place(tmp_path: Path, limiter: Path) -> MakePlace:
    """Freeze a list of URLs, the origins of which are allowed."""

    def make(*urls: str) -> Place:
        return Place.of(urls, tmp_path, limiter)

    return make


@pytest.fixture(scope="session")
def our_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ours"), "IP:127.0.0.1")


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("other"), "DNS:other.example.test")


@pytest.fixture
def certificate(our_certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """A certificate for loopback, with its authority trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(our_certificate.authority))
    return our_certificate

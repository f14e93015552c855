from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.servers import Certificate, CountingGate, make_certificate
from tmdb_assets.client.session import Client
from tmdb_assets.client.wire import Gate
from tmdb_assets.model import Credential, Settings
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

MakeClient = Callable[..., Client]

_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_NAMES, *map(str.upper, _NAMES), *_BUNDLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gate() -> CountingGate:
    return CountingGate()


@pytest.fixture
def make_client(gate: CountingGate) -> Iterator[MakeClient]:
    """Make a client for origins; it goes through `gate` if no other is given."""
    clients: list[Client] = []

    def make(  # noqa: PLR0913 - one per setting
        *origins: str,
        through: Gate | None = None,
        credential: Credential | None = None,
        threads: int = 32,
        timeout_seconds: float = 5.0,
        handshake_seconds: float = 10.0,
        max_body_bytes: int = 1 << 20,
    ) -> Client:
        settings = Settings(
            data_dir=Path("nowhere"),
            url_lists_dir=Path("nowhere"),
            origins=origins,
            credential=credential,
            requests_per_second=50,
            limiter="file",
            limiter_key="limiter",
            threads=threads,
            batch_size=100,
            timeout_seconds=timeout_seconds,
            max_attempts=1,
            outage_seconds=600.0,
            max_body_bytes=max_body_bytes,
        )
        clients.append(Client(settings, through or gate, handshake_seconds))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn(StandInSettings(latency_seconds=0, cap=None)) as server:
        yield server


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of the servers here, and of a host that exists nowhere."""
    names = "DNS:api.example.test,DNS:localhost,IP:127.0.0.1"
    return make_certificate(tmp_path_factory.mktemp("certificate"), names)


@pytest.fixture(scope="session")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for another host, by another authority."""
    return make_certificate(tmp_path_factory.mktemp("other"), "DNS:other.example.test")


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The certificate, with its authority trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.authority))
    return certificate

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.asking import MakeClient
from tests.client.servers import CountingGate
from tmdb_assets.client.session import Client
from tmdb_assets.client.wire import Gate
from tmdb_assets.model import Credential, Settings
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings


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
            max_failed_share=1.0,
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

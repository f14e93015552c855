"""The cap at the server's door: real processes, real time, judges of their own."""

import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.client.servers import Certificate, make_certificate
from tests.limiter.redis_server import RedisServer
from tests.system.crowd import SLOW_SECONDS, Crowd, keeps_the_cap
from tests.system.judge import Outsider, Verdict, haproxy, nginx, tapped
from tests.system.relay import relayed

OUTSIDERS = pytest.mark.parametrize("outsider", [nginx, haproxy])

Lend = Callable[[str], AbstractContextManager[Outsider]]


@pytest.fixture
def limiter(tmp_path: Path) -> str:
    """A file that is not there yet: every test begins cold."""
    return f"file:{tmp_path}/limiter"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of loopback, with its authority behind it in the same file."""
    made = make_certificate(tmp_path_factory.mktemp("tls"), "DNS:localhost,IP:127.0.0.1")
    chain = made.certfile.with_name("chain.pem")
    chain.write_bytes(made.certfile.read_bytes() + made.authority.read_bytes())
    return Certificate(made.authority, chain, made.keyfile)


def test_three_processes_share_a_file_from_a_cold_start_on(limiter: str) -> None:
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None) as judge,
        Crowd(judge[0].origin, limiter, seconds=12) as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    keeps_the_cap(verdict, lines, at_least=48)
    assert all(line.permits for line in lines)


def test_three_processes_share_a_redis_from_a_cold_start_on(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path) as redis,
        tapped(latency_seconds=SLOW_SECONDS, cap=None) as judge,
        Crowd(judge[0].origin, redis.address(), seconds=12) as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    keeps_the_cap(verdict, lines, at_least=48)
    assert all(line.permits for line in lines)


def test_the_cap_holds_over_tls_1_3(limiter: str, certificate: Certificate) -> None:
    bundle = str(certificate.authority)
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None, **tls(certificate)) as judge,
        Crowd(judge[0].origin, limiter, seconds=10, REQUESTS_CA_BUNDLE=bundle) as crowd,
    ):
        spoken = version_of_tls(judge[0].origin, certificate.authority)
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    assert spoken == "TLSv1.3"
    keeps_the_cap(verdict, lines, at_least=48)


def test_cold_connections_that_take_long_to_set_up_do_not_bunch(
    limiter: str, certificate: Certificate
) -> None:
    # with permits taken before connecting, twice the cap arrives in the first second
    bundle = str(certificate.authority)
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None, **tls(certificate)) as judge,
        relayed(urlsplit(judge[0].origin).port or 0, setup_seconds=0.3) as port,
        Crowd(f"https://127.0.0.1:{port}", limiter, seconds=8, REQUESTS_CA_BUNDLE=bundle) as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    keeps_the_cap(verdict, lines, at_least=45)


@OUTSIDERS
def test_a_judge_that_is_not_ours_rejects_nothing(limiter: str, outsider: Lend) -> None:
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None) as judge,
        outsider(judge[0].origin) as door,
        Crowd(door.origin, limiter, seconds=10) as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)
        rejected = door.rejected()

    keeps_the_cap(verdict, lines, at_least=48)
    assert rejected == 0, door.priority


def test_the_stand_in_catches_one_request_a_second_too_many(limiter: str) -> None:
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=50) as judge,
        Crowd(judge[0].origin, limiter, seconds=6, TMDB_REQUESTS_PER_SECOND="51") as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    assert verdict.most == 51
    assert verdict.refused >= 1
    assert sum(len(line.pauses_seconds) for line in lines) >= 1


# nginx's bucket has to fill first: it takes a rate above 50 for some seconds on end
@pytest.mark.parametrize(("outsider", "per_second"), [(nginx, 55), (haproxy, 51)])
def test_a_judge_that_is_not_ours_catches_a_limiter_that_is_too_fast(
    limiter: str, outsider: Lend, per_second: int
) -> None:
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None) as judge,
        outsider(judge[0].origin) as door,
        Crowd(door.origin, limiter, seconds=8, TMDB_REQUESTS_PER_SECOND=str(per_second)) as crowd,
    ):
        crowd.lines()
        rejected = door.rejected()

    assert rejected >= 1


def tls(certificate: Certificate) -> dict[str, Path]:
    return {"certfile": certificate.certfile, "keyfile": certificate.keyfile}


def version_of_tls(origin: str, authority: Path) -> str | None:
    """Return what a client of this machine speaks with the server."""
    parts, context = urlsplit(origin), ssl.create_default_context(cafile=authority)
    address = (parts.hostname or "", parts.port or 0)
    with (
        socket.create_connection(address, 5.0) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as link,
    ):
        return link.version()

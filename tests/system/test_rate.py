"""The cap at the server's door: real processes, real time, judges of their own."""

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.client.servers import Certificate, make_certificate
from tests.limiter.redis_server import RedisServer
from tests.system.crowd import URLS_EACH, Crowd, Line, summed
from tests.system.judge import KERNEL, REAL_TIME, Outsider, Verdict, haproxy, nginx, tapped
from tests.system.relay import relayed

# 64 threads at 3.5 s are 18 requests/s: three processes want all of the cap, none gets it alone
SLOW_SECONDS = 3.5
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


def keeps_the_cap(verdict: Verdict, lines: list[Line], at_least: float) -> None:
    """Check that it holds, that it is used, and that permits are what arrived."""
    permits = sum(line.permits for line in lines)
    assert verdict.most <= verdict.allowed, verdict
    assert verdict.uses(at_least), verdict
    assert summed(lines, "errors") == {}
    assert not any(line.pauses_seconds or line.threads for line in lines)
    assert 0 <= permits - verdict.arrivals <= len(lines)


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


def test_processes_that_are_killed_and_replaced_all_the_time_keep_the_cap_and_use_it(
    limiter: str,
) -> None:
    with (
        tapped(latency_seconds=2.3, cap=None) as judge,
        Crowd(judge[0].origin, limiter, processes=4, seconds=14) as crowd,
    ):
        kills = crowd.disturb(crowd.replace_one, every=(0.5, 0.9))
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    assert kills >= 10
    assert verdict.most <= verdict.allowed, verdict
    assert verdict.uses(45), verdict
    assert summed(lines, "errors") == {}
    assert max(line.longest_wait_seconds for line in lines) <= 10


def test_a_process_that_is_stopped_and_goes_on_keeps_the_cap_and_nobody_is_wedged(
    limiter: str,
) -> None:
    # 100 threads at 2.3 s nearly fill the pipe: the elder mostly has a slot that a stop makes stale
    with (
        tapped(latency_seconds=2.3, cap=None) as judge,
        Crowd(judge[0].origin, limiter, processes=2, threads=100, seconds=15) as crowd,
    ):
        stops = crowd.disturb(crowd.stop_one_for_a_while, every=(0.02, 0.15))
        lines, verdict = crowd.lines(), Verdict.of(*judge)
        arrivals = judge[0].arrivals()

    late = arrivals[-1][0] - 7.0
    senders = {number_of(url) // URLS_EACH for moment, url, _ in arrivals if moment > late}
    assert stops >= 8
    # A process that is stopped in the 0.1 ms between its last look at the clock and its send
    # sends one request late, and nobody can prevent it. Such a stray makes a second of 51 once or
    # twice, seldom in a test; a limiter that sends with stale slots makes a hundred.
    assert verdict.most <= verdict.allowed + 1, verdict
    assert verdict.over <= 6 or verdict.priority not in {KERNEL, REAL_TIME}, verdict
    assert summed(lines, "errors") == {}
    assert senders == {0, 1}
    assert not any(line.threads for line in lines)


def test_faults_of_the_server_break_neither_cap_nor_rate(limiter: str) -> None:
    with (
        tapped(latency_seconds=SLOW_SECONDS, cap=None, fault_share=0.05) as judge,
        Crowd(judge[0].origin, limiter, seconds=10) as crowd,
    ):
        lines, verdict = crowd.lines(), Verdict.of(*judge)
        faults = judge[0].statistics()["faults"]

    assert isinstance(faults, dict)
    assert sum(faults.values()) >= 5
    keeps_the_cap(verdict, lines, at_least=48)


def test_a_state_that_is_lost_damaged_or_put_back_costs_a_silence_and_never_the_cap(
    limiter: str, tmp_path: Path
) -> None:
    path = tmp_path / "limiter"
    with (
        tapped(latency_seconds=2.3, cap=None) as judge,
        Crowd(judge[0].origin, limiter, processes=2, seconds=14) as crowd,
    ):
        crowd.wait_until_sending()
        old = path.read_bytes()
        for disturb in (path.unlink, lambda: path.write_bytes(b"?" * 500), lambda: put(old, path)):
            time.sleep(2.0)
            disturb()
            crowd.start_one()
            time.sleep(1.6)
        lines, verdict = crowd.lines(), Verdict.of(*judge)

    silences = [seconds for seconds in verdict.gaps_seconds if seconds > 0.5]
    assert verdict.most <= verdict.allowed, verdict
    assert len(silences) == 3
    assert all(1.4 <= seconds <= 2.5 for seconds in silences), silences
    assert summed(lines, "errors") == {}
    assert len(lines) == 5


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


def number_of(url: str) -> int:
    return int(url.rpartition("/")[2])


def put(record: bytes, path: Path) -> None:
    """Rename a file with this record over the path."""
    other = path.with_name("other")
    other.write_bytes(record)
    other.replace(path)

"""Faults that are nobody's URL: nothing can be reached, or everything is refused."""

import logging
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest

from tests.client.servers import BOUND_SECONDS, Certificate, deaf_port
from tests.fake_pacer import PAUSED, FakePacer
from tests.faults.place import MakePlace, Place
from tests.faults.rows import ROWS, Row, Stage
from tests.faults.stages import (
    ALWAYS,
    FAULTY_PATH,
    HEALTHY_PATHS,
    NOWHERE,
    Scene,
    greeting,
    quick,
    ticking,
    unreachable,
    urls_of,
)
from tmdb_assets.client.session import Client
from tmdb_assets.errors import DownloadStoppedError, OutageError
from tmdb_assets.model import Attempt, Fault, OutcomeKind, Target
from tmdb_assets.outage import PROBE_PATH, UNREACHED
from tmdb_assets.slowdown import REFUSED_SECONDS
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

TRIES = 6
"""The default: more than an outage takes to be seen."""

PATHS = (*HEALTHY_PATHS, FAULTY_PATH)
BY_KIND = {row.kind: row for row in ROWS}
IN_HANDSHAKES = [row for row in ROWS if row.stage is Stage.HANDSHAKE]


class Heard(logging.Handler):
    """Tells when a word was logged."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._word in record.getMessage():
            self.event.set()

    def __enter__(self) -> threading.Event:
        logging.getLogger("tmdb_assets.outage").addHandler(self)
        return self.event

    def __exit__(self, *exc: object) -> None:
        logging.getLogger("tmdb_assets.outage").removeHandler(self)


@dataclass
class FlappingDns:
    """A client whose host has no address at first: it asks the resolver for one that has none."""

    client: Client
    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    faults: list[Fault | None] = field(default_factory=list)

    def attempt(self, target: Target) -> Attempt:
        with self.lock:
            is_lost = self.left > 0
            self.left -= is_lost
        if not is_lost:
            return self.client.attempt(target)
        attempt = self.client.attempt(replace(target, url=f"https://{NOWHERE}{FAULTY_PATH}"))
        self.faults.append(attempt.fault)
        return attempt


def check_waited_out(where: Place, server: StandIn) -> None:
    """Make sure that everything was fetched with one request each, after one probe."""
    outcomes = where.outcomes()
    assert {outcome.outcome for outcome in outcomes.values()} == {OutcomeKind.FETCHED}
    assert {outcome.attempts for outcome in outcomes.values()} == {1}
    asked = Counter(url for _, url, _ in server.arrivals())
    assert asked.pop(PROBE_PATH) == 1
    assert len(outcomes) == len(PATHS)
    assert set(asked.values()) == {1}
    assert where.bodies() == where.true_bodies()


def check_given_up(where: Place, scene: Scene, reason: str) -> None:
    """Make sure that the run ends after ten minutes, which here are over at once."""
    message = (
        rf"^TMDB has not answered for 600 s \({reason}\): all that was fetched is kept; "
        "check the network, and run again when it is back$"
    )
    # one thread takes the URLs in their order: the good ones are done when the last one fails
    where = where.but(max_attempts=TRIES, threads=1)
    with pytest.raises(OutageError, match=message):
        where.download_with(handshake_seconds=0.1, clock=ticking(60.0))
    assert where.outcomes().keys() == set(scene.healthy)
    assert where.bodies() == where.true_bodies(scene.faulty)
    assert not (where.folder / "receipt.json").exists()
    assert scene.asked() == 0


def test_connections_that_are_refused_for_a_while_are_waited_out(place: MakePlace) -> None:
    with ExitStack() as closed:
        port = closed.enter_context(deaf_port())
        urls = (f"http://127.0.0.1:{port}{path}" for path in PATHS)
        where = place(*urls).but(max_attempts=TRIES)
        with ThreadPoolExecutor(1) as pool, Heard("TMDB does not answer (conn") as is_out:
            running = pool.submit(where.download)
            assert is_out.wait(BOUND_SECONDS)
            closed.close()
            with StandIn(StandInSettings(port=port, latency_seconds=0, cap=None)) as server:
                report = running.result(2 * BOUND_SECONDS)

                check_waited_out(where, server)
    assert report.outages == 1
    assert 0.9 <= report.outage_seconds <= report.seconds
    assert report.requests == len(PATHS)


def test_dns_that_fails_for_a_while_is_waited_out(place: MakePlace) -> None:
    clients: list[FlappingDns] = []

    def flapping(client: Client) -> FlappingDns:
        clients.append(FlappingDns(client, left=UNREACHED + 1))
        return clients[0]

    with quick() as server:
        where = place(*urls_of(server), f"{server.origin}{FAULTY_PATH}")
        # one thread: among several, a lookup that was slow would end the outage, and no probe
        where = where.but(origins=(server.origin, f"https://{NOWHERE}"), max_attempts=TRIES)
        where = where.but(threads=1)

        statistics = where.download_with(wrapped=flapping)

        check_waited_out(where, server)
    assert clients[0].faults == [Fault.NAME] * (UNREACHED + 1)
    assert len(statistics.outages_seconds) == 1


@pytest.mark.parametrize("kind", ["name", "route", "refused"])
def test_a_run_that_reaches_nobody_any_more_ends_after_ten_minutes(
    kind: str, place: MakePlace
) -> None:
    with unreachable(kind) as scene:
        check_given_up(place(*scene.urls), scene, BY_KIND[kind].reason)


@pytest.mark.parametrize("row", IN_HANDSHAKES, ids=lambda row: row.kind)
def test_a_run_whose_every_handshake_fails_ends_after_ten_minutes(
    row: Row, place: MakePlace, trusted: Certificate, other_certificate: Certificate
) -> None:
    with greeting(row, 10 * ALWAYS, trusted, other_certificate) as scene:
        check_given_up(place(*scene.urls), scene, row.reason)


def test_an_ipv6_address_without_a_route_ends_the_run_after_ten_minutes(place: MakePlace) -> None:
    """The address is one of documentation; elsewhere in these tests it is a multicast one."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("2001:db8::1", 443))  # looks for a route, sends nothing
        except OSError:
            pass
        else:
            pytest.skip("this machine has an IPv6 route to 2001:db8::1: packets would leave it")
    with quick() as others:
        scene = Scene(f"https://[2001:db8::1]{FAULTY_PATH}", urls_of(others), lambda: 0)

        check_given_up(place(*scene.urls), scene, "no route to the host")


def test_a_429_to_everything_for_ten_minutes_ends_the_run(place: MakePlace) -> None:
    script = dict.fromkeys(PATHS, ("429",) * ALWAYS)
    pacer = FakePacer(on_refusal=replace(PAUSED, refused_seconds=REFUSED_SECONDS, is_news=True))
    with StandIn(StandInSettings(latency_seconds=0, cap=None, script=script)) as server:
        where = place(*urls_of(server))

        with pytest.raises(
            DownloadStoppedError, match=r"^TMDB answers HTTP 429 to everything for 10 minutes now, "
        ):
            where.download_with(pacer=pacer)

    assert where.outcomes() == {}
    assert where.bodies() == {}

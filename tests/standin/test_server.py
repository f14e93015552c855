import gzip
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.standin.asking import PARSERS, PATH, until, with_kind
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

Ask = Callable[..., Any]
Talk = Callable[..., Any]


def at_once(**settings: Any) -> StandIn:
    return StandIn(StandInSettings(latency_seconds=0, **settings))


def test_an_answer_is_what_the_rule_makes_with_the_headers_of_tmdb(
    server: StandIn, ask: Ask
) -> None:
    reply = ask(server.origin, PATH)

    assert (reply.status, reply.body) == (200, answer_to(PATH, "").body)
    assert reply.headers["content-type"] == "application/json;charset=utf-8"
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in reply.headers


def test_a_client_that_takes_gzip_gets_gzip(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, PATH, accept_encoding="gzip, deflate")

    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == answer_to(PATH, "").body


def test_an_absent_id_is_a_404_that_caches_may_keep(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, "/3/movie/37")

    assert (reply.status, json.loads(reply.body)["status_code"]) == (404, 34)
    assert reply.headers["cache-control"] == "public, max-age=28800"


def test_nothing_but_reading_is_supported(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, PATH, method="POST", body="{}")

    assert (reply.status, json.loads(reply.body)["status_code"]) == (405, 42)


@pytest.mark.parametrize("parser", PARSERS)
def test_many_requests_on_one_connection_are_stamped_one_by_one(parser: str) -> None:
    with StandIn(StandInSettings(latency_seconds=0, cap=None), parser=parser) as server:
        connection = http.client.HTTPConnection(urlsplit(server.origin).netloc, timeout=5)
        before = time.monotonic()
        for number in range(1, 20):
            connection.request("GET", f"/3/movie/{number}")
            assert connection.getresponse().read()
        span = time.monotonic() - before
        connection.close()
        arrivals, statistics = server.arrivals(), server.statistics()

    moments = [moment for moment, _, _ in arrivals]
    assert [url for _, url, _ in arrivals] == [f"/3/movie/{number}" for number in range(1, 20)]
    assert moments == sorted(set(moments))
    assert moments[-1] - moments[0] <= span
    assert (statistics["connections"], statistics["max_in_flight"]) == (1, 1)


def test_a_request_is_stamped_when_its_first_bytes_come(server: StandIn) -> None:
    parts = urlsplit(server.origin)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as link:
        before = time.monotonic()
        link.sendall(b"GET /3/movie/1 HT")
        threading.Event().wait(0.2)
        link.sendall(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert link.recv(100).startswith(b"HTTP/1.1 200 OK")
        link.sendall(b"GET /3/movie/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(lambda: len(server.arrivals()) == 2)
        span = time.monotonic() - before

    (first, _, _), (second, _, _) = server.arrivals()
    assert 0.15 < second - first < span


@pytest.mark.parametrize("parser", PARSERS)
def test_beyond_the_cap_is_a_429_as_the_cdn_sends_it(ask: Ask, parser: str) -> None:
    settings = StandInSettings(latency_seconds=0, cap=3)
    with StandIn(settings, parser=parser) as server:
        replies = [ask(server.origin, f"/3/movie/{number}") for number in range(1, 6)]
        statistics = server.statistics()

    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[4].body == (
        b'{"status_code":25,"status_message":"Your request count (5) is over the allowed limit of'
        b' (3).","success":false}'
    )
    assert replies[4].headers["x-cache"] == "Error from cloudfront"
    assert "retry-after" not in replies[4].headers
    assert statistics["refused"] == statistics["over_cap"] == 2
    assert statistics["max_in_any_second"] == 5


def test_a_429_has_retry_after_if_told(ask: Ask) -> None:
    with at_once(cap=1, retry_after=7) as server:
        ask(server.origin, PATH)
        reply = ask(server.origin, PATH)

    assert (reply.status, reply.headers["retry-after"]) == (429, "7")


def test_without_a_cap_nothing_is_refused_and_all_is_counted(server: StandIn, ask: Ask) -> None:
    for number in range(1, 61):
        ask(server.origin, f"/3/keyword/{number}")

    statistics = server.statistics()
    assert (statistics["refused"], statistics["arrivals"]) == (0, 60)
    assert statistics["by_status"] == {"200": 59, "404": 1}


def test_an_answer_takes_its_latency_and_a_refusal_less(ask: Ask) -> None:
    settings = StandInSettings(latency_seconds=0.4, latency_variation=0, cap=1)
    with StandIn(settings) as server:
        moments = [time.monotonic()]
        for _ in range(2):
            ask(server.origin, PATH)
            moments.append(time.monotonic())

    assert 0.4 <= moments[1] - moments[0] < 0.9
    assert 0.05 <= moments[2] - moments[1] < 0.35


def test_a_token_is_asked_for_as_bearer_or_as_api_key(ask: Ask) -> None:
    with at_once(token="s3cret") as server:  # noqa: S106 - made up
        statuses = [
            ask(server.origin, PATH).status,
            ask(server.origin, PATH, authorization="Bearer wrong").status,
            ask(server.origin, PATH, authorization="Bearer s3cret").status,
            ask(server.origin, f"{PATH}?api_key=s3cret").status,
        ]
        kept = json.dumps([server.statistics(), server.arrivals()])

    assert statuses == [401, 401, 200, 200]
    assert "s3cret" not in kept


def test_from_some_arrival_on_everything_is_refused(ask: Ask) -> None:
    with at_once(refuse_after=3) as server:
        replies = [ask(server.origin, PATH) for _ in range(4)]

    assert [reply.status for reply in replies] == [200, 200, 401, 401]
    assert json.loads(replies[3].body) == {
        "success": False,
        "status_code": 7,
        "status_message": "Invalid API key: You must be granted a valid key.",
    }


def test_a_script_and_a_share_are_followed(ask: Ask) -> None:
    script = {"/3/movie/1": ["503", "ok", "500"]}
    with at_once(script=script, fault_share=1.0, fault_kinds=("html",), fault_times=1) as server:
        scripted = [ask(server.origin, "/3/movie/1?api_key=x").status for _ in range(4)]
        shared = [ask(server.origin, "/3/movie/2") for _ in range(2)]
        moved = ask(server.origin, "/3/moved/movie/3")
        statistics = server.statistics()

    assert scripted == [503, 200, 500, 200]
    assert [reply.headers["content-type"][:9] for reply in shared] == ["text/html", "applicati"]
    assert moved.headers["content-type"].startswith("application/json")
    assert statistics["faults"] == {"500": 1, "503": 1, "html": 1}


def test_recorded_responses_are_served_and_the_rest_is_made_up(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "a.json").write_bytes('{"id":550,"title":"Aufgezeichnet: nüchts"}'.encode())
    line = {"file": "a.json", "path": PATH, "query": "page=1&language=de", "status": 200}
    (tmp_path / "index.jsonl").write_text(json.dumps(line))
    with at_once(samples=tmp_path) as server:
        recorded = ask(server.origin, f"{PATH}?language=de&api_key=x&page=1")
        made_up = ask(server.origin, PATH)

    assert recorded.body == (tmp_path / "a.json").read_bytes()
    assert made_up.body == answer_to(PATH, "").body


def test_counts_can_be_read_after_the_end(ask: Ask) -> None:
    with at_once() as server:
        ask(server.origin, PATH)

    assert server.statistics()["arrivals"] == 1
    assert len(server.arrivals()) == 1


def test_a_client_that_gave_up_is_no_longer_in_flight(server: StandIn, talk: Talk) -> None:
    talk(server.origin, f"{PATH}?stand_in=stall", patience=0.05)

    assert until(lambda: server.statistics()["in_flight"] == 0)
    assert server.statistics()["by_status"] == {"none": 1}


@pytest.mark.parametrize("parser", PARSERS)
def test_it_ends_at_once_whatever_is_in_flight(parser: str) -> None:
    with StandIn(StandInSettings(latency_seconds=60, cap=None), parser=parser) as server:
        parts = urlsplit(server.origin)
        links = [socket.create_connection((parts.hostname, parts.port)) for _ in range(60)]
        kinds = ("", "?stand_in=stall", "?stand_in=stall_in_body")
        for place, link in enumerate(links[:50]):
            target = f"{PATH}{kinds[place % 3]}"
            link.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert until(lambda: server.statistics()["in_flight"] == 50)
        before = time.monotonic()
    span = time.monotonic() - before
    for link in links:
        link.close()

    assert span < 1.0
    assert server.statistics()["in_flight"] == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port))


@pytest.mark.parametrize("parser", PARSERS)
def test_it_ends_at_once_amid_what_would_never_end(parser: str) -> None:
    kinds = ("drip", "drip_headers", "interim_flood", "stall", "stall_in_body")
    with StandIn(StandInSettings(latency_seconds=0, cap=None), parser=parser) as server:
        parts = urlsplit(server.origin)
        links = [socket.create_connection((parts.hostname, parts.port)) for _ in kinds]
        for kind, link in zip(kinds, links, strict=True):
            link.sendall(f"GET {with_kind(kind)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert until(lambda: server.statistics()["faults"] == dict.fromkeys(kinds, 1))
        before = time.monotonic()
    span = time.monotonic() - before
    for link in links:
        link.close()

    assert span < 1.0
    assert server.statistics()["in_flight"] == 0


def test_a_taken_port_is_named(server: StandIn) -> None:
    port = urlsplit(server.origin).port

    with pytest.raises(OSError, match=rf"cannot listen on port {port} of 127\.0\.0\.1: "):
        at_once(port=port).__enter__()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=stand-in", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    return cert, key


def test_it_serves_tls_and_resets_there_too(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    context = ssl.create_default_context(cafile=cert)
    with at_once(certfile=cert, keyfile=key) as server:
        netloc = urlsplit(server.origin).netloc
        connection = http.client.HTTPSConnection(netloc, timeout=5, context=context)
        connection.request("GET", PATH)
        body = connection.getresponse().read()
        connection.request("GET", f"{PATH}?stand_in=reset")
        with pytest.raises(ConnectionError):
            connection.getresponse()
        connection.close()

    assert server.origin.startswith("https://127.0.0.1:")
    assert body == answer_to(PATH, "").body

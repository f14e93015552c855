"""The credential goes to its origin, once per request, and nowhere else."""

import logging
import traceback
from pathlib import Path

import pytest

from tests.client.asking import CREDENTIALS, SECRET, MakeClient, asked
from tests.client.servers import (
    CountingGate,
    Link,
    RawServer,
    WaitingGate,
    answer,
    answers_always,
    answers_once,
    redirect,
)
from tmdb_assets.errors import LimiterClosedError
from tmdb_assets.model import Credential, Fault
from tmdb_assets.urls import target


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
@pytest.mark.parametrize("path", ["/3/movie/550", "/3/movie/550?language=de"])
def test_the_credential_joins_the_request_on_the_wire_alone(
    path: str, credential: Credential, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(answers_always(answer(b"[]", "ETag: x", "Bad header"))) as server:
        client = make_client(server.origin, credential=credential)
        attempt = client.attempt(target(f"{server.origin}{path}"))

        (head,) = server.requests
    line, _, headers = head.decode().partition("\r\n")
    key = f"{'&' if '?' in path else '?'}api_key={SECRET}"
    assert line == f"GET {path}{'' if credential.is_token else key} HTTP/1.1"
    assert (f"Authorization: Bearer {SECRET}" in headers) == credential.is_token
    assert head.count(SECRET.encode()) == 1
    assert caplog.records
    assert SECRET not in caplog.text
    assert SECRET not in f"{attempt!r} {client!r} {vars(client)!r} {credential!r}"


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
@pytest.mark.parametrize(
    "piece",
    [
        b"",
        b"garbage\r\n",
        answer(b"x" * 99)[:-9],
        answer(b"no gzip at all", "Content-Encoding: gzip"),
        answer(b"", "Transfer-Encoding: chunked", framed=False) + b"zz\r\n",
        answer(b"x", "Content-Length: 1, 2"),
        redirect("http://127.0.0.2/3/movie/1"),
        answer(b"{}", status="401 Unauthorized"),
    ],
)
def test_no_log_line_and_no_attempt_holds_the_credential_when_things_go_wrong(
    piece: bytes,
    credential: Credential,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(answers_once(piece)) as server:
        (attempt,) = asked(make_client(server.origin, credential=credential), server.origin)

    assert SECRET.encode() in server.requests[0]
    assert attempt.fault is not None or attempt.status == 401
    assert SECRET not in caplog.text
    assert SECRET not in repr(attempt)


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
def test_no_exception_holds_the_credential(credential: Credential, make_client: MakeClient) -> None:
    def fails() -> None:
        raise LimiterClosedError("the limiter was closed")

    with RawServer(answers_always()) as server:
        gate = WaitingGate(at_permit=fails)
        client = make_client(server.origin, through=gate, credential=credential)
        with pytest.raises(LimiterClosedError) as caught:
            asked(client, server.origin)

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("credential", "etag"),
    [
        (Credential("a-known-key", is_token=False), '"x"'),
        (Credential("a-token", is_token=True), ""),
    ],
)
def test_an_answer_that_repeats_the_credential_goes_no_further(
    make_client: MakeClient, credential: Credential, etag: str
) -> None:
    body = b'{"id":550}' if etag else f'{{"id":550,"you":"{credential.secret}"}}'.encode()
    header = f'ETag: "{credential.secret}"'
    with RawServer(answers_always(answer(body, header))) as server:
        client = make_client(server.origin, credential=credential)
        attempt = client.attempt(target(f"{server.origin}/3/movie/550"))

    assert (attempt.fault, attempt.body, attempt.etag) == (Fault.ECHO, b"", "")


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
def test_no_other_place_gets_the_credential(
    credential: Credential, make_client: MakeClient
) -> None:
    with RawServer(answers_always()) as other:
        away = answers_always(redirect(f"{other.origin}/3/movie/1"))
        with RawServer(away) as server:
            client = make_client(server.origin, other.origin, credential=credential)
            (attempt,) = asked(client, server.origin)

            assert SECRET.encode() in server.requests[0]
            assert other.connections == 0
            assert attempt.fault is Fault.REDIRECTED


@pytest.mark.parametrize("credential", CREDENTIALS, ids=["token", "key"])
def test_each_hop_within_the_origin_has_the_credential_once(
    credential: Credential, make_client: MakeClient
) -> None:
    """Although the server may hand the key back in where it leads."""

    def leads_on(link: Link) -> None:
        while head := link.request():
            moved = redirect(f"/3/movie/1?api_key={SECRET}")
            link.send(moved if b"/3/movie/0" in head else answer())

    with RawServer(leads_on) as server:
        (attempt,) = asked(make_client(server.origin, credential=credential), server.origin)

        assert attempt.fault is None
        assert [head.count(SECRET.encode()) for head in server.requests] == [1, 1]


def test_without_a_credential_none_is_sent(make_client: MakeClient) -> None:
    with RawServer(answers_always()) as server:
        asked(make_client(server.origin), server.origin)

        assert b"authorization" not in server.requests[0].lower()
        assert b"api_key" not in server.requests[0]


def test_two_clients_do_not_share_their_gates_or_credentials(make_client: MakeClient) -> None:
    gates = CountingGate(), CountingGate()
    with RawServer(answers_always()) as server:
        for gate, credential in zip(gates, [CREDENTIALS[0], None], strict=True):
            client = make_client(server.origin, through=gate, credential=credential)
            asked(client, server.origin)

        assert [gate.permits for gate in gates] == [1, 1]
        assert [SECRET.encode() in head for head in server.requests] == [True, False]


@pytest.mark.parametrize("credential", [None, Credential("t0ken", is_token=True)])
def test_netrc_is_not_used(
    credential: Credential | None,
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(answers_always()) as server:
        client = make_client(server.origin, credential=credential)
        client.attempt(target(f"{server.origin}/3/movie/550"))

        (head,) = server.requests
    assert b"Basic" not in head
    assert (b"Authorization: Bearer t0ken" in head) == (credential is not None)

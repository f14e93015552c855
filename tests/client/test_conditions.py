"""A URL is asked for only if it changed: what is sent for that, and what a 304 is."""

from dataclasses import replace

import pytest

from tests.client.asking import URL, MakeClient
from tests.client.servers import Link, RawServer, answer, answers_always, redirect
from tmdb_assets.retry import Verdict, judge
from tmdb_assets.standin.server import StandIn
from tmdb_assets.urls import target


def conditions(server: RawServer) -> list[str]:
    """Return the conditions of all requests, empty for one without."""
    found = []
    for head in server.requests:
        headers = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
        found.append("; ".join(value for name, _, value in headers if name == "If-None-Match"))
    return found


@pytest.mark.parametrize(
    ("etag", "is_sent"),
    [
        *[('W/"0123456789abcdef"', True), ('"a"', True), ('""', True), ('W/""', True)],
        *[("", False), ("a", False), ('"a', False), ('w/"a"', False), ('"a" ', False)],
        *[('"a", "b"', False), ("*", False), ('"\r\nX: y"', False), ('"ä"', False)],
        *[('"\x7f"', False), ('"a b"', False), ('"a"\n', False), ('W/"a""', False)],
    ],
)
def test_only_what_is_an_etag_for_sure_is_sent_back(
    make_client: MakeClient, etag: str, *, is_sent: bool
) -> None:
    with RawServer(answers_always()) as server:
        one = replace(target(f"{server.origin}/3/movie/550"), etag=etag)
        attempt = make_client(server.origin).attempt(one)

        assert conditions(server) == [etag if is_sent else ""]
    assert (attempt.status, attempt.fault) == (200, None)


def test_an_answer_that_nothing_changed_has_no_body_and_the_connection_is_used_again(
    make_client: MakeClient, stand_in: StandIn
) -> None:
    client, url = make_client(stand_in.origin), f"{stand_in.origin}/3/movie/550"
    first = client.attempt(target(url))

    again = [client.attempt(replace(target(url), etag=first.etag)) for _ in range(3)]
    stand_in.change({"revision": 1})
    changed = client.attempt(replace(target(url), etag=first.etag))

    assert [(one.status, one.body, one.etag, one.fault) for one in again] == [
        (304, b"", first.etag, None)
    ] * 3
    assert judge(again[0], URL, is_conditional=True).verdict is Verdict.UNCHANGED
    assert (changed.status, changed.etag != first.etag) == (200, True)
    assert stand_in.statistics()["connections"] == 1


@pytest.mark.parametrize(
    "head",
    [
        'HTTP/1.1 304 Not Modified\r\nETag: W/"2"\r\nContent-Length: 999\r\n\r\n',
        'HTTP/1.1 304 Not Modified\r\nETag: W/"2"\r\nContent-Encoding: gzip\r\n\r\n',
        'HTTP/1.1 304 Not Modified\r\nETag: W/"2"\r\nConnection: close\r\n\r\n',
    ],
)
def test_whatever_a_304_says_of_its_body_it_has_none(make_client: MakeClient, head: str) -> None:
    with RawServer(answers_always(head.encode())) as server:
        client = make_client(server.origin)
        one = replace(target(f"{server.origin}/3/movie/550"), etag='W/"1"')
        attempts = [client.attempt(one) for _ in range(2)]

    assert [(one.status, one.body, one.etag, one.fault) for one in attempts] == [
        (304, b"", 'W/"2"', None)
    ] * 2


def test_a_304_that_says_how_it_would_have_been_framed_is_whole(make_client: MakeClient) -> None:
    head = b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"
    with RawServer(answers_always(head)) as server:
        one = replace(target(f"{server.origin}/3/movie/550"), etag='W/"1"')
        attempt = make_client(server.origin, timeout_seconds=0.3).attempt(one)

    assert (attempt.status, attempt.fault) == (304, None)


def test_a_condition_goes_along_with_redirects_within_the_origin(make_client: MakeClient) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            link.send(redirect("/3/movie/551") if b"/movie/550" in head else answer(b'{"id":551}'))

    with RawServer(leads_on) as server:
        one = replace(target(f"{server.origin}/3/movie/550"), etag='"a"')
        attempt = make_client(server.origin).attempt(one)

        assert conditions(server) == ['"a"', '"a"']
    assert attempt.status == 200

"""Redirects are followed within the origin, each for a permit, and never out of it."""

import pytest

from tests.client.asking import MakeClient
from tests.client.servers import CountingGate, Link, RawServer, answer, answers_always, redirect
from tmdb_assets.client.session import REDIRECTS
from tmdb_assets.model import Fault
from tmdb_assets.urls import target


def test_each_hop_within_the_origin_takes_a_permit(
    make_client: MakeClient, gate: CountingGate
) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            number = int(head.split()[1].rpartition(b"/")[2])
            link.send(redirect(f"{number + 1}") if number < REDIRECTS else answer(b"[]"))

    with RawServer(leads_on) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/0"))

        assert (attempt.status, attempt.body, attempt.fault) == (200, b"[]", None)
        assert gate.permits == len(server.requests) == len(attempt.sent_at) == 1 + REDIRECTS
        assert list(attempt.sent_at) == sorted(attempt.sent_at)
        assert server.connections == 1


@pytest.mark.parametrize(
    "status",
    [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ],
)
def test_all_kinds_of_redirect_are_followed_with_a_get(
    status: str, make_client: MakeClient
) -> None:
    def leads_on(link: Link) -> None:
        moved = answer(b"gone there", "Location: /3/tv/2#x", status=status)
        while head := link.request():
            link.send(moved if b"/3/movie/1" in head else answer(b"[2]"))

    with RawServer(leads_on) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

        assert attempt.body == b"[2]"
        assert server.requests[1].startswith(b"GET /3/tv/2 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:OTHER/3/movie/2",
        "HTTP://127.0.0.1:OTHER/3/movie/2",
        "//127.0.0.1:OTHER/3/movie/2",
        "///127.0.0.1:OTHER/3/movie/2",
        "http:\\\\127.0.0.1:OTHER\\3\\movie\\2",
        "/\\127.0.0.1:OTHER/3/movie/2",
        "\\\\127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT\\@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT@127.0.0.1:OTHER/3/movie/2",
        "http://x:y@127.0.0.1:PORT/3/movie/2",
        "http://127.0.0.1:PORT#@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT?@127.0.0.1:OTHER/3/movie/2",
        "http://127.0.0.1:PORT.example.test/3/movie/2",
        "http://2130706433:OTHER/3/movie/2",
        "http://0x7f.1:OTHER/3/movie/2",
        "http://localhost:PORT/3/movie/2",
        "http://127.1:PORT/3/movie/2",
        "https://127.0.0.1:PORT/3/movie/2",
        "//127.0.0.2:PORT/3/movie/2",
        "//127.0.0.2/3/movie/2",
        "http://127.0.0.1/3/movie/2",
        "http://[::1]:PORT/3/movie/2",
        "file:///etc/hostname",
        "file:/3/movie/2",
        "ftp://127.0.0.1:PORT/3/movie/2",
        "data:application/json,[]",
        "javascript:alert(1)",
        "http://[",
        "//[",
        "http://[::1/3/movie/2",
        "http://[v1.x]/3/movie/2",
        "http://127.0.0.1:99999999/3/movie/2",
        "http://127.0.0.1:x/3/movie/2",
        "http://\xff/3/movie/2",
        "/login",
        "/3/movie/../../login",
        "/3/movie/%2e%2e/2",
        "/3/movie/2 3",
        "/3/movie/\x01",
        "/3/movie/\x8d",
        "/3/movie/%",
        "/3/movie/" + "x" * 5000,
    ],
)
def test_no_spelling_of_another_place_is_followed(
    location: str, make_client: MakeClient, gate: CountingGate
) -> None:
    """Some of these spell our own origin in a way that it never spells itself."""
    with RawServer(answers_always()) as other:
        where = location.replace("OTHER", str(other.port))

        def sends_away(link: Link) -> None:
            while head := link.request():
                place = where.replace("PORT", str(server.port))
                link.send(redirect(place) if head.startswith(b"GET /3/movie/1 ") else answer())

        with RawServer(sends_away) as server:
            client = make_client(server.origin, other.origin)
            attempt = client.attempt(target(f"{server.origin}/3/movie/1"))

            assert other.connections == 0
            assert len(server.requests) == gate.permits == len(attempt.sent_at) == 1
            assert attempt.fault is Fault.REDIRECTED
            assert attempt.status == 302


def test_a_spelling_of_our_own_origin_is_followed(make_client: MakeClient) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            place = f"//127.0.0.1:{server.port}/3/movie/2?api_key=theirs&b=1&a=2"
            link.send(redirect(place) if b"/3/movie/1 " in head else answer(b"[]"))

    with RawServer(leads_on) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

        assert attempt.body == b"[]"
        assert server.requests[1].startswith(b"GET /3/movie/2?a=2&b=1 HTTP/1.1\r\n")


def test_a_redirect_that_is_no_ascii_stays_in_the_origin(make_client: MakeClient) -> None:
    with RawServer(answers_always(redirect("/3/movie/\xff\xfe"))) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

        assert attempt.fault in {Fault.REDIRECT_LOOP, Fault.REDIRECTED}
        assert all(head.startswith(b"GET /3/movie/") for head in server.requests)


@pytest.mark.parametrize(
    "piece",
    [
        answer(status="302 Found"),
        redirect(""),
        redirect("#"),
        redirect("http:"),
        redirect("http://"),
        redirect("/3/movie/1"),
    ],
)
def test_a_redirect_to_nowhere_or_itself_ends(
    piece: bytes, make_client: MakeClient, gate: CountingGate
) -> None:
    with RawServer(answers_always(piece)) as server:
        attempt = make_client(server.origin).attempt(target(f"{server.origin}/3/movie/1"))

    assert attempt.fault in {Fault.REDIRECT_LOOP, Fault.REDIRECTED}
    assert gate.permits == len(server.requests) <= 1 + REDIRECTS

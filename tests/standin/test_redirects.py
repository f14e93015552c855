from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.standin.asking import PATH, with_kind
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn

Ask = Callable[..., Any]


def test_a_redirect_to_the_same_origin_leads_to_the_answer(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, f"{PATH}?language=en&stand_in=redirect_same")
    location = reply.headers["location"]

    assert (reply.status, location) == (301, "/3/moved/movie/550?language=en")
    assert ask(server.origin, location).body == answer_to(PATH, "language=en").body


def test_a_redirect_elsewhere_leads_to_another_address(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, with_kind("redirect_other"))

    port = urlsplit(server.origin).port
    assert reply.status == 302
    assert reply.headers["location"] == f"http://127.0.0.2:{port}{PATH}"


def test_a_redirect_loop_never_ends(server: StandIn, ask: Ask) -> None:
    reply = ask(server.origin, f"{PATH}?language=en&stand_in=redirect_loop")
    again = ask(server.origin, reply.headers["location"])

    assert reply.status == again.status == 302
    assert again.headers["location"] == reply.headers["location"]


@pytest.mark.parametrize(
    ("kind", "location"),
    [
        ("redirect_file", "file:///etc/passwd"),
        ("redirect_link_local", "http://169.254.169.254/latest/meta-data/"),
        ("redirect_loopback", "http://127.0.0.1:9/3/movie/550?language=en"),
    ],
)
def test_a_redirect_leads_where_nobody_may_go(
    server: StandIn, ask: Ask, kind: str, location: str
) -> None:
    reply = ask(server.origin, f"{PATH}?language=en&api_key=s3cret&stand_in={kind}")

    assert (reply.status, reply.headers["location"], reply.body) == (302, location, b"")

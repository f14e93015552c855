import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.standin.asking import PATH
from tmdb_assets.standin.conditions import matches
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings, changed

Ask = Callable[..., Any]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_sent_again(
    either_server: StandIn, ask: Ask, method: str
) -> None:
    origin = either_server.origin
    first = ask(origin, PATH)
    etag = first.headers["etag"]
    again = ask(origin, PATH, method=method, if_none_match=etag, accept_encoding="gzip")

    assert (again.status, again.body) == (304, b"")
    for name in ("etag", "cache-control", "vary"):
        assert again.headers[name] == first.headers[name]
    assert "content-type" not in again.headers
    assert either_server.statistics()["by_status"] == {"200": 1, "304": 1}
    assert ask(origin, PATH, if_none_match='W/"other"').body == first.body


@pytest.mark.parametrize(
    ("header", "is_match"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ('W/"b", W/"a"', True),
        ("*", True),
        (' W/"b" ,"a" ', True),
        ('W/"b"', False),
        ("a", False),
        ("", False),
    ],
)
def test_tags_are_compared_weakly_and_one_of_a_list_is_enough(header: str, is_match: bool) -> None:  # noqa: FBT001 - a column of the table
    assert matches(header, 'W/"a"') is is_match


def test_a_404_is_sent_whatever_the_client_has(server: StandIn, ask: Ask) -> None:
    etag = ask(server.origin, "/3/movie/37").headers["etag"]

    assert ask(server.origin, "/3/movie/37", if_none_match=etag).status == 404
    assert ask(server.origin, "/3/movie/37", if_none_match="*").status == 404


def test_conditions_can_be_ignored(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, honours_conditions=False)) as server:
        reply = ask(server.origin, PATH, if_none_match="*")
        server.change({"honours_conditions": True})
        honoured = ask(server.origin, PATH, if_none_match="*")

    assert (reply.status, json.loads(reply.body)["id"]) == (200, 550)
    assert honoured.status == 304


def test_another_revision_has_other_bodies_and_etags(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, cap=None)) as server:
        before = ask(server.origin, PATH)
        server.change({"revision": 2})
        after = ask(server.origin, PATH, if_none_match=before.headers["etag"])
        server.change({"revision": 0})
        back = ask(server.origin, PATH, if_none_match=before.headers["etag"])

    assert (after.status, back.status) == (200, 304)
    assert json.loads(after.body) == {**json.loads(before.body), "stand_in_revision": 2}
    assert after.headers["etag"] != before.headers["etag"]


def test_a_revision_can_be_of_some_paths_or_of_a_share() -> None:
    settings = StandInSettings(revisions={PATH: 3})
    shared = changed(StandInSettings(), {"revision": 1, "revised_share": 0.1})
    paths = [f"/3/movie/{number}" for number in range(1000)]

    assert settings.world_of(PATH).revision == 3
    assert settings.world_of("/3/movie/1").revision == 0
    assert 60 < sum(shared.world_of(path).revision for path in paths) < 140


def test_what_is_gone_is_a_404(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, gone=(PATH,))) as server:
        statuses = [ask(server.origin, path).status for path in (PATH, f"{PATH}/credits")]
        server.change({"gone": []})
        statuses.append(ask(server.origin, PATH).status)

    assert statuses == [404, 200, 200]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("honours_conditions", 1, "honours_conditions is 1: use true or false"),
        ("export_today", "no", "export_today is 'no': use true or false"),
        ("revision", -1, "revision is -1: use a whole number"),
        ("revisions", ["x"], "revisions is ['x']: use path -> revision"),
        ("revisions", {"/3/movie/1": "x"}, "the revision of '/3/movie/1' is 'x': use"),
        ("gone", "/3/movie/1", "gone is '/3/movie/1': use a list of paths"),
        ("export_fault", "nope", "export_fault is 'nope': use None or one of cut_gzip,"),
    ],
)
def test_a_bad_value_is_named(name: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match="use") as caught:
        StandInSettings(**{name: value})

    assert text in str(caught.value)

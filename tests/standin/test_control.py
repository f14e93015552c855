import json
from collections.abc import Callable
from typing import Any

import pytest

from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

Ask = Callable[..., Any]
PATH = "/3/movie/550"


def test_the_control_routes_tell_reset_and_do_not_count(server: StandIn, ask: Ask) -> None:
    ask(server.origin, f"{PATH}?api_key=x&language=en")

    statistics = json.loads(ask(server.origin, "/stand-in/statistics").body)
    arrivals = json.loads(ask(server.origin, "/stand-in/arrivals").body)
    reset = ask(server.origin, "/stand-in/reset", method="POST")

    assert statistics["arrivals"] == 1
    assert [row[1:] for row in arrivals] == [[f"{PATH}?language=en", 200]]
    assert reset.status == 200
    assert server.statistics()["arrivals"] == 0


def test_settings_change_over_http(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0)) as server:
        changes = json.dumps({"cap": 1, "fault_kinds": ["reset"]})
        reply = ask(server.origin, "/stand-in/settings", method="PUT", body=changes)
        statuses = [ask(server.origin, PATH).status for _ in range(2)]
        shown = json.loads(ask(server.origin, "/stand-in/settings").body)

    assert reply.status == 200
    assert statuses == [200, 429]
    assert (shown["cap"], shown["fault_kinds"]) == (1, ["reset"])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"cap": 0}', "cap is 0: use"),
        ('{"token": "x"}', "'token' cannot be changed while running"),
        ("[]", "send a JSON object"),
        ("{", "Expecting"),
    ],
)
def test_bad_settings_are_refused_over_http(
    server: StandIn, ask: Ask, body: str, text: str
) -> None:
    reply = ask(server.origin, "/stand-in/settings", method="PUT", body=body)

    assert reply.status == 400
    assert text in json.loads(reply.body)["error"]


def test_settings_change_from_python() -> None:
    with StandIn(StandInSettings(latency_seconds=0)) as server:
        server.change({"cap": 3})
        with pytest.raises(ValueError, match="cap is 0"):
            server.change({"cap": 0})
        assert server.statistics()["cap"] == 3

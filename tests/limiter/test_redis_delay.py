"""A Redis at the end of a slow road: how much of the rate is left, and who is told."""

import re
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.limiter.redis_server import CAP, KEY, Crowd, DelayProxy, RedisServer
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.redis_store import RedisStore

FullestSecond = Callable[[Iterable[int]], int]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running: RedisServer) -> RedisServer:
    running.command("FLUSHALL")
    running.end_silence()
    return running


def store_behind(proxy: DelayProxy) -> RedisStore:
    return RedisStore(f"redis://127.0.0.1:{proxy.port}/0", KEY, CAP, born=0)


@pytest.mark.parametrize("milliseconds", [5, 10])
def test_a_near_redis_costs_nothing_of_the_rate(
    server: RedisServer, fullest_second: FullestSecond, milliseconds: int
) -> None:
    with (
        DelayProxy(server.port, milliseconds / 1000) as proxy,
        Crowd([Door(store_behind(proxy), CAP)]) as crowd,
    ):
        crowd.wait_for_rate(45)

    assert fullest_second(crowd.departures) <= CAP


def test_a_far_redis_gives_every_process_one_permit_in_a_round_trip_and_the_log_says_so(
    server: RedisServer, fullest_second: FullestSecond, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        DelayProxy(server.port, 0.05) as proxy,
        Crowd([Door(store_behind(proxy), CAP)]) as crowd,
    ):
        crowd.wait_for_rate(15)

    assert fullest_second(crowd.departures) <= CAP
    told = re.findall(r"WARNING .* a round trip takes ([0-9]+) ms; above 10 ms", caplog.text)
    assert len(told) == 1
    assert 50 <= int(told[0]) < 80


def test_a_single_hiccup_is_not_taken_for_a_slow_road(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with Crowd([Door(RedisStore(server.address(), KEY, CAP), CAP)]) as crowd:
        crowd.wait_for(20)
        server.stop()
        time.sleep(0.4)
        server.cont()
        crowd.wait_for_rate(45)

    assert "round trip" not in caplog.text


def test_processes_near_and_far_share_the_rate(
    server: RedisServer, fullest_second: FullestSecond
) -> None:
    near = RedisStore(server.address(), KEY, CAP, born=0)
    with DelayProxy(server.port, 0.03) as proxy:
        doors = [Door(store, CAP) for store in (near, store_behind(proxy), store_behind(proxy))]
        with Crowd(doors, threads=9) as crowd:
            crowd.wait_for_rate(45)

    assert fullest_second(crowd.departures) <= CAP

"""A real Redis that forgets, crashes, hangs or goes: nobody sends too much, nobody is stuck."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.limiter.redis_server import CAP, KEY, Crowd, RedisServer
from tmdb_assets.errors import LimiterClosedError, LimiterUnavailableError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.redis_store import REDIS_CLOCK, RedisStore, script
from tmdb_assets.limiter.slots import MS, SECOND_NS

BORN = 1_790_000_000_000_000_000

FullestSecond = Callable[[Iterable[int]], int]
InAChild = Callable[[Callable[[], object]], str]
Start = Callable[..., Crowd]


class SkewedStore(RedisStore):
    """A store on a Redis whose clock can be set: `SET skew` to microseconds."""

    def __init__(self, address: str, key: str, requests_per_second: int) -> None:
        super().__init__(address, key, requests_per_second)
        skewed = f"{REDIS_CLOCK} + (redis.call('GET', 'skew') or 0)"
        self._script = self._redis.register_script(script(skewed))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        server.end_silence()
        yield server


@pytest.fixture
def start(fullest_second: FullestSecond) -> Iterator[Start]:
    """Let a crowd go that is spread over these stores; in the end it has kept to the cap."""
    crowds: list[Crowd] = []
    with ExitStack() as stack:

        def start(*stores: RedisStore, threads: int = 8) -> Crowd:
            crowd = Crowd([Door(store, CAP) for store in stores], threads)
            crowds.append(stack.enter_context(crowd))
            crowd.wait_for(20)
            return crowd

        yield start
    for crowd in crowds:
        assert fullest_second(crowd.departures) <= CAP


def two_stores(server: RedisServer, patience_seconds: float = 60.0) -> list[RedisStore]:
    """Open two stores as two processes would."""
    return [
        RedisStore(server.address(), KEY, CAP, born=BORN, patience_seconds=patience_seconds)
        for _ in range(2)
    ]


def crash_and_restart(server: RedisServer) -> int:
    """End the server and start it again; return when."""
    server.kill()
    time.sleep(0.2)  # what was booked leaves
    back_ns = time.monotonic_ns()
    server.restart()
    return back_ns


def first_after(crowd: Crowd, moment_ns: int) -> float:
    """Wait for departures after a moment; return how long after it the first of them was."""
    crowd.wait_for(10, after_ns=moment_ns)
    first_ns = min(time_ns for time_ns in crowd.departures if time_ns > moment_ns)
    return (first_ns - moment_ns) / SECOND_NS


def test_after_flushall_nobody_sends_for_a_second_and_a_half(
    server: RedisServer, start: Start
) -> None:
    crowd = start(*two_stores(server))

    server.command("FLUSHALL")
    flushed_ns = time.monotonic_ns()
    crowd.wait_for(20, after_ns=flushed_ns + SECOND_NS)

    assert 1.4 < crowd.longest_gap() < 2.5
    assert crowd.errors == []


def test_a_script_that_redis_forgets_is_told_again(server: RedisServer, start: Start) -> None:
    crowd = start(*two_stores(server))

    for _ in range(3):
        server.command("SCRIPT", "FLUSH")
        crowd.wait_for(5, after_ns=time.monotonic_ns())

    assert crowd.longest_gap() < 0.5
    assert crowd.errors == []


def test_connections_that_redis_drops_are_made_anew(server: RedisServer, start: Start) -> None:
    crowd = start(*two_stores(server))

    for _ in range(5):
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        crowd.wait_for(5, after_ns=time.monotonic_ns())

    assert crowd.longest_gap() < 0.5
    assert crowd.errors == []


def test_a_redis_that_comes_back_empty_is_followed_by_silence(
    server: RedisServer, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    crowd = start(*two_stores(server))

    back_ns = crash_and_restart(server)

    assert 1.5 < first_after(crowd, back_ns) < 3.5
    assert crowd.errors == []
    assert "nothing is sent until it answers" in caplog.text
    assert "answers again" in caplog.text


def test_a_redis_that_comes_back_with_its_state_is_followed_by_silence(
    tmp_path: Path, start: Start
) -> None:
    with RedisServer(tmp_path, appendonly="yes", appendfsync="always") as server:
        server.end_silence()
        crowd = start(*two_stores(server))

        server.command("SET", "other", "kept")
        back_ns = crash_and_restart(server)

        assert server.command("GET", "other") == b"kept"
        assert 1.5 < first_after(crowd, back_ns) < 3.5
        assert crowd.errors == []


def test_a_redis_restored_from_an_old_snapshot_is_followed_by_silence(
    server: RedisServer, start: Start
) -> None:
    crowd = start(*two_stores(server))
    server.command("SET", "other", "kept")
    server.command("SAVE")
    crowd.wait_for(40)

    back_ns = crash_and_restart(server)

    assert server.command("GET", "other") == b"kept"
    assert 1.5 < first_after(crowd, back_ns) < 3.5
    assert crowd.errors == []


def test_a_redis_that_hangs_for_a_while_costs_that_while(
    server: RedisServer, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    seconds = 2.2  # longer than a call may take
    crowd = start(*two_stores(server))

    server.stop()
    time.sleep(seconds)
    server.cont()
    back_ns = time.monotonic_ns()

    assert first_after(crowd, back_ns) < 1
    assert seconds - 0.2 < crowd.longest_gap() < seconds + 1
    assert crowd.errors == []
    assert "answers again" in caplog.text


@pytest.mark.parametrize(
    ("end", "reason"),
    [(RedisServer.kill, "Connection refused"), (RedisServer.stop, "no answer in time")],
)
def test_a_redis_that_is_gone_sends_everybody_away_at_the_bound_and_for_good(
    server: RedisServer, start: Start, end: Callable[[RedisServer], None], reason: str
) -> None:
    store = RedisStore(server.address(), KEY, CAP, patience_seconds=1)
    crowd = start(store, threads=64)

    end(server)
    gone_ns = time.monotonic_ns()
    crowd.wait_until_gone()

    times = [(time_ns - gone_ns) / SECOND_NS for time_ns, _ in crowd.errors]
    errors = {error for _, error in crowd.errors}
    assert 0.9 < min(times) <= max(times) < min(times) + 0.5 < 3.5
    assert len(errors) == 1
    assert str(errors.pop()) == (
        f"limiter redis://127.0.0.1:{server.port}/0: {reason}, for 1 s: "
        "start or mend that Redis, or set TMDB_LIMITER to another store"
    )
    assert max(crowd.departures) < gone_ns + 100 * MS
    for call in (store.book, store.reset, store.pace, store.check_open):
        with pytest.raises(LimiterUnavailableError, match=reason):
            call()


def test_looking_at_a_redis_that_is_gone_fails_at_once_and_not_for_good(
    server: RedisServer,
) -> None:
    store = RedisStore(server.address(), KEY, CAP)
    server.kill()
    began_at = time.monotonic()

    with pytest.raises(LimiterUnavailableError, match="Connection refused: start or mend"):
        store.pace()
    assert time.monotonic() - began_at < 1
    server.restart()

    assert store.pace().cap == CAP
    store.close()


def test_a_question_without_an_answer_is_not_asked_again_behind_our_back(
    server: RedisServer,
) -> None:
    store = RedisStore(server.address(), KEY, CAP)
    store.pace()
    server.command("CONFIG", "RESETSTAT")
    server.stop()

    with pytest.raises(LimiterUnavailableError, match="no answer in time: start or mend"):
        store.pace()
    server.cont()

    assert server.command("INFO", "commandstats")["cmdstat_evalsha"]["calls"] == 1
    store.close()


def test_closing_sends_everybody_away_while_redis_hangs(server: RedisServer, start: Start) -> None:
    store = RedisStore(server.address(), KEY, CAP)
    crowd = start(store, threads=64)
    server.stop()
    time.sleep(0.2)

    closed_ns = time.monotonic_ns()
    store.close()
    crowd.wait_until_gone()

    assert {type(error) for _, error in crowd.errors} == {LimiterClosedError}
    assert max(time_ns for time_ns, _ in crowd.errors) - closed_ns < SECOND_NS


@pytest.mark.parametrize("name", ["book", "pace", "reset"])
def test_closing_in_the_middle_of_a_call_is_a_closed_limiter_and_nothing_else(
    server: RedisServer, name: str
) -> None:
    def ask_on(store: RedisStore) -> None:
        while True:
            getattr(store, name)()

    with ThreadPoolExecutor(1) as pool:
        for number in range(40):
            store = RedisStore(server.address(), KEY, CAP)
            asking = pool.submit(ask_on, store)
            time.sleep(0.002 + number * 0.0001)
            store.close()

            assert isinstance(asking.exception(5), LimiterClosedError)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_call_that_its_parent_made(
    server: RedisServer, in_a_child: InAChild
) -> None:
    store = RedisStore(server.address(), KEY, CAP)
    store.book()
    server.stop()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(store.book)
        time.sleep(0.1)

        told = [in_a_child(call) for call in (store.book, store.pace, lambda: store.refused(0, 0))]
        store.close()

        assert isinstance(asking.exception(5), LimiterClosedError)
    assert all("fork" in text for text in told), told


@pytest.mark.parametrize("skew_us", [3_600_000_000, -8_000])
def test_a_clock_of_redis_that_jumps_is_followed_by_silence(
    server: RedisServer, start: Start, caplog: pytest.LogCaptureFixture, skew_us: int
) -> None:
    crowd = start(*(SkewedStore(server.address(), KEY, CAP) for _ in range(2)))

    server.command("SET", "skew", skew_us)
    jumped_ns = time.monotonic_ns()
    crowd.wait_for(20, after_ns=jumped_ns + SECOND_NS)

    assert 1.4 < crowd.longest_gap() < 3
    assert "its clock jumped" in caplog.text
    assert crowd.errors == []

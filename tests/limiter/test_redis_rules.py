"""The rules in Lua, on a real Redis with a clock that is handed in, against the rules in Python."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.limiter.redis_server import CAP, KEY, RedisServer
from tmdb_assets.limiter import slots as rules
from tmdb_assets.limiter.cooldown import AT_ONCE_NS, CALM_NS, is_news, refuse
from tmdb_assets.limiter.redis_store import KEEP_SECONDS, script
from tmdb_assets.limiter.slots import (
    AHEAD_NS,
    ELDEST_NS,
    GRACE_NS,
    LATE_NS,
    LONGEST_PAUSE_NS,
    PROBE_NS,
    SECOND_NS,
    SILENCE_NS,
    VOID_NS,
    YOUNGER_LEAD_NS,
    Slots,
    is_plausible,
    unknown_past,
)

US = 1000
NOW_US = 1_790_000_000_000_000
HANDED_IN = "return tonumber(ARGV[#ARGV])"
FIELDS = [
    *("next", "eldest", "seen", "pause_until", "pause"),
    *("slowed_to", "since", "permits", "asker"),
]


@dataclass
class Answer:
    """What the script said, in nanoseconds."""

    now_ns: int
    slot_ns: int | None
    wait_ns: int
    slots: Slots
    is_news: bool


class Rules:
    """The script under one key; every question brings its own present time along."""

    def __init__(self, server: RedisServer) -> None:
        self._redis = redis.Redis.from_url(server.address(), protocol=2, decode_responses=True)
        self._script = self._redis.register_script(script(clock=HANDED_IN))

    def ask(
        self,
        operation: str,
        now_us: int,
        *arguments: int,
        born: int = 5,
        cap: int = CAP,
        lead_us: int = 0,
    ) -> Answer:
        asked: list[str | int] = [operation, born, cap, lead_us, *arguments, now_us]
        answer: Any = self._script(keys=[KEY], args=asked)
        now, slot, wait, *fields = map(float, answer)
        times = [int(number) * US for number in fields]
        state = Slots(*times)
        return Answer(
            now_ns=int(now) * US,
            slot_ns=int(slot) * US if slot > 0 else None,
            wait_ns=int(wait) * US,
            slots=replace(
                state,
                eldest=int(fields[1]),
                slowed_to=fields[5],
                permits=int(fields[7]),
                asker=int(fields[8]),
            ),
            is_news=slot > 0,
        )

    def held(self) -> dict[str, str]:
        held: Any = self._redis.hgetall(KEY)
        return dict(held)

    def put(self, **fields: str) -> None:
        for name, text in fields.items():
            self._redis.hset(KEY, name, text)

    def drop(self, *fields: str) -> None:
        self._redis.hdel(KEY, *fields)

    def forget(self) -> None:
        self._redis.delete(KEY)

    def keeps_ms(self) -> int:
        kept: Any = self._redis.pttl(KEY)
        return int(kept)

    def close(self) -> None:
        self._redis.close()


@pytest.fixture(scope="module")
def lua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        lua = Rules(server)
        yield lua
        lua.close()


@pytest.fixture
def settled(lua: Rules) -> Answer:
    """A slowed state that somebody has booked from, as it was at `NOW_US`."""
    lua.forget()
    lua.ask("reset", NOW_US - 30_000_000)
    lua.ask("refused", NOW_US - 20_000_000, NOW_US - 21_000_000, 0)
    return lua.ask("book", NOW_US)


class Twin:
    """The same in Python, on what Redis held before."""

    def __init__(self) -> None:
        self._slots: Slots | None = None
        self._at_ns = 0

    def read(self, now_ns: int) -> Slots:
        held = self._slots
        if held is None or self._at_ns > now_ns or not is_plausible(held, now_ns):
            return unknown_past(now_ns)
        return held

    def keep(self, answer: Answer) -> None:
        self._slots, self._at_ns = answer.slots, answer.now_ns

    def moment_us(self, edge: str) -> int:
        """Return one of the times in the state."""
        return int(getattr(self._slots, edge, self._at_ns)) // US


def near(*edges_ns: int) -> st.SearchStrategy[int]:
    """Microseconds at one of these edges, give or take one."""
    return st.builds(
        int.__add__, st.sampled_from([ns // US for ns in edges_ns]), st.integers(-1, 1)
    )


ELAPSED_US = st.integers(0, 30_000) | st.integers(0, 100_000_000) | st.integers(-3_000_000, -1)
EDGES = st.one_of(
    st.tuples(st.just("next_ns"), near(0, GRACE_NS, -YOUNGER_LEAD_NS, -AHEAD_NS, -2 * SILENCE_NS)),
    st.tuples(st.just("pause_until_ns"), near(0, PROBE_NS // 2, PROBE_NS, CALM_NS)),
    st.tuples(st.just("pause_until_ns"), near(-YOUNGER_LEAD_NS, -AHEAD_NS, -LONGEST_PAUSE_NS)),
    st.tuples(st.sampled_from(["eldest_seen_ns", "refused_since_ns"]), near(0, ELDEST_NS)),
)
MOVES = ELAPSED_US | EDGES | EDGES
CAPS = st.sampled_from([CAP, 1, 2, 3, 40, 49, 500, 999_999_999])
LEADS_US = st.sampled_from([0, 0, 500, 5500, 200_000]) | st.integers(0, 200_000)
BOOK = st.tuples(st.just("book"), st.integers(1, 3), LEADS_US)
AGO_US = st.integers(-100_000, 70_000_000) | near(0, VOID_NS, -VOID_NS, AT_ONCE_NS)
OPERATIONS = st.one_of(
    BOOK,
    BOOK,
    st.tuples(st.just("refused"), st.booleans(), AGO_US, st.sampled_from([0, 0, 1, 10**12])),
    st.tuples(st.just("write_back"), st.integers(0, 5_000_000) | near(0, LATE_NS, VOID_NS)),
    st.tuples(st.sampled_from(["look", "reset"])),
)


def assert_same(lua: Slots, python: Slots) -> None:
    told, expected = asdict(lua), asdict(python)
    assert told.pop("slowed_to") == pytest.approx(expected.pop("slowed_to"), rel=1e-12)
    wrong = {name for name, value in expected.items() if abs(told[name] - value) > US}
    assert not wrong, (lua, python)
    assert (lua.eldest, lua.permits, lua.asker) == (python.eldest, python.permits, python.asker)


def compare(lua: Rules, twin: Twin, now_us: int, cap: int, operation: tuple[Any, ...]) -> None:
    """Do the same in both, and begin the next step from what Redis holds now."""
    name, now_ns = operation[0], now_us * US
    before = twin.read(now_ns)
    if name == "book":
        _, born, lead_us = operation
        told = lua.ask("book", now_us, born=born, cap=cap, lead_us=lead_us)
        booking = rules.book(before, now_ns, born, cap, lead_us * US)
        expected = booking.slots
        assert told.slot_ns == booking.slot_ns
        assert told.wait_ns == booking.wait_ns
    elif name == "write_back":
        told = lua.ask("write_back", now_us, operation[1], cap=cap)
        expected = rules.write_back(before, operation[1] * US)
    elif name == "refused":
        _, is_after_pause, ago_us, asked_us = operation
        left_us = before.pause_until_ns // US + ago_us if is_after_pause else now_us - ago_us
        told = lua.ask("refused", now_us, left_us, asked_us, cap=cap)
        expected = refuse(before, now_ns, left_us * US, asked_us * US, cap)
        assert told.is_news == is_news(before, left_us * US)
    else:
        told = lua.ask(name, now_us, cap=cap)
        expected = before if name == "look" else unknown_past(now_ns)
    assert told.now_ns == now_ns
    assert_same(told.slots, expected)
    if name != "look":
        twin.keep(told)


@settings(deadline=None, max_examples=300)
@given(cap=CAPS, steps=st.lists(st.tuples(MOVES, OPERATIONS), min_size=10, max_size=50))
def test_lua_and_python_agree_to_a_microsecond_whatever_happens(
    lua: Rules, cap: int, steps: list[tuple[int | tuple[str, int], tuple[Any, ...]]]
) -> None:
    lua.forget()
    twin, now_us = Twin(), NOW_US

    for move, operation in steps:
        if isinstance(move, int):
            now_us += move
        else:
            now_us = max(NOW_US, twin.moment_us(move[0]) + move[1])
        compare(lua, twin, now_us, cap, operation)


def test_the_state_is_as_it_was_left(lua: Rules, settled: Answer) -> None:
    assert settled.slots.permits == 1
    assert settled.slots.pause_ns == SECOND_NS
    assert lua.ask("look", NOW_US).slots == settled.slots


@pytest.mark.parametrize("name", ["server", "at", *FIELDS])
def test_a_state_that_lacks_something_is_an_unknown_past(
    lua: Rules, settled: Answer, name: str
) -> None:
    lua.drop(name)

    assert lua.ask("look", NOW_US).slots == unknown_past(settled.now_ns)


@pytest.mark.parametrize("name", ["at", *FIELDS])
@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "1e300"])
def test_a_state_that_holds_no_number_is_an_unknown_past(
    lua: Rules, settled: Answer, name: str, text: str
) -> None:
    lua.put(**{name: text})

    assert lua.ask("look", NOW_US).slots == unknown_past(settled.now_ns)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server", "0123456789abcdef0123456789abcdef01234567"),
        ("at", NOW_US + 1),
        ("next", NOW_US + 2 * SILENCE_NS // US + 1),
        ("seen", NOW_US + 1),
        ("pause_until", NOW_US + LONGEST_PAUSE_NS // US + 1),
        ("pause", LONGEST_PAUSE_NS // US + 1),
        ("since", NOW_US + 1),
        ("slowed_to", 0),
        ("slowed_to", -1),
        ("slowed_to", 1e9 + 1),
    ],
)
def test_a_state_that_these_rules_cannot_have_left_is_an_unknown_past(
    lua: Rules, settled: Answer, name: str, value: float | str
) -> None:
    lua.put(**{name: str(value)})

    answer = lua.ask("book", NOW_US)

    assert answer.slot_ns is None
    assert answer.slots.next_ns == settled.now_ns + SILENCE_NS
    assert answer.slots.permits == 0


def test_a_look_writes_nothing_and_everything_else_is_kept_for_an_hour(lua: Rules) -> None:
    lua.forget()
    lua.ask("look", NOW_US)
    assert lua.held() == {}

    lua.ask("book", NOW_US)
    lua.ask("look", NOW_US + 5)

    assert lua.held().keys() == {"server", "at", *FIELDS}
    assert lua.held()["at"] == str(NOW_US)
    assert 0.99 * KEEP_SECONDS <= lua.keeps_ms() / 1000 <= KEEP_SECONDS

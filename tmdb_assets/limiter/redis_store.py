"""The limiter's state in Redis, on Redis's own clock: for all processes of many hosts.

One script does every transaction (`slots.lua`, the same rules as `slots` and `cooldown`). It knows
the server by its `run_id`, so a restart, a failover or a restored copy reads as an unknown past.
Nothing of redis-py sends twice by itself.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry

from tmdb_assets.errors import LimiterUnavailableError
from tmdb_assets.limiter import cooldown, slots
from tmdb_assets.limiter.cooldown import Pace, pace
from tmdb_assets.limiter.life import Life
from tmdb_assets.limiter.redis_clock import RedisClock
from tmdb_assets.limiter.redis_errors import MEND, reason, remedy
from tmdb_assets.limiter.slots import MS, Slots

PATIENCE_SECONDS = 60.0
"""How long a Redis that does not answer is waited for; nothing is sent meanwhile."""

CALL_SECONDS = 2.0
CONNECT_SECONDS = 1.0
"""Bounds of one call, and of connecting before it, during which nothing can interrupt."""

SLOW_NS = 10 * MS
"""A round trip above this costs permits; the log says so once."""

ANSWER_SLACK_NS = MS // 2
LONGEST_LEAD_NS = 200 * MS
KEEP_SECONDS = 3600
"""A state that nobody asked for so long is dropped; a slowed rate has recovered by then."""

_US = 1000  # nanoseconds in Redis's unit
_CALLS_BEFORE_WARNING = 8
_POLL_SECONDS = (0.05, 0.5)

_CONSTANTS = {
    "WINDOW": slots.WINDOW_NS / _US,
    "GRACE": slots.GRACE_NS / _US,
    "LATE": slots.LATE_NS / _US,
    "VOID": slots.VOID_NS / _US,
    "AHEAD": slots.AHEAD_NS / _US,
    "YOUNGER_LEAD": slots.YOUNGER_LEAD_NS / _US,
    "ELDEST": slots.ELDEST_NS / _US,
    "SILENCE": slots.SILENCE_NS / _US,
    "CLIMB": slots.CLIMB_PER_SECOND,
    "PROBE": slots.PROBE_NS / _US,
    "PROBE_PER_SECOND": slots.PROBE_PER_SECOND,
    "LONGEST_PAUSE": slots.LONGEST_PAUSE_NS / _US,
    "UNSLOWED": slots.UNSLOWED,
    "FIRST_PAUSE": cooldown.FIRST_PAUSE_NS / _US,
    "CALM": cooldown.CALM_NS / _US,
    "AT_ONCE": cooldown.AT_ONCE_NS / _US,
    "SLOWER": cooldown.SLOWER,
    "SLOWEST": cooldown.SLOWEST_PER_SECOND,
    "KEEP": KEEP_SECONDS * 1000,
}
REDIS_CLOCK = "local t = redis.call('TIME') return t[1] * 1000000 + t[2]"

logger = logging.getLogger(__name__)


def script(clock: str = REDIS_CLOCK) -> str:
    """Return the Lua script; `clock` is the body of its function for the time, in microseconds."""
    constants = "".join(f"local {name} = {value!r}\n" for name, value in _CONSTANTS.items())
    rules = files(__package__).joinpath("slots.lua").read_text("utf-8")
    return f"{constants}local function clock() {clock} end\n{rules}"


class RedisStore:
    """The state of one limiter under one key of Redis; safe to share between threads.

    A call blocks for a round trip, or for `patience_seconds` at most while Redis does not answer
    as it should. After that, or once closed, every further call raises the same error at once.
    """

    def __init__(
        self,
        address: str,
        key: str,
        requests_per_second: int,
        *,
        born: int | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Get ready; nothing is connected yet.

        Args:
            address: `redis://` or `rediss://`, with host, and password, port and database if any.
            key: the same for all who share the limiter.
            requests_per_second: the cap as this process knows it.
            born: who is elder; the time of day at which the run began, in nanoseconds.
            patience_seconds: bound on the wait for a Redis that does not answer.
        """
        self.name = _without_password(address)
        self.born = (time.time_ns() if born is None else born) // _US * _US
        self._key = key
        self._cap = requests_per_second
        self._patience_seconds = patience_seconds
        self._redis = redis.Redis.from_url(
            address,
            socket_timeout=CALL_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
        )
        self._script = self._redis.register_script(script())
        self._clock = RedisClock()
        self._mutex = threading.Lock()
        self._life = Life()
        self._is_connected = False
        self._calls_until_warning = _CALLS_BEFORE_WARNING

    def book(self) -> tuple[int | None, int]:
        """Book the next slot; return it on the local monotonic clock, and the nanoseconds until it.

        The slot is None when none can be had yet; the second value then says when to ask again.

        Raises:
            LimiterUnavailableError: Redis did not answer within the bound, or refuses us.
            LimiterClosedError: `close` was called.
        """
        answer = self._ask("book")
        told_us, slot_us, wait_us = (int(float(text)) for text in answer[:3])
        with self._mutex:
            slot_ns = self._clock.local_ns(slot_us * _US)
            again_ns = self._clock.local_ns((told_us + wait_us) * _US)
            again_ns -= int(self._clock.round_trip_ns / 2)
        now_ns = self.now_ns()
        if slot_us < 0:
            return None, min(max(0, again_ns - now_ns), slots.AHEAD_NS)
        return slot_ns, max(0, slot_ns - now_ns)

    def write_back(self, late_ns: int) -> None:
        """Tell the others that a request left `late_ns` after its slot."""
        self._ask("write_back", late_ns // _US)

    def refused(self, left_ns: int, asked_ns: int) -> Pace:
        """Have everybody pause after a 429 to a request that left at `left_ns`; return the pace."""
        self._life.check()  # before the mutex too: after a fork nobody may ever release it
        with self._mutex:
            left_us = self._clock.redis_ns(left_ns) // _US
        answer = self._ask("refused", left_us, asked_ns // _US)
        return replace(self._told(answer), is_news=float(answer[1]) > 0)

    def pace(self) -> Pace:
        """Return how the limiter stands; asks once only and changes nothing.

        Raises:
            LimiterUnavailableError: Redis did not answer; the store goes on all the same.
            LimiterClosedError: `close` was called.
        """
        self._life.check()
        try:
            with self._mutex:
                answer, _ = self._call("look")
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from None
        return self._told(answer)

    def reset(self) -> None:
        """Forget pauses and a slower rate; nobody sends for a second and a half."""
        self._ask("reset")

    def now_ns(self) -> int:
        """Return the time on the clock that slots are told in."""
        return time.monotonic_ns()

    def check_open(self) -> None:
        """Raise the error that closed this store, if any.

        Raises:
            LimiterUnavailableError: the store failed.
            LimiterClosedError: `close` was called.
        """
        self._life.check()

    def close(self) -> None:
        """Make every waiting and future call raise; may be called from any thread, repeatedly."""
        self._life.close()
        # a call under way would wait for its answer
        self._redis.connection_pool.disconnect(inuse_connections=True)

    def _told(self, answer: Sequence[str]) -> Pace:
        numbers = [float(text) for text in answer]
        told_ns, next_ns, eldest, seen_ns, until_ns, pause_ns, since_ns, asker = (
            int(numbers[place]) * _US for place in (0, 3, 4, 5, 6, 7, 9, 11)
        )
        slowed_to, permits = numbers[8], int(numbers[10])
        state = Slots(
            *(next_ns, eldest, seen_ns, until_ns, pause_ns), slowed_to, since_ns, permits, asker
        )
        return pace(state, told_ns, self._cap)

    def _ask(self, operation: str, *arguments: int) -> Sequence[str]:
        """Run the script until Redis answers, within the bound; forget all if its clock jumped."""
        self._life.check()
        deadline = time.monotonic() + self._patience_seconds
        pause_seconds, longest_seconds = _POLL_SECONDS
        is_news = True
        while True:
            try:
                with self._mutex:
                    answer, is_steady = self._call(operation, *arguments)
            except (RedisError, OSError) as error:
                self._heed(error, deadline, is_news=is_news)
                is_news = False
            else:
                if not is_news:
                    logger.info("limiter %s answers again", self.name)
                if is_steady or operation == "reset":
                    return answer
                logger.warning("limiter %s: its clock jumped: a moment of silence", self.name)
                self._ask("reset")
            self._life.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, longest_seconds)

    def _call(self, operation: str, *arguments: int) -> tuple[Sequence[str], bool]:
        self._life.check()
        lead_ns = min(int(self._clock.round_trip_ns / 2) + ANSWER_SLACK_NS, LONGEST_LEAD_NS)
        asked: list[str | int] = [
            operation,
            self.born // _US,
            self._cap,
            lead_ns // _US,
            *arguments,
        ]
        is_typical, self._is_connected = self._is_connected, False
        before_ns = time.monotonic_ns()
        try:
            answer: Any = self._script(keys=[self._key], args=asked)
        except Exception:
            self._life.check()  # `close` pulls the connection from under a call
            raise
        after_ns = time.monotonic_ns()
        self._is_connected = True
        told_ns = int(float(answer[0])) * _US
        is_steady = self._clock.note(before_ns, told_ns, after_ns, is_typical=is_typical)
        self._warn_if_slow()
        return answer, is_steady

    def _warn_if_slow(self) -> None:
        self._calls_until_warning -= 1
        if self._calls_until_warning == 0 and self._clock.round_trip_ns <= SLOW_NS:
            self._calls_until_warning = 1
        elif self._calls_until_warning == 0:
            logger.warning(
                "limiter %s: a round trip takes %.0f ms; above %d ms a run may get less than the "
                "rate allows: use a Redis in the same network",
                *(self.name, self._clock.round_trip_ns / MS, SLOW_NS // MS),
            )

    def _heed(self, error: Exception, deadline: float, *, is_news: bool) -> None:
        """Return if asking again may help; raise what ends the store if not."""
        if remedy(error) != MEND:
            raise self._life.fail(self._unavailable(error)) from None
        if time.monotonic() >= deadline:
            how_long = f", for {self._patience_seconds:g} s"
            raise self._life.fail(self._unavailable(error, how_long)) from None
        if isinstance(error, ReadOnlyError):
            self._redis.connection_pool.disconnect()  # the name may lead to the new primary by now
        if is_news:
            logger.warning(
                "limiter %s: %s: nothing is sent until it answers, at most %g s",
                *(self.name, reason(error), self._patience_seconds),
            )

    def _unavailable(self, error: Exception, how_long: str = "") -> LimiterUnavailableError:
        return LimiterUnavailableError(
            f"limiter {self.name}: {reason(error)}{how_long}: {remedy(error)}"
        )


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or 6379}/{parts.path.strip('/') or 0}"

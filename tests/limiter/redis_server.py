"""A real Redis of the tests' own, a slow road to it, and a crowd that wants permits.

All of it is on loopback, every wait has a bound, and whatever was started ends with the `with`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from tests.client.servers import Certificate
from tmdb_assets.errors import LimiterError
from tmdb_assets.limiter.door import Door
from tmdb_assets.limiter.redis_store import REDIS_CLOCK, script
from tmdb_assets.limiter.slots import SECOND_NS

BOUND_SECONDS = 10.0
"""Nothing here waits longer than this."""

KEY = "tmdb_assets:limiter-test"
CAP = 50

_POLL_SECONDS = 0.005
_PIECE = 65_536


class RedisServer:
    """A redis-server on a port of loopback; keeps nothing on disk unless a directive says so."""

    def __init__(
        self,
        folder: Path,
        *,
        password: str = "",
        certificate: Certificate | None = None,
        **directives: str,
    ) -> None:
        """Get ready; the server starts with the `with`.

        Args:
            folder: where it works; has to exist.
            password: of the user `default`.
            certificate: speak TLS with it, and nothing else.
            directives: of redis.conf, with underscores for hyphens.
        """
        if shutil.which("redis-server") is None:
            missing = pytest.fail if os.environ.get("CI") else pytest.skip
            missing("there is no redis-server to test against")
        self.folder = folder
        self.password = password
        self._certificate = certificate
        self._directives = {"save": '""', **directives}
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for _ in range(5):  # somebody else may take the port meanwhile
            with socket.create_server(("127.0.0.1", 0)) as sock:
                self.port = sock.getsockname()[1]
            if self._start():
                return self
        pytest.fail(f"redis-server does not start: {self._log()}")

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def address(self, user: str = "", password: str | None = None, query: str = "") -> str:
        """Return what TMDB_LIMITER would be; user and password are percent-encoded already."""
        password = self.password if password is None else password
        whom = f"{user}:{password}@" if user or password else ""
        scheme = "rediss" if self._certificate else "redis"
        return f"{scheme}://{whom}127.0.0.1:{self.port}/0{query}"

    def command(self, *words: str | float) -> Any:
        """Ask the server for something, on a connection of its own, as its first user."""
        tls = {"ssl_ca_certs": self._certificate.authority} if self._certificate else {}
        url = f"{'rediss' if tls else 'redis'}://127.0.0.1:{self.port}"
        client = redis.Redis.from_url(
            url, password=self.password or None, socket_timeout=BOUND_SECONDS, **tls
        )
        with client:
            return client.execute_command(*words)  # type: ignore[no-untyped-call]

    def end_silence(self, key: str = KEY) -> None:
        """Leave a state there as if somebody had asked two seconds ago, and nobody since."""
        rules = script(f"{REDIS_CLOCK} - 2000000")
        self.command("EVAL", rules, 1, key, "book", 0, CAP, 0)

    def stop(self) -> None:
        """Halt the server; connections stay up, but nothing is answered."""
        self._running.send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        """Let a halted server go on."""
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(BOUND_SECONDS)

    def restart(self) -> None:
        """Start the server again after `kill`: same port, same folder."""
        assert self._start(), f"redis-server does not start again: {self._log()}"

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _start(self) -> bool:
        conf = self.folder / "redis.conf"
        lines = [f"{name.replace('_', '-')} {text}" for name, text in self._all().items()]
        conf.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", conf], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + BOUND_SECONDS
        while self._process.poll() is None:
            with contextlib.suppress(redis.ConnectionError):  # loading its data is one of these
                return bool(self.command("PING"))
            assert time.monotonic() < deadline, self._log()
            time.sleep(_POLL_SECONDS)
        return False

    def _all(self) -> dict[str, str]:
        directives = {"bind": "127.0.0.1", "dir": str(self.folder), "port": str(self.port)}
        if self._certificate:
            directives |= {
                "port": "0",
                "tls_port": str(self.port),
                "tls_cert_file": str(self._certificate.certfile),
                "tls_key_file": str(self._certificate.keyfile),
                "tls_auth_clients": "no",
            }
        if self.password:
            directives["requirepass"] = f'"{self.password}"'
        return directives | self._directives

    def _log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")[-1000:]


class DelayProxy:
    """A slow road to a port of loopback: every piece takes half of `round_trip_seconds`."""

    def __init__(self, target_port: int, round_trip_seconds: float) -> None:
        self._target_port = target_port
        self._delay_seconds = round_trip_seconds / 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._mutex = threading.Lock()
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(BOUND_SECONDS)
        self._listener.close()
        for sock in self._socks:
            _hang_up(sock)
        for thread in self._threads:
            thread.join(BOUND_SECONDS)
            assert not thread.is_alive()
        for sock in self._socks:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target_port), BOUND_SECONDS)
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socks.append(source)
                self._threads.append(threading.Thread(target=self._carry, args=(source, sink)))
                self._threads[-1].start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                time.sleep(self._delay_seconds)
                sink.sendall(piece)
        _hang_up(sink)


class Crowd:
    """Threads that want permits, as many as they can get, until they are sent away.

    Attributes:
        departures: when each permit was used, in nanoseconds of the monotonic clock.
        errors: what sent the threads away, and when.
    """

    def __init__(self, doors: Sequence[Door], threads: int = 8) -> None:
        """Get ready; the threads start with the `with`, and are spread over the doors."""
        self._doors = doors
        self._threads = [
            threading.Thread(target=self._send, args=(doors[number % len(doors)],))
            for number in range(threads)
        ]
        self.departures: list[int] = []
        self.errors: list[tuple[int, LimiterError]] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for door in self._doors:
            door.close()
        self.wait_until_gone()

    def wait_for(self, departures: int, after_ns: int = 0) -> None:
        """Wait for so many departures later than `after_ns`."""
        self._wait(lambda: sum(time_ns > after_ns for time_ns in self.departures) >= departures)

    def wait_until_gone(self) -> None:
        """Wait until every thread was sent away."""
        self._wait(lambda: len(self.errors) == len(self._threads))
        for thread in self._threads:
            thread.join(BOUND_SECONDS)

    def longest_gap(self) -> float:
        """Return the longest time between two departures, in seconds."""
        times = sorted(self.departures)
        return max(after - before for before, after in pairwise(times)) / 1e9

    def wait_for_rate(self, per_second: int) -> None:
        """Wait for a second with so many departures; on a busy machine it may not be the first."""
        first = len(self.departures)
        self._wait(
            lambda: any(
                last_ns - first_ns < SECOND_NS
                for first_ns, last_ns in zip(
                    self.departures[first:], self.departures[first + per_second - 1 :], strict=False
                )
            )
        )

    def _send(self, door: Door) -> None:
        try:
            while True:
                with door:
                    door.permit()
                    self.departures.append(time.monotonic_ns())
        except LimiterError as error:
            self.errors.append((time.monotonic_ns(), error))

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOUND_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, (len(self.departures), self.errors[:1])
            time.sleep(_POLL_SECONDS)


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)

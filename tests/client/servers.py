"""Servers that misbehave below HTTP, gates that count, certificates: what the tests hand in.

All of it is on loopback, every wait has a bound, and whatever was opened is closed with the `with`.
"""

import contextlib
import os
import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

BOUND_SECONDS = 5.0
"""Nothing here waits longer than this."""

_POLL_SECONDS = 0.05
_PIECE = 65_536


class CountingGate:
    """The door without a limiter: lets everybody in, one by one, and counts."""

    def __init__(self) -> None:
        self.permits = 0
        self.entries = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        assert self._lock.acquire(timeout=BOUND_SECONDS)
        self.entries += 1
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def permit(self) -> None:
        assert self._lock.locked()
        self.permits += 1

    def is_on_time(self) -> bool:
        return True

    def check_open(self) -> None:
        pass


class WaitingGate(CountingGate):
    """A door with a queue: something happens while one waits for it or for the permit."""

    def __init__(
        self,
        at_door: Callable[[], object] = lambda: None,
        at_permit: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self._at_door = at_door
        self._at_permit = at_permit

    def __enter__(self) -> Self:
        self._at_door()
        return super().__enter__()

    def permit(self) -> None:
        self._at_permit()
        super().permit()


class Link:
    """A connection as the server's script sees it.

    Attributes:
        number: from 1, in the order of connecting.
    """

    def __init__(self, server: "RawServer", sock: socket.socket, number: int) -> None:
        self.number = number
        self.sock = sock
        self._server = server
        self._held = b""

    def request(self) -> bytes:
        """Return the head of the next request, empty if the client is gone."""
        while b"\r\n\r\n" not in self._held:
            try:
                piece = self.sock.recv(_PIECE)
            except OSError:
                return b""
            if not piece:
                return b""
            self._held += piece
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        self._server.note(head)
        return head

    def send(self, piece: bytes) -> bool:
        """Send; say whether the client was still there."""
        try:
            self.sock.sendall(piece)
        except OSError:
            return False
        return True

    def reset(self) -> None:
        """Let the end of the connection be a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def wait_until_gone(self) -> None:
        """Read until the client hangs up."""
        with contextlib.suppress(OSError):
            while self.sock.recv(_PIECE):
                pass

    def drip(self, times: int, piece: bytes = b" ") -> None:
        """Send a piece every tenth of a second while anybody listens."""
        for _ in range(times):
            if self._server.is_over.wait(0.1) or not self.send(piece):
                return


Script = Callable[[Link], object]


class RawServer:
    """Accepts connections and runs the script on each, in a thread of its own.

    Its counts may be read from any thread.
    """

    def __init__(
        self, script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._script = script
        self._tls = tls
        self._news = threading.Condition()
        self._listener = socket.create_server((host, 0), backlog=128)
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.is_over = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self.requests: list[bytes] = []
        self.connections = 0
        self.handshakes = 0
        self.closed = 0

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with self._news:
            socks = [*self._socks]
        for sock in socks:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(BOUND_SECONDS)
            assert not thread.is_alive()
        self._listener.close()

    def note(self, head: bytes) -> None:
        """Count a request."""
        with self._news:
            self.requests.append(head)
            self._news.notify_all()

    def wait_for(self, name: str, count: int) -> None:
        """Wait until a counter, or the number of requests, is that high."""

        def is_there() -> bool:
            value = getattr(self, name)
            return (value if isinstance(value, int) else len(value)) >= count

        with self._news:
            assert self._news.wait_for(is_there, BOUND_SECONDS), f"fewer than {count} {name}"

    def _count(self, name: str) -> None:
        with self._news:
            setattr(self, name, getattr(self, name) + 1)
            self._news.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.is_over.is_set():
                sock.close()
                return
            with self._news:
                self._socks.append(sock)
            self._count("connections")
            thread = threading.Thread(target=self._run, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _run(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(BOUND_SECONDS)
        try:
            if self._tls is not None:
                plain, sock = (
                    sock,
                    self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False),
                )
                with self._news:
                    self._socks.remove(plain)
                    self._socks.append(sock)
                sock.do_handshake()
                self._count("handshakes")
            self._script(Link(self, sock, number))
        except OSError:
            pass
        finally:
            with self._news:
                self._socks.remove(sock)
            sock.close()
            self._count("closed")


def answer(
    body: bytes = b'{"id":1}', *headers: str, status: str = "200 OK", framed: bool = True
) -> bytes:
    """Return a whole answer as it is on the wire."""
    length = [f"Content-Length: {len(body)}"] if framed else []
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *length, *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def redirect(location: str, body: bytes = b"") -> bytes:
    """Return a redirect as it is on the wire."""
    return answer(body, f"Location: {location}", status="302 Found")


def answers_always(piece: bytes = answer()) -> Script:
    """Keep the connection and answer every request on it."""

    def script(link: Link) -> None:
        while link.request() and link.send(piece):
            pass

    return script


def answers_once(piece: bytes = answer()) -> Script:
    """Answer one request, then hang up without having said so."""

    def script(link: Link) -> None:
        if link.request():
            link.send(piece)

    return script


def never_answers(link: Link) -> None:
    """Take a request and stay silent."""
    if link.request():
        link.wait_until_gone()


def hangs_up(link: Link) -> None:
    """Close the connection as soon as it is up."""


@dataclass(frozen=True)
class Proxy:
    """A CONNECT proxy that leads every tunnel to one port of loopback.

    Attributes:
        tunnels: all that went through, in both directions, as it was on the wire.
    """

    target_port: int
    tunnels: list[bytes]

    def __call__(self, link: Link) -> None:
        if not link.request().startswith(b"CONNECT "):
            link.send(answer(status="400 Bad Request"))
            return
        try:
            target = socket.create_connection(("127.0.0.1", self.target_port), BOUND_SECONDS)
        except OSError:
            link.send(answer(status="502 Bad Gateway"))
            return
        with target:
            link.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._relay(link.sock, target)

    def _relay(self, client: socket.socket, target: socket.socket) -> None:
        """Copy both ways in one thread, since TLS may be on one side, until somebody hangs up."""
        others = {client: target, target: client}
        while ready := select.select(list(others), [], [], BOUND_SECONDS)[0]:
            for source in ready:
                piece = source.recv(_PIECE)
                if not piece:
                    return
                self.tunnels.append(piece)
                others[source].sendall(piece)


@dataclass(frozen=True)
class Certificate:
    """A certificate for `NAMES`, its key, and the authority to trust."""

    authority: Path
    certfile: Path
    keyfile: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs to speak TLS 1.3 and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.certfile, self.keyfile)
        return context


def make_certificate(folder: Path, names: str) -> Certificate:
    """Make an authority and a certificate of it for the names, with the `openssl` command."""
    if shutil.which("openssl") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("there is no openssl command to make certificates with")
    folder.mkdir(exist_ok=True)
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile leaf.conf"
    (folder / "leaf.conf").write_text(
        f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    for command in (
        (
            f"req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority "
            "-addext keyUsage=critical,keyCertSign,cRLSign"
        ),
        f"req -new {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf",
        f"x509 -req -in leaf.csr -out leaf.pem {signed}",
    ):
        subprocess.run(
            ["openssl", *command.split()],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=4 * BOUND_SECONDS,
        )
    return Certificate(folder / "ca.pem", folder / "leaf.pem", folder / "leaf.key")


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """Give a port of 127.0.0.1 that refuses connections: bound, but nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]

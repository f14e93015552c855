"""What we start listens on this machine alone: nobody else on the net gets at it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from tests.patience import HANG_SECONDS, wait_until
from tests.system.dagster_dev import DagsterDev
from tests.system.project import Project

LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp."""

Listener = tuple[IPv4Address | IPv6Address, int]


def listeners(pids: Iterable[int]) -> set[Listener]:
    """Return address and port of every TCP socket on which one of these processes listens."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    return {
        _address(row[1])
        for table in ("tcp", "tcp6")
        for row in map(str.split, Path("/proc/net", table).read_text().splitlines()[1:])
        if row[3] == LISTENS and row[9] in inodes
    }


def family(project: Project) -> set[int]:
    """Return the processes of a project and all that they started, wherever those work."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                after_name = (entry / "stat").read_text().rpartition(")")[2]
                parents[int(entry.name)] = int(after_name.split()[1])
    pids: set[int] = set()
    more = set(project.processes())
    while more - pids:
        pids |= more
        more = {pid for pid, parent in parents.items() if parent in pids}
    return pids


def open_to_others(found: Iterable[Listener]) -> set[Listener]:
    """Return those of them that can be reached from elsewhere."""
    return {(address, port) for address, port in found if not _plain(address).is_loopback}


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    yield target[len("socket:[") : -1]


def _address(text: str) -> Listener:
    """Read `0100007F:1F90`: words of 32 bits in the machine's own order."""
    words, _, port = text.partition(":")
    packed = b"".join(
        int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8)
    )
    return ip_address(packed), int(port, 16)


@contextmanager
def started(project: Project, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Lend a command of ours, and end it."""
    with project.start(*arguments) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Project]:
    """A project without a server, for what needs none."""
    with Project(tmp_path, "http://127.0.0.1:1", TMDB_TIMEOUT_SECONDS="1") as project:
        yield project


def test_the_pages_of_dagster_dev_are_for_this_machine_alone(idle: Project) -> None:
    dagster_dev = DagsterDev(idle)
    try:
        found = listeners(family(idle))
    finally:
        idle.kill_all()
        dagster_dev.process.wait(HANG_SECONDS)

    assert (IPv4Address("127.0.0.1"), dagster_dev.port) in found
    assert open_to_others(found) == set()


def test_the_stand_in_and_a_run_with_a_queue_of_its_own_are_for_this_machine_alone(
    idle: Project,
) -> None:
    with started(idle, "stand-in", "--port", "0", "--latency", "0.5") as stand_in:
        own = wait_until(lambda: listeners([stand_in.pid]), "the stand-in listens")
        ((address, port),) = own
        idle.environment["TMDB_ALLOWED_ORIGINS"] = f"http://{address}:{port}"
        found: set[Listener] = set(own)
        seen: set[int] = set()
        with started(idle, "run", idle.write_list(60)) as run:
            deadline = time.monotonic() + HANG_SECONDS
            while run.poll() is None and time.monotonic() < deadline:
                pids = family(idle)
                seen |= pids
                found |= listeners(pids)
                time.sleep(0.05)
            out, err = run.communicate(timeout=10)

    assert (run.returncode, err) == (0, ""), out
    assert len(seen) > 5  # the queue's daemon, its code server, the run itself …
    assert open_to_others(found) == set()


def test_a_socket_that_is_open_to_others_would_be_noticed() -> None:
    before = listeners([os.getpid()])
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - what must be noticed
        port = server.getsockname()[1]
        found = listeners([os.getpid()])
    assert open_to_others(found - before) == {(IPv4Address("0.0.0.0"), port)}  # noqa: S104 - as above

    with socket.create_server(("127.0.0.3", 0)) as server:
        port = server.getsockname()[1]
        found = listeners([os.getpid()])
    assert found - before == {(IPv4Address("127.0.0.3"), port)}
    assert open_to_others(found - before) == set()


@pytest.mark.parametrize(
    ("address", "text", "is_open"),
    [
        ("::1", "00000000000000000000000001000000", False),
        ("::ffff:127.0.0.1", "0000000000000000FFFF00000100007F", False),
        ("::", "0" * 32, True),
        ("2001:db8::1", "B80D0120000000000000000001000000", True),
    ],
)
@pytest.mark.skipif(sys.byteorder == "big", reason="the texts are of little-endian machines")
def test_addresses_of_ipv6_are_read_as_the_kernel_writes_them(
    address: str, text: str, *, is_open: bool
) -> None:
    read = _address(f"{text}:1F90")

    assert read == (ip_address(address), 8080)
    assert bool(open_to_others([read])) is is_open

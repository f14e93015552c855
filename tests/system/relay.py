"""A relay in front of a server on loopback that makes the way to it longer.

    python -m tests.system.relay PORT ROUND_TRIP_SECONDS SETUP_SECONDS

Everything takes half of the round trip in each direction; a new connection is first held for up to
the setup time, so that what is said on it at once, as in a TLS handshake, takes that much longer.
"""

import asyncio
import random
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.patience import HANG_SECONDS
from tests.system.judge import hurry
from tests.system.project import ROOT

_PIECE = 65_536


@contextmanager
def relayed(
    port: int, *, round_trip_seconds: float = 0.0, setup_seconds: float = 0.0
) -> Iterator[int]:
    """Lend a port of loopback that leads to another, the long way; real-time if allowed."""
    numbers = map(str, (port, round_trip_seconds, setup_seconds))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.system.relay", *numbers], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            assert select.select([process.stdout], [], [], HANG_SECONDS)[0], "no relay"
            here = int(process.stdout.readline())
        hurry(process.pid)
        yield here
    finally:
        process.kill()
        process.wait(HANG_SECONDS)


class Relay:
    """Accepts connections and leads each to the server."""

    def __init__(self, port: int, round_trip_seconds: float, setup_seconds: float) -> None:
        self._port = port
        self._delay_seconds = round_trip_seconds / 2
        self._setup_seconds = setup_seconds
        self._random = random.Random(300)  # noqa: S311 - no secret hangs on it

    async def serve(self) -> None:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._random.uniform(0, self._setup_seconds))
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        # pieces of one direction have the same delay: they arrive in their order
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self._delay_seconds:
                    loop.call_later(self._delay_seconds, writer.write, piece)
                else:
                    writer.write(piece)
        loop.call_later(self._delay_seconds, writer.close)


def main() -> None:
    port, round_trip_seconds, setup_seconds = sys.argv[1:]
    asyncio.run(Relay(int(port), float(round_trip_seconds), float(setup_seconds)).serve())


if __name__ == "__main__":
    main()

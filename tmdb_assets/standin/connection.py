"""A client's connection as the rest sees it: when a request came, waiting, and cutting it off.

It hides the transport. One event loop owns it; at most one request of it is handled at a time.
"""

import asyncio
import socket
import struct
import time

_ABORT = struct.pack("ii", 1, 0)
_END_SECONDS = 5.0


class Connection:
    """One TCP connection, made by `door` for the time that it is up."""

    __slots__ = ("_moment", "_transport", "_waiter", "is_open")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._moment: float | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.is_open = True

    def bytes_came(self) -> None:
        """Note the moment, if these are the first bytes of a request."""
        if self._moment is None:
            self._moment = time.monotonic()

    def request_moment(self) -> float:
        """Return when the first bytes of the present request came, in monotonic seconds."""
        return time.monotonic() if self._moment is None else self._moment

    def request_done(self) -> None:
        """Be ready for the first bytes of the next request."""
        self._moment = None

    def lost(self) -> None:
        """Note that the connection is gone, and wake who waits."""
        self.is_open = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def pause(self, seconds: float) -> bool:
        """Wait, but not longer than the connection lasts; return whether it is still up."""
        if seconds > 0 and self.is_open:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self.is_open

    def write(self, raw: bytes) -> bool:
        """Send bytes that uvicorn knows nothing of; return whether the connection is still up.

        After them, only `reset` and `close` leave uvicorn and the client of one mind.
        """
        if not self._transport.is_closing():  # then `lost` is about to be called, or was
            self._transport.write(raw)
        return self.is_open

    def abort(self) -> None:
        """Drop the connection, whatever is under way."""
        self._transport.abort()

    async def reset(self) -> None:
        """Cut the connection so that the client sees a reset; return when it is gone."""
        link: socket.socket = self._transport.get_extra_info("socket")
        if link.fileno() >= 0:  # else the client was faster
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._transport.abort()
        await self.pause(_END_SECONDS)

    async def close(self) -> None:
        """End the connection in good order; return when it is gone."""
        self._transport.close()
        await self.pause(_END_SECONDS)

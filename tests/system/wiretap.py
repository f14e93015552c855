"""The judge that cannot be late: stamps of the kernel on the packets that carry requests.

A server that hears of sixty closed connections at once is busy for fifty milliseconds, and stamps
what arrives meanwhile too late and all at one time. The kernel stamps a packet when it arrives.
Needs the right to open a packet socket (root); sees no requests within TLS.
"""

import errno
import socket
import struct
import threading
from typing import Self

_ALL_IP = 0x0800
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33  # Linux; the socket module has no names for them
_HOST_PACKET = 0  # each packet of loopback passes twice, once on its way out
_BUFFER_BYTES = 16 << 20
_HEAD_BYTES = 256


class Wiretap:
    """Notes when each GET to a port of loopback arrives, as long as the `with` lasts.

    Attributes:
        moments: of the arrivals, in seconds.
    """

    def __init__(self, port: int) -> None:
        """Open the socket.

        Raises:
            PermissionError: that is not allowed here.
        """
        self.moments: list[float] = []
        self._port = port
        self._is_over = threading.Event()
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_IP))
        self._sock.bind(("lo", _ALL_IP))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._sock.settimeout(0.2)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(5.0)
        self._sock.close()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            try:
                packet, notes, _, address = self._sock.recvmsg(_HEAD_BYTES, 64)
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    continue
                raise
            if address[2] == _HOST_PACKET and self._is_request(packet):
                seconds, nanoseconds = struct.unpack("qq", notes[0][2])
                self.moments.append(seconds + nanoseconds / 1e9)

    def _is_request(self, packet: bytes) -> bool:
        ip_bytes = (packet[0] & 15) * 4
        if packet[9] != socket.IPPROTO_TCP or len(packet) < ip_bytes + 20:
            return False
        (port,) = struct.unpack_from("!H", packet, ip_bytes + 2)
        tcp_bytes = (packet[ip_bytes + 12] >> 4) * 4
        return bool(port == self._port and packet[ip_bytes + tcp_bytes :].startswith(b"GET /3/"))

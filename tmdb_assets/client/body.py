"""The body of one answer, read whole and unpacked, or an error: nothing in between.

urllib3 could unpack it too, but takes a gzip stream that ends early for a whole one, and unpacks
before it looks at the size.
"""

import zlib
from typing import Final

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import DecodeError

_PIECE_BYTES: Final = 64 * 1024
_MEMBER_PIECE_BYTES: Final = 4 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class BodyTooLargeError(Exception):
    """The body is larger than allowed; the rest was not read."""


def read(response: BaseHTTPResponse, max_bytes: int) -> bytes:
    """Return the body, unpacked if it is packed; both forms are at most `max_bytes` long.

    Raises:
        BodyTooLargeError: it is longer.
        DecodeError: gzip that is broken, cut short, altered, or not alone; or packed otherwise.
        HTTPError: the connection ended before the framing said so (urllib3's).
    """
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise DecodeError("an encoding that was not asked for")
    packed = bytearray()
    # a read that brings nothing is what makes urllib3 compare length and framing
    while piece := response.read(_PIECE_BYTES, decode_content=False):
        packed += piece
        if len(packed) > max_bytes:
            raise BodyTooLargeError
    if not packed or encoding in {"", "identity"}:
        return bytes(packed)
    return unpack(bytes(packed), max_bytes)


def unpack(packed: bytes, max_bytes: int) -> bytes:
    """Return what a gzip file of one or more members holds; its length and CRC are checked.

    Raises:
        BodyTooLargeError: that is more than `max_bytes`; not more than these are unpacked.
        DecodeError: it is no whole gzip file.
    """
    unpacked = bytearray()
    member = None
    # in pieces: what follows a member is copied, and there may be a million of empty ones
    for start in range(0, len(packed), _MEMBER_PIECE_BYTES):
        piece = packed[start : start + _MEMBER_PIECE_BYTES]
        while piece:
            member = member or zlib.decompressobj(_GZIP)
            try:
                unpacked += member.decompress(piece, max_bytes + 1 - len(unpacked))
            except zlib.error:
                raise DecodeError("broken gzip") from None
            if len(unpacked) > max_bytes:
                raise BodyTooLargeError
            piece = member.unused_data
            member = None if member.eof else member
    if member is not None:
        raise DecodeError("gzip that ends early")
    return bytes(unpacked)

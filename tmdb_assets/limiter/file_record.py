"""The record of a limiter's file as bytes: a state, and what it was written by.

That is the clock (wall minus monotonic time), the moment, and the file itself: a record that was
carried over from another life, host or file is told by them.
"""

import struct
import zlib
from dataclasses import dataclass

from tmdb_assets.limiter.slots import Slots

_BODY = struct.Struct("<8sqqQqqqqqdqqq")
_MAGIC = b"tmdbslt2"
RECORD_BYTES = _BODY.size + 4


@dataclass(frozen=True, slots=True)
class Record:
    """A state and what it was written by.

    Attributes:
        clock_offset_ns: wall minus monotonic time of the writer.
        at_ns: monotonic time of the writing.
        inode: of the file.
    """

    clock_offset_ns: int
    at_ns: int
    inode: int
    slots: Slots


def encode(record: Record) -> bytes:
    """Return the record as `RECORD_BYTES` bytes, the last four of them a CRC-32."""
    slots = record.slots
    body = _BODY.pack(
        _MAGIC,
        record.clock_offset_ns,
        record.at_ns,
        record.inode,
        slots.next_ns,
        slots.eldest,
        slots.eldest_seen_ns,
        slots.pause_until_ns,
        slots.pause_ns,
        slots.slowed_to,
        slots.refused_since_ns,
        slots.permits,
        slots.asker,
    )
    return body + zlib.crc32(body).to_bytes(4, "little")


def decode(raw: bytes) -> Record | None:
    """Return what `encode` was given, or None if these are no such bytes."""
    if len(raw) != RECORD_BYTES or zlib.crc32(raw[:-4]).to_bytes(4, "little") != raw[-4:]:
        return None
    magic, clock_offset_ns, at_ns, inode, *fields = _BODY.unpack(raw[:-4])
    return Record(clock_offset_ns, at_ns, inode, Slots(*fields)) if magic == _MAGIC else None

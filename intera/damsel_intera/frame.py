"""Framing: the header that every message carries, its length check and its checksum.

All numbers are little-endian. A frame is the header, then `length` bytes of payload. The
checksum covers both, so that noise which happens to have the right shape moves nothing.

| bytes | field |
|---|---|
| 4 | magic, `DMSL` |
| 1 | protocol version |
| 1 | message type |
| 2 | length of the payload |
| 8 | session: random, drawn by each start of the server; 0 where not known yet |
| 8 | lease: random, drawn when a controller is let in; 0 where there is none |
| 8 | sequence: rises by one with every message of the same sender and kind |
| 8 | monotonic clock of the sender, seconds |
| 8 | wall clock of the sender, seconds since 1970 |
| 4 | CRC-32 of all of the above and the payload |
"""

from __future__ import annotations

import math
import struct
import time
import zlib
from dataclasses import dataclass

from damsel_intera.errors import WireError

__all__ = ["MAX_FRAME_BYTES", "PROTOCOL_VERSION", "Header", "pack_frame", "unpack_frame"]

MAGIC = b"DMSL"
PROTOCOL_VERSION = 3
MAX_FRAME_BYTES = 4096

_HEAD = struct.Struct("<4sBBHQQQdd")
_CRC = struct.Struct("<I")
_HEADER_BYTES = _HEAD.size + _CRC.size
_UINT64 = 2**64


@dataclass(frozen=True)
class Header:
    """What every message says about itself.

    Attributes:
        session: the server's start that this message belongs to, uint64; 0 when not known.
        lease: the controller's permission that this message uses, uint64; 0 when none.
        sequence: uint64, rises with every message of one sender and kind.
        monotonic_s: sender's monotonic clock, seconds; comparable only with the same sender's.
        wall_s: sender's wall clock, seconds since 1970; for records, never for safety.
    """

    session: int
    lease: int
    sequence: int
    monotonic_s: float
    wall_s: float

    @classmethod
    def now(cls, *, session: int = 0, lease: int = 0, sequence: int = 0) -> Header:
        """A header that is stamped with this machine's clocks."""
        return cls(session, lease, sequence, time.monotonic(), time.time())


def pack_frame(header: Header, message_type: int, payload: bytes) -> bytes:
    """Frame a payload.

    Raises:
        WireError: If a header field does not fit, or the payload is too long.
    """
    _check(header)
    if _HEADER_BYTES + len(payload) > MAX_FRAME_BYTES:
        raise WireError(
            f"a payload of {len(payload)} bytes; allowed: {MAX_FRAME_BYTES - _HEADER_BYTES} or less"
        )
    head = _HEAD.pack(
        MAGIC,
        PROTOCOL_VERSION,
        message_type,
        len(payload),
        header.session,
        header.lease,
        header.sequence,
        header.monotonic_s,
        header.wall_s,
    )
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def unpack_frame(data: bytes) -> tuple[Header, int, bytes]:
    """Header, message type and payload of a frame.

    Raises:
        WireError: If these bytes are anything else than one whole frame of this version.
    """
    if not _HEADER_BYTES <= len(data) <= MAX_FRAME_BYTES:
        raise WireError(
            f"a frame of {len(data)} bytes; allowed: {_HEADER_BYTES} to {MAX_FRAME_BYTES}"
        )
    magic, version, message_type, length, session, lease, sequence, monotonic_s, wall_s = (
        _HEAD.unpack_from(data)
    )
    if magic != MAGIC:
        raise WireError(f"a frame that starts with {magic!r}; allowed: {MAGIC!r}")
    if version != PROTOCOL_VERSION:
        raise WireError(f"protocol version {version}; allowed: {PROTOCOL_VERSION}")
    payload = data[_HEADER_BYTES:]
    if length != len(payload):
        raise WireError(f"{len(payload)} bytes of payload; allowed: {length}, as its header says")
    (crc,) = _CRC.unpack_from(data, _HEAD.size)
    if crc != zlib.crc32(payload, zlib.crc32(data[: _HEAD.size])):
        raise WireError("a frame whose checksum does not match; allowed: one that arrived whole")
    header = Header(session, lease, sequence, monotonic_s, wall_s)
    _check(header)
    return header, message_type, payload


def _check(header: Header) -> None:
    for name in ("session", "lease", "sequence"):
        value = getattr(header, name)
        if not 0 <= value < _UINT64:
            raise WireError(f"{name} {value}; allowed: 0 to 2**64 - 1")
    if not (math.isfinite(header.monotonic_s) and math.isfinite(header.wall_s)):
        raise WireError("a stamp that is not finite; allowed: finite seconds")

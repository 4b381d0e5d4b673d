"""The frames of yamux, which carries many streams over one connection.

    version 8 = 0 | type 8 | flags 16 | stream 32 | length 32        12 bytes, big-endian; the payload of a data frame follows

Source: reference of the RPC wire, section 2.
"""

import struct
from typing import Final, NamedTuple

from msgspec import Struct

from muster.model.errors import DecodeError

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8
NORMAL, PROTOCOL_ERROR, INTERNAL_ERROR = range(3)
"""Why a session goes away."""

HEADER_SIZE: Final = 12
INITIAL_WINDOW: Final = 262_144
"""Bytes that each side of a stream may send before the other grants more."""
LARGEST: Final = (1 << 32) - 1

_HEADER = struct.Struct(">BBHII")


class Header(Struct, frozen=True, gc=False):
    """A frame without its payload. What `length` means depends on the type: payload bytes, credit, a ping's value, a reason."""

    type: int
    flags: int
    stream: int
    length: int

    def encode(self) -> bytes:
        """The 12 bytes."""
        return _HEADER.pack(0, self.type, self.flags, self.stream, self.length)


class Part(NamedTuple):
    """A frame as far as it has come: `first` with its header, then more of its payload; `left` bytes of that are still to come."""

    header: Header
    payload: bytes
    first: bool
    left: int


class FrameReader:
    """Cuts a connection into frames. Nothing is kept but a begun header: a payload is handed on in the pieces in which it comes."""

    def __init__(self) -> None:
        self._begun = b""  # a header
        self._header = Header(DATA, 0, 0, 0)
        self._left = 0  # bytes of its payload

    def feed(self, data: bytes) -> list[Part]:
        """The parts that the bytes bring. `DecodeError` for a version or type that does not exist; what came before is lost with it."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        parts: list[Part] = []
        position, end = 0, len(data)
        if self._left and end:
            payload = data[: self._left]
            position = len(payload)
            self._left -= position
            parts.append(Part(self._header, payload, False, self._left))
        while end - position >= HEADER_SIZE:
            version, kind, flags, stream, length = _HEADER.unpack_from(data, position)
            if version != 0 or kind > GO_AWAY:
                raise DecodeError(f"yamux: no frame has version {version} and type {kind}")
            position += HEADER_SIZE
            self._header = Header(kind, flags, stream, length)
            payload = data[position : position + length] if kind == DATA else b""
            position += len(payload)
            self._left = length - len(payload) if kind == DATA else 0
            parts.append(Part(self._header, payload, True, self._left))
        self._begun = data[position:]
        return parts

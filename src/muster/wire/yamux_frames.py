"""The frames of yamux, which carries many streams over one connection.

    version 8 = 0 | type 8 | flags 16 | stream 32 | length 32        12 bytes, big-endian; the payload of a data frame follows

Source: reference of the RPC wire, section 2.
"""

import struct
from typing import Final

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


class FrameReader:
    """Cuts a connection into headers and pieces of payload. Nothing is kept but a begun header."""

    def __init__(self) -> None:
        self._head = b""
        self._header = Header(DATA, 0, 0, 0)
        self._left = 0  # bytes of payload still to come

    def feed(self, data: bytes) -> "list[tuple[Header, bytes, bool]]":
        """Headers with what of the payload is here, and whether the header is new; a long payload comes in pieces.

        `DecodeError` for a version or type that does not exist, once.
        """
        found: list[tuple[Header, bytes, bool]] = []
        position, end = 0, len(data)
        if self._left:
            piece = data[: self._left]
            position = len(piece)
            self._left -= position
            found.append((self._header, piece, False))
        if self._head:
            missing = HEADER_SIZE - len(self._head)
            self._head += data[position : position + missing]
            position = min(end, position + missing)
            if len(self._head) < HEADER_SIZE:
                return found
            position = self._frame(self._head, 0, data, position, found)
            self._head = b""
        while end - position >= HEADER_SIZE:
            position = self._frame(data, position, data, position + HEADER_SIZE, found)
        self._head = data[position:]
        return found

    @property
    def payload_left(self) -> int:
        """Bytes of the newest frame's payload that have not come yet."""
        return self._left

    def _frame(self, head: bytes, at: int, data: bytes, position: int, found: list[tuple[Header, bytes, bool]]) -> int:
        """Adds the frame whose header stands in `head`; where the next one begins in `data`."""
        version, kind, flags, stream, length = _HEADER.unpack_from(head, at)
        if version != 0 or kind > GO_AWAY:
            raise DecodeError(f"yamux: no frame has version {version} and type {kind}")
        self._header = Header(kind, flags, stream, length)
        if kind != DATA:
            found.append((self._header, b"", True))
            return position
        piece = data[position : position + length]
        self._left = length - len(piece)
        found.append((self._header, piece, True))
        return position + len(piece)

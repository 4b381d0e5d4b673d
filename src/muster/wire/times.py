"""Points in time as Go writes them in binary.

    version 8 = 1 | seconds since the year 1, 64 | nanoseconds 32 | zone 16, minutes east, -1 for UTC        15 bytes, big-endian

Source: reference of the RPC wire, "The msgpack dialect".
"""

import struct
from typing import Final

from msgspec import Struct

from muster.model.errors import DecodeError

UTC: Final = -1
YEAR_ONE: Final = -62_135_596_800  # seconds since 1970
_FORM = struct.Struct(">bqih")


class Timestamp(Struct, frozen=True, gc=False):
    """Nanoseconds since 1970, and the zone in which they were noted: minutes east of Greenwich, or `UTC`. The default is Go's zero time."""

    nanoseconds: int = YEAR_ONE * 1_000_000_000
    zone: int = UTC

    @property
    def seconds(self) -> float:
        """Seconds since 1970."""
        return self.nanoseconds / 1e9

    def encode(self) -> bytes:
        """The 15 bytes."""
        seconds, nanoseconds = divmod(self.nanoseconds, 1_000_000_000)
        return _FORM.pack(1, seconds - YEAR_ONE, nanoseconds, self.zone)


def decode_timestamp(data: bytes) -> Timestamp:
    """The reverse of `Timestamp.encode`; the zero time for no bytes at all."""
    if not data:
        return Timestamp()
    if len(data) != _FORM.size or data[0] != 1:
        raise DecodeError(f"a time of {len(data)} bytes, version {data[0]}")
    _, seconds, nanoseconds, zone = _FORM.unpack(data)
    if not 0 <= nanoseconds < 1_000_000_000:
        raise DecodeError(f"a time with {nanoseconds} nanoseconds")
    return Timestamp((seconds + YEAR_ONE) * 1_000_000_000 + nanoseconds, zone)

"""The checksum of Consul's snapshots: CRC-64 with the polynomial of ECMA-182, reflected, inverted before and after (CRC-64/XZ).

It is also that of the .xz format, whose reader is written in C. So the content is handed to that reader inside a container that
stores it as it is and ends with the expected sum: hundreds of times faster than a loop over bytes, which would take minutes for a
large state.

Source: the .xz file format, sections 2.1, 3.1 and 3.4; LZMA2's chunks: its control bytes 1 and 2 (stored), 0 (end).
"""

import lzma
import struct
from collections.abc import Iterable
from typing import Final
from zlib import crc32

CHUNK_BYTES: Final = 1 << 16  # the most that a stored chunk holds
_FLAGS: Final = b"\x00\x04"  # the check is CRC-64
_BLOCK_HEAD: Final = b"\x02\x00\x21\x01\x00\x00\x00\x00"  # 12 bytes with its sum, one filter: LZMA2 with the smallest dictionary
_SUM = struct.Struct("<I")
_CHUNK = struct.Struct(">BH")


def matches(pieces: Iterable[bytes], checksum: int) -> bool:
    """Whether the pieces together have this sum."""
    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    reader.decompress(b"\xfd7zXZ\0" + _FLAGS + _SUM.pack(crc32(_FLAGS)) + _BLOCK_HEAD + _SUM.pack(crc32(_BLOCK_HEAD)))
    size, control = 1, 1  # the end's byte counts; the first chunk also resets the dictionary
    for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            data = piece[start : start + CHUNK_BYTES]
            reader.decompress(_CHUNK.pack(control, len(data) - 1) + data)
            size, control = size + _CHUNK.size + len(data), 2
    try:
        reader.decompress(b"\0" + bytes(-size % 4) + checksum.to_bytes(8, "little"))
    except lzma.LZMAError:
        return False
    return True

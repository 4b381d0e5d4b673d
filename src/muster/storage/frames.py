"""The bytes of a log segment.

All integers are little-endian. A segment file is a head, then frames without gaps, then zeros (space claimed ahead,
so that a sync need not write the file's length) up to the end of the file:

    head, 32 bytes
        0   8   magic "MUSTERW1"
        8   8   number of the segment; the first of a directory is 1, each next one greater by 1
       16   8   index that the next entry had when the segment was begun
       24   4   salt, drawn at random: the checksums of this segment's frames start from it
       28   4   CRC-32 of bytes 0 to 27

    frame, one per batch: 32 bytes and the payload
        0   4   CRC-32 of bytes 4 to 31, started from the salt
        4   4   CRC-32 of the payload, started from the salt
        8   8   index of the first entry
       16   8   length of the payload
       24   4   number of entries
       28   4   kind: 1 entries; 2 restart (no payload: the log is empty and its next index is the one given)

    entry, within a payload: 17 bytes, data, extensions
        0   8   term
        8   4   length of data
       12   4   length of extensions
       16   1   type

A frame of entries whose first index is not past the log's last one replaces the entries from there on: cutting a
conflicting suffix off and writing what replaces it is one atomic write.

Only the last batch of the last segment can have been under way when a machine stopped: batches are written one after
the other, each synced before the next. So a bad frame with no good frame behind it, in the last segment, is a torn
tail: it was never acknowledged and is cut off. A bad frame anywhere else is damage. **What this cannot tell: rot in the
very last frame looks like a torn tail**, and an acknowledged batch is then lost on this one server: nothing is
written after a batch that could vouch for it. The salt keeps a value that contains a copy of some log from being
taken for a frame behind the torn one.
"""

import random
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from muster.raft.entries import Entry

MAGIC: Final = b"MUSTERW1"
ENTRIES: Final = 1
RESTART: Final = 2
HEAD_SIZE: Final = 32
FRAME_SIZE: Final = 32

_HEAD = struct.Struct("<8sQQII")
_FRAME = struct.Struct("<IIQQII")
_FRAME_REST = struct.Struct("<IQQII")
_ENTRY = struct.Struct("<QIIB")
_SUM = struct.Struct("<I")


class Head(NamedTuple):
    """A segment's head."""

    number: int
    next_index: int
    salt: int


class Frame(NamedTuple):
    """Where one good frame lies in its segment, and what it holds."""

    offset: int
    size: int  # with its 32 bytes
    kind: int
    first_index: int
    entries: int


def encode_head(number: int, next_index: int, chance: random.Random) -> tuple[Head, bytes]:
    """A new segment's head and its bytes."""
    head = Head(number, next_index, chance.getrandbits(32))
    content = _HEAD.pack(MAGIC, *head, 0)[:-4]
    return head, content + _SUM.pack(crc32(content))


def decode_head(content: bytes) -> Head | None:
    """The head of a segment, or None if it is not one."""
    if len(content) < HEAD_SIZE:
        return None
    magic, number, next_index, salt, checksum = _HEAD.unpack_from(content)
    if magic != MAGIC or checksum != crc32(content[: HEAD_SIZE - 4]):
        return None
    return Head(number, next_index, salt)


def encode_entries(entries: Sequence[Entry], salt: int) -> bytes:
    """One frame with these entries, whose indexes follow each other."""
    parts: list[bytes] = [b""]
    pack = _ENTRY.pack
    for entry in entries:
        parts.append(pack(entry.term, len(entry.data), len(entry.extensions), entry.type))
        parts.append(entry.data)
        if entry.extensions:
            parts.append(entry.extensions)
    checksum = salt
    size = 0
    for part in parts:
        checksum = crc32(part, checksum)
        size += len(part)
    parts[0] = _frame_start(checksum, entries[0].index, size, len(entries), ENTRIES, salt)
    return b"".join(parts)


def encode_restart(next_index: int, salt: int) -> bytes:
    """One frame that empties the log."""
    return _frame_start(salt, next_index, 0, 0, RESTART, salt)


def decode_frame(content: bytes, offset: int, salt: int) -> Frame | None:
    """The frame at `offset`, with both its sums right; None if there is none."""
    if len(content) < offset + FRAME_SIZE:
        return None
    own_sum, payload_sum, first_index, size, count, kind = _FRAME.unpack_from(content, offset)
    if not size <= len(content) - offset - FRAME_SIZE or own_sum != crc32(content[offset + 4 : offset + FRAME_SIZE], salt):
        return None
    start = offset + FRAME_SIZE
    if crc32(memoryview(content)[start : start + size], salt) != payload_sum:
        return None
    return Frame(offset, FRAME_SIZE + size, kind, first_index, count)


def entries_of(content: bytes, offset: int) -> Iterator[Entry]:
    """The entries of the good frame at `offset` of a segment's, or a frame's, bytes."""
    _, _, first, _, count, _ = _FRAME.unpack_from(content, offset)
    at = offset + FRAME_SIZE
    unpack = _ENTRY.unpack_from
    for index in range(first, first + count):
        term, size, more, kind = unpack(content, at)
        end = at + 17 + size
        yield Entry(index, term, kind, content[at + 17 : end], content[end : end + more] if more else b"")
        at = end + more


def heads_of(content: bytes, offset: int) -> Iterator[tuple[int, int, int]]:
    """(index, term, type) of every entry of the good frame at `offset`."""
    _, _, first, _, count, _ = _FRAME.unpack_from(content, offset)
    at = offset + FRAME_SIZE
    for index in range(first, first + count):
        term, size, more, kind = _ENTRY.unpack_from(content, at)
        yield index, term, kind
        at += 17 + size + more


def good_frame_behind(content: bytes, offset: int, salt: int) -> int | None:
    """Where a good frame begins anywhere behind `offset`: then what lies at `offset` is damage, not a torn tail."""
    view = memoryview(content)
    for at in range(offset + 1, len(content) - FRAME_SIZE + 1):
        # The first sum is compared before anything is built: this walks byte by byte over up to a segment.
        if view[at] and _SUM.unpack_from(content, at)[0] == crc32(view[at + 4 : at + FRAME_SIZE], salt) and decode_frame(content, at, salt):
            return at
    return None


def _frame_start(payload_sum: int, first_index: int, size: int, count: int, kind: int, salt: int) -> bytes:
    rest = _FRAME_REST.pack(payload_sum, first_index, size, count, kind)
    return _SUM.pack(crc32(rest, salt)) + rest

"""Packets of a pool: label, encryption, checksum, compression and compound, from the outside in, around messages.

Source: reference of the gossip wire, section 1.
"""

import struct
from binascii import crc32
from collections.abc import Sequence

from muster.model.errors import DecodeError, Rejected
from muster.wire import sealing
from muster.wire.gossip import Message
from muster.wire.gossip_codec import CHECKSUM, COMPOUND, LABEL, PACKET_TYPES, decode_message
from muster.wire.lzw import compress as compress_lzw
from muster.wire.lzw import decompress
from muster.wire.msgpack import pack
from muster.wire.raw_maps import Fields, raw, unpack_fields, unsigned

COMPOUND_OVERHEAD = 2  # bytes, and as many again for each message
ENCRYPTION_OVERHEAD = sealing.OVERHEAD
CHECKSUM_OVERHEAD = 5  # bytes
MAXIMUM_MESSAGES = 255  # of a packet

_LONGEST_LABEL = 255
_LARGEST_DATAGRAM = 65_535
"""What a packet may unfold to: a peer compresses what it would else have sent as it is, in one datagram."""
_DEPTH = 4
"""Layers of compression, and of compounds. Peers have one of each, compression outside; what is inside a compound is not unfolded."""


def encode_packet(
    messages: Sequence[bytes], *, checksum: bool, compress: bool, key: bytes | None, nonce: bytes | None, label: bytes = b""
) -> bytes:
    """One datagram of 1 to 255 encoded messages. `compress` only if that makes it shorter; with a `key` encrypted, under a fresh `nonce`.

    `Rejected` for what no packet can hold, or if there is a key and no nonce.
    """
    data = messages[0] if len(messages) == 1 else encode_compound(messages)
    if compress:
        data = min(data, encode_compressed(data), key=len)
    if checksum:
        data = struct.pack(">BI", CHECKSUM, crc32(data)) + data
    if key is not None:
        data = sealing.seal(data, key, nonce, label)
    return label_header(label) + data


def encode_compound(messages: Sequence[bytes]) -> bytes:
    """Several messages in one."""
    count = len(messages)
    if not 1 <= count <= MAXIMUM_MESSAGES or max(map(len, messages)) > 0xFFFF:
        raise Rejected(f"a packet holds 1 to {MAXIMUM_MESSAGES} messages of at most 65535 bytes")
    return struct.pack(f">BB{count}H", COMPOUND, count, *map(len, messages)) + b"".join(messages)


def encode_compressed(data: bytes) -> bytes:
    """The message around a compressed one, shorter or not."""
    return b"\x09" + pack({"Algo": 0, "Buf": compress_lzw(data)})


def label_header(label: bytes) -> bytes:
    """What stands before a packet or a stream of a labelled pool."""
    if len(label) > _LONGEST_LABEL:
        raise Rejected(f"a label has at most {_LONGEST_LABEL} bytes")
    return bytes((LABEL, len(label))) + label if label else b""


def decode_packet(data: bytes, *, keys: Sequence[bytes], require_encryption: bool, label: bytes = b"") -> list[Message]:
    """The messages of a datagram, in order; of a compound those that are good. `DecodeError` if there is none.

    With `keys`, a packet that none of them fits is read as a plain one unless `require_encryption`.
    """
    data = _without_checksum(_decrypted(_without_label(data, label), keys, require_encryption, label))
    for _ in range(_DEPTH):
        if data[:1] != b"\x09":
            break
        data = decompressed(unpack_fields(data[1:]), _LARGEST_DATAGRAM)
    if data[:1] != b"\x07":
        return [_single(data)]
    found: list[Message] = []
    _unfold(data, found, _DEPTH)
    if not found:
        raise DecodeError("a compound without one good message")
    return found


def decompressed(fields: Fields, limit: int) -> bytes:
    """What is in the map of a compressed message, at most `limit` bytes."""
    if unsigned(fields.get(b"Algo"), 255) != 0:
        raise DecodeError("compressed by an unknown algorithm")
    return decompress(raw(fields.get(b"Buf")), limit)


def _without_label(data: bytes, label: bytes) -> bytes:
    length = data[1] if data[:1] == b"\xf4" and len(data) > 1 else 0
    if data[2 : 2 + length] != label or (length == 0 and data[:1] == b"\xf4"):
        raise DecodeError("a packet of a pool with another label")
    return data[2 + length :] if length else data


def _decrypted(data: bytes, keys: Sequence[bytes], require_encryption: bool, label: bytes) -> bytes:
    if not keys:
        return data
    try:
        return sealing.unseal(data, keys, label)
    except DecodeError:
        if require_encryption:
            raise
        return data


def _without_checksum(data: bytes) -> bytes:
    if data[:1] != b"\x0c":
        return data
    if len(data) < CHECKSUM_OVERHEAD or crc32(memoryview(data)[CHECKSUM_OVERHEAD:]) != int.from_bytes(data[1:CHECKSUM_OVERHEAD], "big"):
        raise DecodeError("a packet with a wrong checksum")
    return data[CHECKSUM_OVERHEAD:]


def _single(data: bytes) -> Message:
    if data and data[0] not in PACKET_TYPES:
        raise DecodeError(f"message type {data[0]} has no meaning in a packet")
    return decode_message(data)


def _unfold(data: bytes, found: list[Message], depth: int) -> None:
    """Adds the good messages of a compound to `found`. Lengths beyond the data end it, as with peers."""
    count = data[1] if len(data) > 1 else 0
    position = 2 + 2 * count
    if position > len(data):
        return
    for length in struct.unpack_from(f">{count}H", data, 2):
        part = data[position : position + length]
        position += length
        if position > len(data):
            return
        try:
            if part[:1] == b"\x07" and depth:
                _unfold(part, found, depth - 1)
            else:
                found.append(_single(part))
        except DecodeError:
            continue

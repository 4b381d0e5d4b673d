"""The recorded packets and streams of tests/vectors/gossip, and the single messages in them as they stand on the wire."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from muster.wire import lzw, sealing
from muster.wire.gossip import PushPull, User
from muster.wire.gossip_codec import decode_message
from muster.wire.serf import Query, QueryResponse, Relay
from muster.wire.serf_codec import decode_serf

FOLDER = Path(__file__).parent / "vectors" / "gossip"


class Vector(NamedTuple):
    """What a peer sent, and the keys of its pool."""

    name: str
    kind: str
    data: bytes
    keys: list[bytes]


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def captured(kind: str) -> list[Vector]:
    """All of one kind (packet or stream) from all files."""
    found = []
    for row in load("captured.json") + load("captured_more.json"):
        if row["kind"] == kind:
            data = bytes.fromhex(row.get("raw_hex") or row.get("hex") or row["plain_hex"])
            key = row.get("key_hex")
            found.append(Vector(f"{len(found)}-{row['from']}", kind, data, [bytes.fromhex(key)] if key else []))
    return found


def layers(vector: Vector) -> tuple[bytes, list[str]]:
    """What is inside a vector when all is taken off, and what was: encrypted, checksum, compressed."""
    data, found = vector.data, []
    if vector.keys:
        found.append("encrypted")
        header = data[:5] if vector.kind == "stream" else b""
        data = sealing.unseal(data[len(header) :], vector.keys, header)
    if data[0] == 12:
        found.append("checksum")
        data = data[5:]
    if data[0] == 9:
        found.append("compressed")
        data = lzw.decompress(msgpack.unpackb(data[1:], raw=True)[b"Buf"], 1 << 24)
    return data, found


UNSORTED = bytes.fromhex("0384a54c54696d6505a44e616d65a66465706c6f79a75061796c6f6164a476312e32a24343c2")
"""A user event that a recording script wrote with unsorted fields; peers pass on the bytes of an event as they came."""


def single_messages(vector: Vector) -> list[bytes]:
    """The messages, each with its type byte."""
    data, _ = layers(vector)
    if data[0] != 7:
        return [data]
    position, found = 2 + 2 * data[1], []
    for number in range(data[1]):
        length = int.from_bytes(data[2 + 2 * number : 4 + 2 * number], "big")
        found.append(data[position : position + length])
        position += length
    assert position == len(data)
    return found


def all_messages() -> list[bytes]:
    """The distinct messages of all vectors."""
    vectors = captured("packet") + captured("stream")
    return sorted({message for vector in vectors for message in single_messages(vector)})


def all_serf_messages() -> list[bytes]:
    """The distinct messages of Serf in them, those within relays and answers included."""
    found = set()
    for message in map(decode_message, all_messages()):
        if isinstance(message, PushPull | User):
            found.add(message.user_state if isinstance(message, PushPull) else message.payload)
    for message in map(decode_serf, list(found)):
        inner = message.message if isinstance(message, Relay) else message.payload if isinstance(message, Query | QueryResponse) else b""
        if inner[:1] in (b"\x05", b"\x07", b"\x08"):
            found.add(inner)
    return sorted(found - {UNSORTED})

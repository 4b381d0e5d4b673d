"""Writes the stream of a snapshot, in the order of release 1.8.7. Source: see `muster.state.snapshot`."""

from collections.abc import Iterator, Sequence
from typing import Any

from muster.model.coordinates import NodeCoordinate
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.state import opaque
from muster.wire import msgpack
from muster.wire.commands import ConfigEntryRequest, MessageType, RegisterRequest, config_entry_bytes
from muster.wire.records import encoder

CHUNK_BYTES = 1 << 16

_BEFORE_KEYS = (opaque.TOKENS, opaque.POLICIES, opaque.ROLES, opaque.BINDING_RULES, opaque.AUTH_METHODS)
_AFTER_AUTOPILOT = (opaque.INTENTIONS, opaque.CA_ROOTS, opaque.CA_PROVIDERS, opaque.CA_CONFIG)

Record = tuple[int, Any]
"""A type and a value of the wire."""


def record_bytes(number: int, value: Any) -> bytes:
    """One record of the stream."""
    return bytes([number]) + msgpack.pack(value)


def header(last_index: int) -> bytes:
    """What the stream begins with."""
    return msgpack.pack({"LastIndex": last_index})


def registrations(records: list[RegisterRequest]) -> Iterator[Record]:
    encode = encoder(RegisterRequest)
    return ((MessageType.REGISTER, encode(record)) for record in records)


def coordinates(records: list[NodeCoordinate]) -> Iterator[Record]:
    encode = encoder(NodeCoordinate)
    return ((MessageType.COORDINATE_BATCH_UPDATE, [encode(record)]) for record in records)


def sessions(records: list[Session]) -> Iterator[Record]:
    encode = encoder(Session)
    return ((MessageType.SESSION, encode(record)) for record in records)


def tombstones(stones: list[tuple[str, int]]) -> Iterator[Record]:
    encode = encoder(KVEntry)
    return ((MessageType.TOMBSTONE, encode(KVEntry(key=key, modify_index=index))) for key, index in stones)


def queries(records: list[PreparedQuery]) -> Iterator[Record]:
    encode = encoder(PreparedQuery)
    return ((MessageType.PREPARED_QUERY, encode(record)) for record in records)


def autopilot(config: AutopilotConfig | None) -> Iterator[Record]:
    if config is not None:
        yield MessageType.AUTOPILOT, encoder(AutopilotConfig)(config)


def config_entries(records: list[ConfigEntryRequest]) -> Iterator[Record]:
    return ((MessageType.CONFIG_ENTRY, config_entry_bytes(record)) for record in records)


def access_control(tables: dict[str, list[Any]]) -> Iterator[Record]:
    """Tokens, policies, roles, binding rules, auth methods."""
    return ((table.record, value) for table in _BEFORE_KEYS for value in tables[table.name])


def mesh(tables: dict[str, list[Any]]) -> Iterator[Record]:
    """Intentions and the certificate authority."""
    return ((table.record, value) for table in _AFTER_AUTOPILOT for value in tables[table.name])


def federation_states(tables: dict[str, list[Any]]) -> Iterator[Record]:
    for state in tables[opaque.FEDERATION_STATES.name]:
        yield MessageType.FEDERATION_STATE, {"Datacenter": "", "Op": "upsert", "State": state, "Token": ""}


def indexes(values: list[tuple[str, int]]) -> Iterator[Record]:
    return ((MessageType.INDEX, {"Key": key, "Value": value}) for key, value in values)


def chunks(chunk_map: dict[int, Any]) -> Iterator[Record]:
    yield MessageType.CHUNKING_STATE, {"ChunkMap": chunk_map}


def packed(records: Iterator[Record]) -> Iterator[bytes]:
    """The bytes of records, in pieces of about `CHUNK_BYTES`."""
    piece = bytearray()
    for number, value in records:
        piece += record_bytes(number, value)
        if len(piece) >= CHUNK_BYTES:
            yield bytes(piece)
            piece = bytearray()
    if piece:
        yield bytes(piece)


def packed_entries(slices: Iterator[Sequence[KVEntry]]) -> Iterator[bytes]:
    """The bytes of key/value entries, in pieces of about `CHUNK_BYTES` or of one entry that is bigger."""
    parts: list[bytes] = []
    size = 0
    encode = encoder(KVEntry)
    for entries in slices:
        for entry in entries:
            parts += _plain_parts(entry) or (record_bytes(MessageType.KVS, encode(entry)),)
            size += 100 + len(entry.value or b"")
            if size >= CHUNK_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
    if parts:
        yield b"".join(parts)


# The entry as most are: no flags, no lock, a short key in ASCII, indexes of four bytes. Its form is fixed but for these.
_CREATED = b"\x02\x87\xabCreateIndex\xce"
_KEY = b"\xa5Flags\x00\xa3Key"
_MODIFIED = b"\xa9LockIndex\x00\xabModifyIndex\xce"
_VALUE = b"\xa7Session\xa0\xa5Value"
_SHORT = [bytes([0xA0 + size]) for size in range(32)] + [b"\xda" + size.to_bytes(2, "big") for size in range(32, 1024)]


def _plain_parts(entry: KVEntry) -> tuple[bytes, ...] | None:
    """The pieces of a record of such an entry; None for another, which the packer has to write."""
    key, value, created, modified = entry.key, entry.value, entry.create_index, entry.modify_index
    if entry.flags or entry.lock_index or entry.session or value is None or len(value) >= 1024 or len(key) >= 1024:
        return None
    if not (0xFFFF < created <= 0xFFFFFFFF and 0xFFFF < modified <= 0xFFFFFFFF and key.isascii()):
        return None
    name = key.encode()
    return (
        _CREATED,
        created.to_bytes(4, "big"),
        _KEY,
        _SHORT[len(name)],
        name,
        _MODIFIED,
        modified.to_bytes(4, "big"),
        _VALUE,
        _SHORT[len(value)],
        value,
    )

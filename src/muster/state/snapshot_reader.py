"""Reads the stream of a snapshot. Source: see `muster.state.snapshot`.

Key/value entries come by the million, so they are read a window at a time: the window ends before bytes that look like the
beginning of another entry, and the typed decoder, told how many it has to find, proves whether it was one. Where it was not
(a value that itself holds such bytes), and for everything else, records are read one by one.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgpack as msgpack_package
import msgspec

from muster.model.coordinates import NodeCoordinate
from muster.model.errors import DecodeError
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.state.opaque import TABLES, Table
from muster.state.snapshot import Content
from muster.wire import msgpack
from muster.wire.commands import MessageType, RegisterRequest, config_entry_request
from muster.wire.kv_decoding import RawEntry
from muster.wire.records import from_wire

WINDOW_BYTES = 1 << 16
_ENTRY_START = b"\x02\x87\xabCreateIndex"


class _TextEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry whose value is read as a text first, which is quicker than as raw bytes and is so nearly always."""

    create_index: int = msgspec.field(name="CreateIndex", default=0)
    flags: int = msgspec.field(name="Flags", default=0)
    key: str = msgspec.field(name="Key", default="")
    lock_index: int = msgspec.field(name="LockIndex", default=0)
    modify_index: int = msgspec.field(name="ModifyIndex", default=0)
    session: str = msgspec.field(name="Session", default="")
    value: str | None = msgspec.field(name="Value", default=None)


_text_decoder = msgspec.msgpack.Decoder(list[int | _TextEntry])
_raw_decoder = msgspec.msgpack.Decoder(list[int | RawEntry])
_Read = Callable[[Content, Any], object]


def read(chunks: Iterable[bytes]) -> Content:
    """The content of the stream; `DecodeError` names record and fault. Unknown types become warnings."""
    data = b"".join(chunks)
    reader = msgpack.stream()
    reader.feed(data)
    content = Content(last_index=_header(_value(reader, "header")))
    position = reader.tell()
    while position < len(data):
        if data.startswith(_ENTRY_START, position):
            _read_window(content, reader, data, position)
        else:
            _read_record(content, reader, position)
        position = reader.tell()
    return content


class TypeSummary(msgspec.Struct, frozen=True):
    """How many records of a type a stream holds, and their bytes together."""

    name: str
    count: int
    size: int


def summary(content: Content) -> list[TypeSummary]:
    """What a stream is made of, the biggest part first."""
    parts = [TypeSummary(_name(number), count, content.sizes.get(number, 0)) for number, count in content.counts.items()]
    return sorted(parts, key=lambda part: (-part.size, part.name))


def _name(number: int) -> str:
    try:
        return MessageType(number).name.replace("_", " ").lower()
    except ValueError:
        return f"unknown type {number}"


def _header(value: Any) -> int:
    last = value.get("LastIndex") if isinstance(value, dict) else None
    if not isinstance(last, int):
        raise DecodeError("snapshot: it does not begin with a map of LastIndex")
    return last


def _value(reader: Any, what: str) -> Any:
    try:
        return reader.unpack()
    except msgpack_package.exceptions.OutOfData as error:
        raise DecodeError(f"snapshot: {what}: cut off") from error
    except (ValueError, TypeError, RecursionError, msgpack_package.exceptions.UnpackException) as error:
        raise DecodeError(f"snapshot: {what}: {error or type(error).__name__}") from error


def _read_record(content: Content, reader: Any, position: int) -> None:
    number = _value(reader, f"byte {position}")
    if type(number) is not int:
        raise DecodeError(f"snapshot: byte {position}: expected a record's type, got {type(number).__name__}")
    _take(content, number, _value(reader, f"byte {position}: record of type {number}"), position)
    content.sizes[number] = content.sizes.get(number, 0) + reader.tell() - position


def _take(content: Content, number: int, value: Any, position: int) -> None:
    read_value = _READERS.get(number)
    if read_value is None:
        content.warnings.append(f"snapshot: byte {position}: passed over a record of the unknown type {number}")
    else:
        try:
            read_value(content, value)
        except DecodeError as error:
            raise DecodeError(f"snapshot: byte {position}: record of type {number}: {error}") from error
    content.counts[number] = content.counts.get(number, 0) + 1


def _read_window(content: Content, reader: Any, data: bytes, start: int) -> None:
    end = data.find(_ENTRY_START, start + WINDOW_BYTES)
    if end < 0:
        end = data.rfind(_ENTRY_START, start)
    if end > start and _read_entries(content.entries, data[start:end]):
        reader.read_bytes(end - start)
        content.counts[MessageType.KVS] = content.counts.get(MessageType.KVS, 0) + data.count(_ENTRY_START, start, end)
        content.sizes[MessageType.KVS] = content.sizes.get(MessageType.KVS, 0) + end - start
        return
    _read_record(content, reader, start)
    while reader.tell() < min(end, len(data)):
        _read_record(content, reader, reader.tell())


def _read_entries(entries: dict[str, KVEntry], window: bytes) -> bool:
    """Reads a window of nothing but entries. False if it is not one; then some may have been taken already."""
    count = window.count(_ENTRY_START)
    stream = b"\xdd" + (2 * count).to_bytes(4, "big") + window  # the same values as one array
    try:
        values: list[Any] = _text_decoder.decode(stream)
    except (msgspec.DecodeError, ValueError):  # ValueError: a value that is not UTF-8
        return _read_raw_entries(entries, stream, count)
    if values[::2].count(MessageType.KVS) != count:
        return False
    for text in values[1::2]:
        if type(text) is int:
            return False
        key, value = text.key, text.value
        entries[key] = KVEntry(
            lock_index=text.lock_index,
            key=key,
            flags=text.flags,
            value=None if value is None else value.encode(),
            session=text.session,
            create_index=text.create_index,
            modify_index=text.modify_index,
        )
    return True


def _read_raw_entries(entries: dict[str, KVEntry], stream: bytes, count: int) -> bool:
    try:
        values: list[Any] = _raw_decoder.decode(stream)
        if values[::2].count(MessageType.KVS) != count:
            return False
        for raw in values[1::2]:
            entries[raw.key] = raw.entry()
    except (msgspec.DecodeError, ValueError, AttributeError, DecodeError):
        return False
    return True


def _of(record_type: type[Any], field: str) -> _Read:
    def add(content: Content, value: Any) -> None:
        getattr(content, field).append(from_wire(record_type, value))

    return add


def _entry(content: Content, value: Any) -> None:
    entry = from_wire(KVEntry, value)
    content.entries[entry.key] = entry


def _tombstone(content: Content, value: Any) -> None:
    entry = from_wire(KVEntry, value)
    content.tombstones.append((entry.key, entry.modify_index))


def _coordinates(content: Content, value: Any) -> None:
    if not isinstance(value, list):
        raise DecodeError(f"expected a list, got {type(value).__name__}")
    content.coordinates.extend([from_wire(NodeCoordinate, item) for item in value])


def _autopilot(content: Content, value: Any) -> None:
    content.autopilot = from_wire(AutopilotConfig, value)


def _config_entry(content: Content, value: Any) -> None:
    content.config_entries.append(config_entry_request(value).entry)


def _index(content: Content, value: Any) -> None:
    key, index = _map(value).get("Key"), _map(value).get("Value")
    if not isinstance(key, str) or not isinstance(index, int):
        raise DecodeError("expected Key and Value")
    content.indexes[key] = index


def _chunks(content: Content, value: Any) -> None:
    content.chunks = _map(_map(value).get("ChunkMap") or {})


def _bootstrap(content: Content, value: Any) -> None:
    """Written by no release that is read here, but accepted by all: the index of the bootstrap."""
    content.indexes.setdefault("acl-token-bootstrap", int(_map(value).get("ModifyIndex") or 0))


def _federation_state(content: Content, value: Any) -> None:
    content.opaque.append((_TABLE_OF[MessageType.FEDERATION_STATE], _map(_map(value).get("State"))))


def _opaque(table: Table) -> _Read:
    return lambda content, value: content.opaque.append((table, _map(value)))


def _map(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise DecodeError(f"expected a map, got {type(value).__name__}")
    return value


_TABLE_OF = {table.record: table for table in TABLES}
_READERS: dict[int, _Read] = {
    **{table.record: _opaque(table) for table in TABLES},
    MessageType.REGISTER: _of(RegisterRequest, "registrations"),
    MessageType.KVS: _entry,
    MessageType.SESSION: _of(Session, "sessions"),
    MessageType.TOMBSTONE: _tombstone,
    MessageType.COORDINATE_BATCH_UPDATE: _coordinates,
    MessageType.PREPARED_QUERY: _of(PreparedQuery, "queries"),
    MessageType.AUTOPILOT: _autopilot,
    MessageType.ACL_BOOTSTRAP: _bootstrap,
    MessageType.INDEX: _index,
    MessageType.CONFIG_ENTRY: _config_entry,
    MessageType.CHUNKING_STATE: _chunks,
    MessageType.FEDERATION_STATE: _federation_state,
}

"""Config entries in replies and arguments: values within bytes, since Go must know an entry's kind before it can read it.

    ConfigEntry.Get             bytes of: kind, entry (neither if there is none: an empty kind), meta
    ConfigEntry.List            bytes of: count, kind, {Entries, Kind, and the meta}
    ConfigEntry.ListAll         bytes of: count, then kind and entry of each, meta
    .Apply, .Delete             bytes of: kind, {Datacenter, Entry, Op, Token}

An entry is a map; that of proxy-defaults is the bytes of one.

Source: reference of the RPC wire, "The msgpack dialect".
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from muster.model.errors import DecodeError
from muster.model.operator import ConfigEntry
from muster.wire.commands import ConfigEntryRequest, config_entry_bytes, config_entry_request
from muster.wire.msgpack import pack
from muster.wire.replies import Reply
from muster.wire.rpc_meta import encode_meta, reply_of
from muster.wire.rpc_rows import as_map, decoded_list
from muster.wire.value_stream import read_value, split_values

PROXY_DEFAULTS: Final = "proxy-defaults"


def encode_apply(request: ConfigEntryRequest) -> bytes:
    """The argument of ConfigEntry.Apply."""
    return config_entry_bytes(request)


def encode_delete(request: ConfigEntryRequest) -> bytes:
    """The argument of ConfigEntry.Delete: only the kind in front names the kind, and there is no operation."""
    kind = request.entry.kind
    if kind == PROXY_DEFAULTS:
        return config_entry_bytes(replace(request, op=""))
    parts = _parts(config_entry_bytes(replace(request, op="")))
    body = parts[1]
    body["Entry"]["Kind"] = ""
    return pack(kind) + pack(body)


def decode_request(value: Any) -> ConfigEntryRequest:
    """The argument of ConfigEntry.Apply or .Delete."""
    data = _inner(value)
    parts = _parts(data)
    entry = as_map(parts[-1]).get("Entry") if len(parts) == 2 else None
    if type(entry) is str:
        _one_map(entry)
    try:
        request = config_entry_request(data)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"config entry: {error}") from error
    _check_names(request.entry.fields)
    return request


def encode_get(reply: Reply) -> bytes:
    """The body of ConfigEntry.Get; the value is a ConfigEntry or None."""
    entry: ConfigEntry | None = reply.value
    head = pack("") if entry is None else pack(entry.kind) + pack(_entry_map(entry))
    return head + pack(encode_meta(reply))


def decode_get(value: Any) -> Reply:
    """The reply of ConfigEntry.Get."""
    parts = _parts(_inner(value))
    if len(parts) not in (2, 3):
        raise DecodeError(f"a config entry's reply is 2 or 3 values, not {len(parts)}")
    entry = _entry_of(parts[0], parts[1]) if len(parts) == 3 else None
    return reply_of(entry, as_map(parts[-1]))


def encode_list(reply: Reply, kind: str) -> bytes:
    """The body of ConfigEntry.List for entries of `kind`, which is empty for those of every kind."""
    entries = [_entry_map(entry) for entry in reply.value]
    body = {"Entries": entries, "Kind": kind, **encode_meta(reply)}
    return pack(len(entries)) + pack(kind) + pack(dict(sorted(body.items())))


def decode_list(value: Any) -> tuple[Reply, str]:
    """The reply of ConfigEntry.List, and the kind that it was asked for."""
    parts = _parts(_inner(value))
    if len(parts) != 3 or type(parts[1]) is not str:
        raise DecodeError("config entries: expected a count, a kind and a map")
    kind, body = parts[1], as_map(parts[2])
    entries = decoded_list(lambda entry: _entry_of(kind, entry), body.get("Entries"))
    return reply_of(entries, body), kind


def encode_list_all(reply: Reply) -> bytes:
    """The body of ConfigEntry.ListAll."""
    entries: list[ConfigEntry] = reply.value
    parts = [pack(len(entries))]
    for entry in entries:
        parts += (pack(entry.kind), pack(_entry_map(entry)))
    return b"".join([*parts, pack(encode_meta(reply))])


def decode_list_all(value: Any) -> Reply:
    """The reply of ConfigEntry.ListAll."""
    parts = _parts(_inner(value))
    if len(parts) < 2 or parts[0] != (len(parts) - 2) / 2:
        raise DecodeError("config entries: another number of them than said")
    pairs: Iterator[Any] = iter(parts[1:-1])
    return reply_of([_entry_of(kind, entry) for kind, entry in zip(pairs, pairs)], as_map(parts[-1]))


def _entry_map(entry: ConfigEntry) -> Any:
    fields = {**entry.fields, "Kind": entry.kind, "Name": entry.name, "CreateIndex": entry.create_index, "ModifyIndex": entry.modify_index}
    wire = dict(sorted(fields.items()))
    return pack(wire) if entry.kind == PROXY_DEFAULTS else wire


def _entry_of(kind: Any, value: Any) -> ConfigEntry:
    if type(value) is str:
        value = _one_map(value)
    fields = as_map(value)
    own = fields.get("Kind") or kind
    name, created, modified = fields.get("Name") or "", fields.get("CreateIndex") or 0, fields.get("ModifyIndex") or 0
    if type(own) is not str or type(name) is not str or type(created) is not int or type(modified) is not int:
        raise DecodeError("config entry: kind and name are texts, indexes integers")
    _check_names(fields)
    known = ("Kind", "Name", "CreateIndex", "ModifyIndex")
    rest = {field: item for field, item in fields.items() if field not in known}
    return ConfigEntry(kind=own, name=name, fields=rest, create_index=created, modify_index=modified)


def _check_names(fields: dict[str, Any]) -> None:
    if not all(type(name) is str for name in fields):
        raise DecodeError("config entry: the name of a field is a text")


def _one_map(text: str) -> Any:
    values = _parts(text.encode("utf-8", "surrogateescape"))
    if len(values) != 1:
        raise DecodeError(f"config entry: {len(values)} values instead of one")
    return values[0]


def _inner(value: Any) -> bytes:
    if type(value) is not str:
        raise DecodeError(f"config entry: expected bytes, got {type(value).__name__}")
    return value.encode("utf-8", "surrogateescape")


def _parts(data: bytes) -> list[Any]:
    """The values within bytes, each measured before it is read."""
    return [read_value(value) for value in split_values(data)]

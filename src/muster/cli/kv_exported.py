"""The JSON of exported keys: a list of objects with `key`, `flags` and `value` (base 64)."""

import json
from typing import NamedTuple

from muster.model.base64_text import InvalidBase64, decode

UNREADABLE = "Cannot unmarshal data: "


class ExportedEntry(NamedTuple):
    key: str
    flags: int
    value: bytes


class InvalidExport(Exception):
    """The text is no export; the message says what is wrong with it."""


def entries(text: bytes) -> list[ExportedEntry]:
    """The entries of an export. All are checked before the first is given, so that a bad file changes nothing."""
    try:
        document = json.loads(text.decode("utf-8", "replace"))
    except RecursionError as error:
        raise InvalidExport(f"{UNREADABLE}exceeded max depth") from error
    except json.JSONDecodeError as error:
        raise InvalidExport(UNREADABLE + _complaint(error)) from error
    if document is None:
        return []
    if not isinstance(document, list):
        raise InvalidExport(f"{UNREADABLE}json: cannot unmarshal {_kind(document)} into Go value of type []*impexp.Entry")
    return [_entry(item) for item in document if item is not None]


def _entry(item: object) -> ExportedEntry:
    if not isinstance(item, dict):
        raise InvalidExport(f"{UNREADABLE}json: cannot unmarshal {_kind(item)} into Go value of type impexp.Entry")
    fields = {name.lower(): value for name, value in item.items() if isinstance(name, str)}
    key, flags, value = fields.get("key"), fields.get("flags"), fields.get("value")
    for name, found, kind in (("key", key, str), ("value", value, str), ("flags", flags, int)):
        if found is not None and (not isinstance(found, kind) or isinstance(found, bool)):
            go_type = "uint64" if kind is int else "string"
            raise InvalidExport(f"{UNREADABLE}json: cannot unmarshal {_kind(found)} into Go struct field Entry.{name} of type {go_type}")
    if isinstance(flags, int) and not 0 <= flags < 1 << 64:
        raise InvalidExport(f"{UNREADABLE}json: cannot unmarshal number {flags} into Go struct field Entry.flags of type uint64")
    try:
        return ExportedEntry(str(key or ""), int(flags or 0), decode(str(value or "").encode()))
    except InvalidBase64 as error:
        raise InvalidExport(f"Error base 64 decoding value for key {key or ''}: {error}") from error


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case dict():
            return "object"
    return "array"


def _complaint(error: json.JSONDecodeError) -> str:
    """The complaint in Go's words where the place is plain."""
    rest = error.doc[error.pos :]
    if not rest.strip():
        return "unexpected end of JSON input"
    if error.msg == "Extra data":
        return f"invalid character {_character(rest)} after top-level value"
    return f"invalid character {_character(rest)} looking for beginning of value"


def _character(text: str) -> str:
    return "'\\''" if text[0] == "'" else f"'{text[0]}'"

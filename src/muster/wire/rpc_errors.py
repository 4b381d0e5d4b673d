"""What the peers say of an argument whose bytes have the wrong type: the text of their decoder. After it they close the stream.

Their decoder walks the bytes and stops at the first that does not fit; the value that was read from the bytes tells which that was. They
take any form of bytes, and lists of numbers, for fields of bytes; for texts they know the forms of the old specification and str8.

Source: leniency.json and wrong-types.json, recorded from a real server.
"""

import re
import types
import typing
from functools import cache
from typing import Any, Final

import msgspec

SUSPECT = re.compile(rb"[\xc4-\xc6\xd0-\xd3\xe0-\xff]")
"""Bytes that may begin a binary form or a negative number: then the types are checked more closely.

Mostly they are in the middle of something else."""

UNSIGNED: Final = frozenset(("CreateIndex", "Flags", "LockIndex", "MinQueryIndex", "ModifyIndex", "ReapIndex"))
"""Fields that cannot be negative. One that got into the log would stop the peers."""

_NEGATIVE = "codec.decoder: Assigning negative signed value: {}, to unsigned type"
_NUMBER = "codec.decoder: Unhandled single-byte unsigned integer value: Unrecognized descriptor byte: {:x}"
_TRUTH = "codec.decoder: Invalid single-byte value for bool: Unrecognized descriptor byte: {:x}"
_TEXT = "codec.decoder: readContainerLen: Unrecognized descriptor byte: hex: {0:x}, dec: {0}"
_CONTAINER = "codec.decoder: Only encoded map or array can be decoded into a {}. (valueType: {})"


def wrong_type(annotation: Any, value: Any) -> str:
    """The peers' text for the first item, in the order of the bytes, that does not fit the type of its field; empty if all fit."""
    if value is None:
        return ""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = next(part for part in typing.get_args(annotation) if part is not types.NoneType)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _wrong_record(annotation, value)
    if typing.get_origin(annotation) is list:
        return _wrong_list(typing.get_args(annotation)[0], value)
    return _wrong_scalar(annotation, value)


def _wrong_record(record: type[msgspec.Struct], value: Any) -> str:
    names = _wire_types(record)
    if type(value) is list:
        value = dict(zip(sorted(names), value))
    if type(value) is not dict:
        return _CONTAINER.format("struct", _value_type(value))
    for name, item in value.items():
        if name in names and (found := wrong_type(names[name], item)):
            return found
        if name in UNSIGNED and type(item) is int and item < 0:
            return _NEGATIVE.format(item & 0xFF if item >= -32 else item)
    return ""


@cache
def _wire_types(record: type[msgspec.Struct]) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {wire: hints[attribute] for wire, attribute in zip(record.__struct_encode_fields__, record.__struct_fields__)}


def _wrong_list(annotation: Any, value: Any) -> str:
    if type(value) is list:
        return next(filter(None, (wrong_type(annotation, item) for item in value)), "")
    return "" if type(value) is dict else _CONTAINER.format("slice", _value_type(value))


def _wrong_scalar(annotation: Any, value: Any) -> str:
    kind = type(value)
    if annotation is str and kind is not str:
        return _TEXT.format(_descriptor(value))
    if annotation is bytes and kind not in (str, bytes, list):
        return _CONTAINER.format("slice", _value_type(value))
    if (annotation is int and kind is not int) or (annotation is float and kind not in (int, float)):
        return _NUMBER.format(_descriptor(value))
    if annotation is bool and kind is not bool:
        return _TRUTH.format(_descriptor(value))
    return ""


def _value_type(value: Any) -> int:
    """How their decoder numbers the kinds of values."""
    if type(value) is int:
        return 2 if value < 128 else 3
    return {float: 4, bool: 5, str: 6, bytes: 8}.get(type(value), 0)


def _descriptor(value: Any) -> int:
    """The byte that the shortest form of a value begins with."""
    if type(value) is str:
        return _sized(len(value.encode("utf-8", "surrogateescape")), 0xA0, 32, 0xDA)
    if type(value) is list:
        return _sized(len(value), 0x90, 16, 0xDC)
    if type(value) is dict:
        return _sized(len(value), 0x80, 16, 0xDE)
    return msgspec.msgpack.encode(value)[0]


def _sized(size: int, short: int, limit: int, long: int) -> int:
    return short + size if size < limit else long if size < 1 << 16 else long + 1

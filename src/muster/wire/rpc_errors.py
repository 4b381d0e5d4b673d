"""What the peers say of an argument whose bytes have the wrong type: the text of their decoder.

Their decoder walks the bytes and stops at the first that does not fit; the value that was read from the bytes tells which that was.

Source: leniency.json, recorded from a real server.
"""

import re
import types
import typing
from functools import cache
from typing import Any, Final

import msgspec

from muster.model.errors import DecodeError

FOREIGN_BYTES = re.compile(rb"[\xc4-\xc6]")
"""Bytes that may begin one of the binary forms which the peers do not know; mostly they are in the middle of something else."""

_UNSIGNED = "codec.decoder: Unhandled single-byte unsigned integer value: Unrecognized descriptor byte: {:x}"
_CONTAINER = "codec.decoder: readContainerLen: Unrecognized descriptor byte: hex: {:x}, dec: {}"


def foreign_bytes(value: Any) -> None:
    """Raises the peers' error if a value holds bytes in a binary form, which they refuse."""
    if type(value) is bytes:
        size = len(value)
        head = 0xC4 if size < 1 << 8 else 0xC5 if size < 1 << 16 else 0xC6
        raise DecodeError(_CONTAINER.format(head, head))
    if type(value) is list:
        for item in value:
            foreign_bytes(item)
    elif type(value) is dict:
        for key, item in value.items():
            foreign_bytes(key)
            foreign_bytes(item)


def wrong_type(record: type[msgspec.Struct], value: Any) -> str:
    """The peers' text for the first field, in the order of the bytes, that does not fit its type; empty if all fit."""
    if type(value) is not dict:
        return "" if value is None else _CONTAINER.format(_descriptor(value), _descriptor(value))
    types_of = _wire_types(record)
    for name, item in value.items():
        if (annotation := types_of.get(name)) is not None and item is not None:
            found = _wrong_item(annotation, item)
            if found:
                return found
    return ""


def _wire_types(record: type[msgspec.Struct]) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {wire: hints[attribute] for wire, attribute in zip(record.__struct_encode_fields__, record.__struct_fields__)}


def _wrong_item(annotation: Any, item: Any) -> str:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = next(part for part in typing.get_args(annotation) if part is not types.NoneType)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return wrong_type(annotation, item)
    if annotation is int and type(item) is not int:
        return _UNSIGNED.format(_descriptor(item))
    if annotation in (str, bytes) and type(item) is not str:
        return _CONTAINER.format(_descriptor(item), _descriptor(item))
    if typing.get_origin(annotation) is list and type(item) is list:
        found = (_wrong_item(typing.get_args(annotation)[0], one) for one in item if one is not None)
        return next(filter(None, found), "")
    return ""


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

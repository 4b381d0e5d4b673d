"""Maps of raw fields: how the gossip wires write records, read fast and without trust.

Everything here reads msgpack with raw strings left as bytes, since most fields of gossip are bytes; texts are decoded one by one.
A missing field or nil is the zero value, an unknown field is passed over, a value out of the range of the peers' type is refused.

Source: reference of the gossip wire, section 1; of the RPC wire, "The msgpack dialect".
"""

import math
from typing import Any

import msgpack

from muster.model.errors import DecodeError

U8, U16, U32, U64 = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1
UNPACKING_ERRORS = (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException)
"""All that the msgpack reader raises on bad bytes."""

_ITEMS = 1024
"""The most items of one list in a packet: the names in a query's filter, and a query has at most 1,024 bytes.

The reader makes room for a list's items before it has read them, at every depth of nesting."""

Fields = dict[bytes, Any]


def unpack_value(data: bytes | memoryview, items: int = _ITEMS) -> Any:
    """The one value that `data` holds, with raw strings as bytes and lists of at most `items`; `DecodeError` on anything else."""
    try:
        return msgpack.unpackb(data, raw=True, max_array_len=min(items, len(data)))
    except UNPACKING_ERRORS as error:
        raise DecodeError(f"msgpack: {error or type(error).__name__}") from error


def unpack_fields(data: bytes | memoryview, items: int = _ITEMS) -> Fields:
    """The one map that `data` holds."""
    return as_fields(unpack_value(data, items))


def as_fields(value: Any) -> Fields:
    """The value, which must be a map."""
    if type(value) is not dict:
        raise DecodeError(f"expected a map, got {type(value).__name__}")
    return value


def unsigned(value: Any, maximum: int) -> int:
    """A whole number from 0 to `maximum`."""
    if type(value) is int and 0 <= value <= maximum:
        return value
    if value is None:
        return 0
    raise DecodeError(f"expected a number of 0 to {maximum}, got {value if type(value) is int else type(value).__name__}")


def text(value: Any) -> str:
    """A text; bytes that are no UTF-8 become lone surrogates and come back on encoding."""
    if type(value) is bytes:
        return value.decode("utf-8", "surrogateescape")
    if value is None:
        return ""
    raise DecodeError(f"expected a text, got {type(value).__name__}")


def raw(value: Any) -> bytes:
    """Bytes as they are."""
    if type(value) is bytes:
        return value
    if value is None:
        return b""
    raise DecodeError(f"expected bytes, got {type(value).__name__}")


def address(value: Any) -> bytes:
    """A packed address: 4 or 16 bytes, or none."""
    if (type(value) is bytes and len(value) in (4, 16)) or value == b"":
        packed: bytes = value
        return packed
    if value is None:
        return b""
    raise DecodeError("an address has 4 or 16 bytes")


def flag(value: Any) -> bool:
    """True or false."""
    if value is True:
        return True
    if value is False or value is None:
        return False
    raise DecodeError(f"expected a boolean, got {type(value).__name__}")


def number(value: Any) -> float:
    """A finite number."""
    if type(value) in (float, int) and math.isfinite(value):
        return float(value)
    if value is None:
        return 0.0
    raise DecodeError(f"expected a finite number, got {value if type(value) is float else type(value).__name__}")


def texts(value: Any) -> list[str]:
    """A list of texts."""
    return [text(item) for item in listed(value)]


def listed(value: Any) -> list[Any]:
    """A list of anything."""
    if type(value) is list:
        return value
    if value is None:
        return []
    raise DecodeError(f"expected a list, got {type(value).__name__}")

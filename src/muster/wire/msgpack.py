"""The msgpack dialect of Consul's wires: the old specification, with raw for texts and bytes alike.

Texts are `str` decoded with `surrogateescape`, so that any bytes survive; a field of bytes is encoded back by its record.
Writing never uses str8 or bin (the peers refuse bin); reading accepts both specifications.

Source: reference of the RPC wire, "The msgpack dialect".
"""

from typing import Any

import msgpack

from muster.model.errors import DecodeError

_packer = msgpack.Packer(use_bin_type=False, unicode_errors="surrogateescape", autoreset=True)


def pack(value: Any) -> bytes:
    """The bytes of maps, lists, texts, bytes, numbers, booleans and None. Maps keep their order."""
    packed: bytes = _packer.pack(value)
    return packed


def unpack(data: bytes | bytearray | memoryview) -> Any:
    """The one value that `data` holds; `DecodeError` on anything else."""
    try:
        return msgpack.unpackb(data, raw=False, unicode_errors="surrogateescape", strict_map_key=False, ext_hook=_refuse_extension)
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise DecodeError(f"msgpack: {error or type(error).__name__}") from error


def _refuse_extension(code: int, _data: bytes) -> Any:
    raise ValueError(f"extension type {code} has no meaning here")


def stream() -> "msgpack.Unpacker":
    """A reader of many values one after another: `feed` it bytes, iterate over the values."""
    return msgpack.Unpacker(
        raw=False, unicode_errors="surrogateescape", strict_map_key=False, ext_hook=_refuse_extension, max_buffer_size=1 << 31
    )


def unpack_many(data: bytes) -> list[Any]:
    """All values that `data` holds one after another; `DecodeError` if the last one is cut off."""
    reader = stream()
    reader.feed(data)
    values = []
    try:
        while reader.tell() < len(data):
            values.append(reader.unpack())
    except (ValueError, TypeError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise DecodeError(f"msgpack: {error or type(error).__name__}") from error
    return values

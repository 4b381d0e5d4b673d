"""Msgpack values that follow one another without lengths, cut at their ends as their bytes come in.

A value is measured before it is decoded: the measuring keeps its place between pieces, so no byte is looked at twice, and a value that only
promises to be long costs nothing. What was measured holds as many items as it says, so decoding it makes no room in vain.

Source: reference of the RPC wire, section 3; of the Raft wire, section 1.
"""

from itertools import pairwise
from typing import Any, Final

import msgpack

from muster.model.errors import DecodeError
from muster.wire.msgpack import unpack
from muster.wire.raw_maps import UNPACKING_ERRORS

_KEPT = 1 << 20
"""Bytes above which a reader's memory is given back, since the library's never shrinks by itself."""
_FED = 1 << 31
"""The library's own limit, which nothing reaches: the stream has its own."""

MAXIMUM_DEPTH: Final = 400
"""The deepest nesting of a value that is read: what comes deeper could not be written again."""
_CONTAINERS = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))


class ValueStream:
    """Bytes go in by `feed`, whole values come out of `next` as bytes. A value of more than `limit` bytes is refused.

    It holds at most the begun value and the piece that was fed last.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0  # of the next value in the buffer
        self._origin = 0  # of the buffer, in what the reader has counted
        self._reader: msgpack.Unpacker = msgpack.Unpacker(max_buffer_size=_FED)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes."""
        self._buffer += data
        self._reader.feed(data)

    def next(self) -> bytes | None:
        """The next value, or None until more bytes come. `DecodeError` if these bytes are no value, and from then on."""
        try:
            self._reader.skip()
        except msgpack.OutOfData:
            self._compact()
            if len(self._buffer) > self._limit:
                raise DecodeError(f"a value of more than {self._limit} bytes") from None
            return None
        except UNPACKING_ERRORS as error:
            raise DecodeError(f"msgpack: {error or type(error).__name__}") from error
        end = self._reader.tell() - self._origin
        if end - self._start > self._limit:
            raise DecodeError(f"a value of more than {self._limit} bytes")
        with memoryview(self._buffer) as view:
            value = bytes(view[self._start : end])
        self._start = end
        return value

    def take(self, most: int) -> bytes:
        """Up to `most` bytes that are here and no values: what follows a head. Not between the parts of a begun value."""
        with memoryview(self._buffer) as view:
            taken = bytes(view[self._start : self._start + most])
        self._start += len(taken)
        self._restart()
        return taken

    @property
    def pending(self) -> int:
        """Bytes that are here and not yet given out."""
        return len(self._buffer) - self._start

    def _compact(self) -> None:
        if self._start > _KEPT:
            self._restart()
        elif self._start:
            del self._buffer[: self._start]
            self._origin += self._start
            self._start = 0

    def _restart(self) -> None:
        self._buffer = self._buffer[self._start :]
        self._reader = msgpack.Unpacker(max_buffer_size=_FED)
        self._reader.feed(self._buffer)
        self._start = self._origin = 0


def split_values(data: bytes) -> list[bytes]:
    """The values that `data` holds to its last byte, each whole; `DecodeError` on anything else."""
    reader = msgpack.Unpacker(max_buffer_size=_FED)
    reader.feed(data)
    ends = [0]
    try:
        while ends[-1] < len(data):
            reader.skip()
            ends.append(reader.tell())
    except UNPACKING_ERRORS as error:
        raise DecodeError(f"msgpack: {error or type(error).__name__}") from error
    return [data[start:end] for start, end in pairwise(ends)]


def read_value(data: bytes) -> Any:
    """What one measured value means; `DecodeError` if it is nested too deeply."""
    value = unpack(data)
    if len(data) - len(data.translate(None, _CONTAINERS)) > MAXIMUM_DEPTH and _is_deep(value):
        raise DecodeError(f"msgpack: nested more than {MAXIMUM_DEPTH} deep")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAXIMUM_DEPTH):
        level = [inner for outer in level if type(outer) in (list, dict) for inner in (outer.values() if type(outer) is dict else outer)]
    return bool(level)

"""Readers of requests and responses that streams borrow: most messages come whole, and a reader costs far more than what it reads.

A stream has a reader of its own only while a message of it is not whole.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from muster.wire.rpc import RequestReader, ResponseReader

READER_COST = 48 * 1024  # bytes that a reader holds beside what it was fed
_SPARE = 8

M = TypeVar("M")


class Reader(Protocol[M]):
    """Cuts what it is fed into messages; `pending` bytes are of one that is not whole."""

    @property
    def pending(self) -> int: ...
    def feed(self, data: bytes) -> list[M]: ...


class Requests(RequestReader):
    """A reader of requests that knows what it holds."""

    @property
    def pending(self) -> int:
        return self._stream.pending + len(self._header or b"")


class Responses(ResponseReader):
    """A reader of responses that knows what it holds."""

    @property
    def pending(self) -> int:
        return self._stream.pending + len(self._header or b"")


class Readers(Generic[M]):
    """All readers of one kind of message; `make` makes another one."""

    def __init__(self, make: Callable[[], Reader[M]]) -> None:
        self._make = make
        self._spare: list[Reader[M]] = []

    def read(self, own: Reader[M] | None, data: bytes) -> tuple[list[M], Reader[M] | None]:
        """The messages that the bytes complete, and the reader that the stream now has as its own: None between two messages.

        `own` is the one that it had. `DecodeError` if the bytes mean nothing; the reader is lost then.
        """
        reader = own or (self._spare.pop() if self._spare else self._make())
        messages = reader.feed(data)
        if reader.pending:
            return messages, reader
        if len(self._spare) < _SPARE:
            self._spare.append(reader)
        return messages, None

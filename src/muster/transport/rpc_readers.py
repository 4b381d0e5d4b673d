"""Readers of requests and responses that streams borrow: most messages come whole, and a reader costs far more than what it reads.

A stream has a reader of its own only while a message of it is not whole.
"""

from typing import Generic, TypeVar

from muster.wire.rpc import MAXIMUM_REQUEST, Request, RequestReader, Response, ResponseReader

READER_COST = 48 * 1024  # bytes that a reader holds beside what it was fed
_SPARE = 8

M = TypeVar("M", Request, Response)


class _Requests(RequestReader):
    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole."""
        return self._stream.pending + len(self._header or b"")


class _Responses(ResponseReader):
    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole."""
        return self._stream.pending + len(self._header or b"")


class Unfinished(Generic[M]):
    """What was read of a message that is not whole."""

    __slots__ = ("reader",)

    def __init__(self, reader: _Requests | _Responses) -> None:
        self.reader = reader

    @property
    def held(self) -> int:
        """Bytes that this costs."""
        return self.reader.pending + READER_COST


class _Readers(Generic[M]):
    def __init__(self) -> None:
        self._spare: list[_Requests | _Responses] = []

    def _make(self) -> _Requests | _Responses:
        raise NotImplementedError

    def read(self, unfinished: Unfinished[M] | None, data: bytes) -> tuple[list[M], Unfinished[M] | None]:
        """The messages that the bytes complete, and what is left: to be handed in with the next bytes of the same stream. `DecodeError`."""
        reader = unfinished.reader if unfinished is not None else self._spare.pop() if self._spare else self._make()
        messages: list[M] = reader.feed(data)  # type: ignore[assignment]  # a request reader reads requests
        if reader.pending:
            return messages, unfinished or Unfinished(reader)
        if len(self._spare) < _SPARE:
            self._spare.append(reader)
        return messages, None


class RequestReaders(_Readers[Request]):
    """Readers of requests of at most `limit` bytes."""

    def __init__(self, limit: int = MAXIMUM_REQUEST) -> None:
        super().__init__()
        self._limit = limit

    def _make(self) -> _Requests:
        return _Requests(self._limit)


class ResponseReaders(_Readers[Response]):
    """Readers of responses."""

    def _make(self) -> _Responses:
        return _Responses()

"""Bytes to Raft's messages: whole ones, and the requests and answers of a connection as their bytes come in.

Entries are read by a typed decoder, which is faster than maps; what it does not take, the slow path reads or refuses.

Source: reference of the Raft wire, section 1.
"""

from collections import deque
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from muster.model.errors import DecodeError
from muster.wire.raft import (
    AppendEntries,
    AppendEntriesResponse,
    Entry,
    InstallSnapshot,
    InstallSnapshotResponse,
    Request,
    RequestPreVote,
    RequestPreVoteResponse,
    RequestVote,
    RequestVoteResponse,
    Response,
    TimeoutNow,
    TimeoutNowResponse,
)
from muster.wire.raft_encoder import APPEND_ENTRIES, INSTALL_SNAPSHOT, REQUEST_PRE_VOTE, REQUEST_VOTE, TIMEOUT_NOW
from muster.wire.raw_maps import U8, U64, Fields, as_fields, flag, listed, raw, text, unpack_value, unsigned
from muster.wire.value_stream import ValueStream, split_values

MAXIMUM_ENTRIES: Final = 4096
"""The most entries that one request may bring; the peers send at most 64."""
MAXIMUM_REQUEST: Final = 64 << 20
"""The most bytes of a request: 64 entries, each far above the size of which the peers warn."""
MAXIMUM_RESPONSE: Final = 1 << 16
MAXIMUM_SNAPSHOT: Final = 1 << 40


def decode_request(data: bytes) -> Request:
    """The request that `data` holds to the last byte, its type byte first; of a snapshot the head alone."""
    values = split_values(data)
    if len(values) != 2:
        raise DecodeError(f"a Raft request is a type and a map, not {len(values)} values")
    return _request_of(values[0], values[1])


def decode_response(request: Request, data: bytes) -> tuple[str, Response]:
    """The text of the error and the answer to `request` that `data` holds to the last byte."""
    values = split_values(data)
    if len(values) != 2:
        raise DecodeError(f"a Raft response is a text and a map, not {len(values)} values")
    return _response_of(request, values[0], values[1])


def decode_entry(data: bytes) -> Entry:
    """One entry of the log as the peers keep it on disk: the map that also stands in a request."""
    fields = unpack_value(data)
    return _entry_of(as_fields(fields))


class SnapshotPiece(msgspec.Struct, frozen=True, gc=False):
    """Bytes of the snapshot whose head came before; with the `last` of them it is whole."""

    data: bytes
    last: bool


class RequestReader:
    """The requests of a connection, without its first byte. The bytes behind a snapshot's head come out as they come in."""

    def __init__(self, limit: int = MAXIMUM_REQUEST) -> None:
        self._stream = ValueStream(limit)
        self._kind: bytes | None = None
        self._snapshot: int | None = None  # bytes of a snapshot still to come

    def feed(self, data: bytes) -> list[Request | SnapshotPiece]:
        """What the bytes complete; `DecodeError` once they mean nothing, and the connection with them."""
        self._stream.feed(data)
        found: list[Request | SnapshotPiece] = []
        while (one := self._next()) is not None:
            found.append(one)
        return found

    def _next(self) -> Request | SnapshotPiece | None:
        if self._snapshot is not None:
            return self._piece(self._snapshot)
        if self._kind is None:
            self._kind = self._stream.next()
            if self._kind is not None and self._kind[0] > REQUEST_PRE_VOTE:
                raise DecodeError(f"Raft request type {self._kind[0]} has no meaning here")
        body = None if self._kind is None else self._stream.next()
        if self._kind is None or body is None:
            return None
        request = _request_of(self._kind, body)
        self._kind = None
        if isinstance(request, InstallSnapshot):
            self._snapshot = request.size
        return request

    def _piece(self, left: int) -> SnapshotPiece | None:
        if left and not self._stream.pending:
            return None
        data = self._stream.take(left)
        self._snapshot = left - len(data) or None
        return SnapshotPiece(data, last=self._snapshot is None)


class ResponseReader:
    """The answers of a connection, in the order of the requests that were sent on it."""

    def __init__(self, limit: int = MAXIMUM_RESPONSE) -> None:
        self._stream = ValueStream(limit)
        self._error: bytes | None = None
        self._requests: deque[Request] = deque()

    def sent(self, request: Request) -> None:
        """One more answer will come, to this request."""
        self._requests.append(request)

    @property
    def in_flight(self) -> int:
        """How many requests are not answered."""
        return len(self._requests)

    def feed(self, data: bytes) -> list[tuple[str, Response]]:
        """The texts of errors and the answers that the bytes complete; `DecodeError` also for an answer that nobody asked for."""
        self._stream.feed(data)
        found: list[tuple[str, Response]] = []
        while True:
            if self._error is None:
                self._error = self._stream.next()
            body = None if self._error is None else self._stream.next()
            if self._error is None or body is None:
                return found
            if not self._requests:
                raise DecodeError("an answer without a request")
            found.append(_response_of(self._requests.popleft(), self._error, body))
            self._error = None


def _request_of(kind: bytes, body: bytes) -> Request:
    if kind[0] == APPEND_ENTRIES:
        return _append_entries_of(body)
    decode = _DECODERS.get(kind[0])
    if decode is None:
        raise DecodeError(f"Raft request type {kind[0]} has no meaning here")
    return decode(as_fields(unpack_value(body)))


def _response_of(request: Request, error: bytes, body: bytes) -> tuple[str, Response]:
    return text(unpack_value(error)), _RESPONSES[type(request)](request, as_fields(unpack_value(body)))


_Index = Annotated[int, msgspec.Meta(ge=0)]


class _WireEntry(msgspec.Struct, gc=False):
    index: _Index = msgspec.field(name="Index")
    term: _Index = msgspec.field(name="Term")
    type: Annotated[int, msgspec.Meta(ge=0, le=U8)] = msgspec.field(name="Type")
    data: msgspec.Raw = msgspec.field(name="Data")
    extensions: None = msgspec.field(name="Extensions")  # those of a chunked entry take the slow path


class _WireAppendEntries(msgspec.Struct, gc=False):
    entries: list[_WireEntry] | None = msgspec.field(name="Entries")
    leader: str = msgspec.field(name="Leader")
    commit_index: _Index = msgspec.field(name="LeaderCommitIndex")
    previous_index: _Index = msgspec.field(name="PrevLogEntry")
    previous_term: _Index = msgspec.field(name="PrevLogTerm")
    term: _Index = msgspec.field(name="Term")


_decoder = msgspec.msgpack.Decoder(_WireAppendEntries)


def _append_entries_of(body: bytes) -> AppendEntries:
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return _append_entries_of_fields(as_fields(unpack_value(body, MAXIMUM_ENTRIES)))
    entries = found.entries or []
    if len(entries) > MAXIMUM_ENTRIES:
        raise DecodeError(f"{len(entries)} entries in one request")
    # In place, since a call for each entry would take as long as the rest.
    made = [Entry(e.index, e.term, e.type, d[3:] if (d := bytes(e.data))[0] == 0xDA else _cut(d)) for e in entries]
    return AppendEntries(
        term=found.term,
        leader=found.leader,
        previous_index=found.previous_index,
        previous_term=found.previous_term,
        commit_index=found.commit_index,
        entries=None if found.entries is None else tuple(made),
    )


def _cut(value: bytes) -> bytes:
    """The bytes inside the msgpack form of a raw, empty for nil. The peers know no other form of bytes, but for str8 on reading."""
    head = value[0]
    if 0xA0 <= head <= 0xBF:
        return value[1:]
    if head == 0xC0:
        return b""
    if head in _RAW_HEADS:
        return value[_RAW_HEADS[head] :]
    raise DecodeError(f"expected bytes, got the type byte {head:#x}")


_RAW_HEADS = {0xD9: 2, 0xDA: 3, 0xDB: 5}


def _append_entries_of_fields(fields: Fields) -> AppendEntries:
    get = fields.get
    entries = get(b"Entries")
    return AppendEntries(
        term=unsigned(get(b"Term"), U64),
        leader=text(get(b"Leader")),
        previous_index=unsigned(get(b"PrevLogEntry"), U64),
        previous_term=unsigned(get(b"PrevLogTerm"), U64),
        commit_index=unsigned(get(b"LeaderCommitIndex"), U64),
        entries=None if entries is None else tuple([_entry_of(as_fields(entry)) for entry in listed(entries)]),
    )


def _entry_of(fields: Fields) -> Entry:
    get = fields.get
    index, term, kind = unsigned(get(b"Index"), U64), unsigned(get(b"Term"), U64), unsigned(get(b"Type"), U8)
    return Entry(index, term, kind, raw(get(b"Data")), raw(get(b"Extensions")))


def _request_vote_of(fields: Fields) -> RequestVote:
    get = fields.get
    return RequestVote(
        term=unsigned(get(b"Term"), U64),
        candidate=text(get(b"Candidate")),
        last_index=unsigned(get(b"LastLogIndex"), U64),
        last_term=unsigned(get(b"LastLogTerm"), U64),
        leadership_transfer=flag(get(b"LeadershipTransfer")),
    )


def _request_pre_vote_of(fields: Fields) -> RequestPreVote:
    get = fields.get
    return RequestPreVote(
        term=unsigned(get(b"Term"), U64),
        candidate=text(get(b"Addr")),
        last_index=unsigned(get(b"LastLogIndex"), U64),
        last_term=unsigned(get(b"LastLogTerm"), U64),
    )


def _install_snapshot_of(fields: Fields) -> InstallSnapshot:
    get = fields.get
    return InstallSnapshot(
        term=unsigned(get(b"Term"), U64),
        leader=text(get(b"Leader")),
        last_index=unsigned(get(b"LastLogIndex"), U64),
        last_term=unsigned(get(b"LastLogTerm"), U64),
        configuration=raw(get(b"Configuration")),
        configuration_index=unsigned(get(b"ConfigurationIndex"), U64),
        size=unsigned(get(b"Size"), MAXIMUM_SNAPSHOT),
        peers=raw(get(b"Peers")),
    )


_DECODERS: dict[int, Callable[[Fields], Request]] = {
    REQUEST_VOTE: _request_vote_of,
    REQUEST_PRE_VOTE: _request_pre_vote_of,
    INSTALL_SNAPSHOT: _install_snapshot_of,
    TIMEOUT_NOW: lambda _fields: TimeoutNow(),
}


def _appended_of(request: Any, fields: Fields) -> Response:
    get = fields.get
    return AppendEntriesResponse(
        term=unsigned(get(b"Term"), U64),
        last_index=unsigned(get(b"LastLog"), U64),
        success=flag(get(b"Success")),
        no_retry_backoff=flag(get(b"NoRetryBackoff")),
        request=request,
    )


def _voted_of(_request: Any, fields: Fields) -> Response:
    return RequestVoteResponse(term=unsigned(fields.get(b"Term"), U64), granted=flag(fields.get(b"Granted")))


def _pre_voted_of(_request: Any, fields: Fields) -> Response:
    return RequestPreVoteResponse(term=unsigned(fields.get(b"Term"), U64), granted=flag(fields.get(b"Granted")))


def _installed_of(request: Any, fields: Fields) -> Response:
    return InstallSnapshotResponse(unsigned(fields.get(b"Term"), U64), flag(fields.get(b"Success")), request.last_index)


_RESPONSES: dict[type[Any], Callable[[Any, Fields], Response]] = {
    AppendEntries: _appended_of,
    RequestVote: _voted_of,
    RequestPreVote: _pre_voted_of,
    InstallSnapshot: _installed_of,
    TimeoutNow: lambda _request, _fields: TimeoutNowResponse(),
}

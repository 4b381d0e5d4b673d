"""Raft's messages to bytes: requests behind their type byte, answers behind the text of an error.

Source: reference of the Raft wire, section 1.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from muster.wire.msgpack import pack
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
from muster.wire.raw_maps import as_fields, listed, raw, unpack_value

APPEND_ENTRIES, REQUEST_VOTE, INSTALL_SNAPSHOT, TIMEOUT_NOW, REQUEST_PRE_VOTE = range(5)
PROTOCOL_VERSION: Final = 3
SNAPSHOT_VERSION: Final = 1

_U16 = struct.Struct(">BH").pack
_U32 = struct.Struct(">BI").pack
_U64 = struct.Struct(">BQ").pack
_SHORT_RAW = [bytes((0xA0 + length,)) for length in range(32)]
_SMALL = [bytes((number,)) if number < 128 else bytes((0xCC, number)) for number in range(256)]


def encode_request(request: Request) -> bytes:
    """The request with its type byte. The bytes of a snapshot follow behind its head."""
    return _ENCODERS[type(request)](request)


def encode_response(response: Response, error: str = "") -> bytes:
    """The text of the error, empty if there is none, and the answer."""
    return pack(error) + pack(_RESPONSE_FIELDS[type(response)](response))


def _encode_append_entries(request: AppendEntries) -> bytes:
    parts = [b"\x00\x87\xa7Entries", *_entries_parts(request.entries), b"\xa6Leader", pack(request.leader)]
    parts += (b"\xb1LeaderCommitIndex", _number(request.commit_index), b"\xacPrevLogEntry", _number(request.previous_index))
    parts += (b"\xabPrevLogTerm", _number(request.previous_term), b"\xafProtocolVersion\x03\xa4Term", _number(request.term))
    return b"".join(parts)


def _entries_parts(entries: Sequence[Entry] | None) -> list[bytes]:
    """Written piece by piece, which is faster than to build maps for the packer."""
    if entries is None:
        return [b"\xc0"]
    count = len(entries)
    parts = [bytes((0x90 + count,)) if count < 16 else _U16(0xDC, count)]
    term, end = -1, b""
    for entry in entries:
        if entry.term != term:
            term = entry.term
            end = b"\xa4Term" + _number(term) + b"\xa4Type"
        data, index = entry.data, entry.index
        size = len(data)
        parts += (
            b"\x85\xa4Data",
            _U16(0xDA, size) if 32 <= size < 65536 else _raw_head(size),
            data,
            _extensions(entry.extensions) if entry.extensions else b"\xaaExtensions\xc0\xa5Index",
            _U32(0xCE, index) if 65536 <= index < 1 << 32 else _number(index),
            end,
            _SMALL[entry.type],
        )
    return parts


def _extensions(extensions: bytes) -> bytes:
    return b"\xaaExtensions" + _raw_head(len(extensions)) + extensions + b"\xa5Index"


def _raw_head(length: int) -> bytes:
    """What stands before `length` bytes; nil, with nothing behind it, for none."""
    if length == 0:
        return b"\xc0"
    if length < 32:
        return _SHORT_RAW[length]
    return _U16(0xDA, length) if length < 65536 else _U32(0xDB, length)


def _number(number: int) -> bytes:
    if number < 256:
        return _SMALL[number]
    if number < 65536:
        return _U16(0xCD, number)
    return _U32(0xCE, number) if number < 1 << 32 else _U64(0xCF, number)


def _encode_request_vote(request: RequestVote) -> bytes:
    return b"\x01" + pack(
        {
            "Candidate": request.candidate,
            "LastLogIndex": request.last_index,
            "LastLogTerm": request.last_term,
            "LeadershipTransfer": request.leadership_transfer,
            "ProtocolVersion": PROTOCOL_VERSION,
            "Term": request.term,
        }
    )


def _encode_request_pre_vote(request: RequestPreVote) -> bytes:
    return b"\x04" + pack(
        {
            "Addr": request.candidate,
            "LastLogIndex": request.last_index,
            "LastLogTerm": request.last_term,
            "ProtocolVersion": PROTOCOL_VERSION,
            "Term": request.term,
        }
    )


def _encode_install_snapshot(request: InstallSnapshot) -> bytes:
    return b"\x02" + pack(
        {
            "Configuration": request.configuration or None,
            "ConfigurationIndex": request.configuration_index,
            "LastLogIndex": request.last_index,
            "LastLogTerm": request.last_term,
            "Leader": request.leader,
            "Peers": request.peers or voters(request.configuration),
            "ProtocolVersion": PROTOCOL_VERSION,
            "Size": request.size,
            "SnapshotVersion": SNAPSHOT_VERSION,
            "Term": request.term,
        }
    )


def voters(configuration: bytes) -> bytes | None:
    """The list of the voters' addresses, as the peers write it beside the configuration; None without one."""
    if not configuration:
        return None
    servers = [as_fields(server) for server in listed(as_fields(unpack_value(configuration)).get(b"Servers"))]
    return pack([raw(server.get(b"Address")) for server in servers if not server.get(b"Suffrage")])


def _encode_timeout_now(_request: TimeoutNow) -> bytes:
    return b"\x03\x81\xafProtocolVersion\x03"


_ENCODERS: dict[type[Any], Callable[[Any], bytes]] = {
    AppendEntries: _encode_append_entries,
    RequestVote: _encode_request_vote,
    RequestPreVote: _encode_request_pre_vote,
    InstallSnapshot: _encode_install_snapshot,
    TimeoutNow: _encode_timeout_now,
}

_RESPONSE_FIELDS: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
    AppendEntriesResponse: lambda response: {
        "LastLog": response.last_index,
        "NoRetryBackoff": response.no_retry_backoff,
        "ProtocolVersion": PROTOCOL_VERSION,
        "Success": response.success,
        "Term": response.term,
    },
    RequestVoteResponse: lambda response: {
        "Granted": response.granted,
        "Peers": None,
        "ProtocolVersion": PROTOCOL_VERSION,
        "Term": response.term,
    },
    RequestPreVoteResponse: lambda response: {
        "Granted": response.granted,
        "ProtocolVersion": PROTOCOL_VERSION,
        "Term": response.term,
    },
    # Of these two the peers leave the version at zero.
    InstallSnapshotResponse: lambda response: {"ProtocolVersion": 0, "Success": response.success, "Term": response.term},
    TimeoutNowResponse: lambda _response: {"ProtocolVersion": 0},
}

"""Serf's messages to bytes and back: a byte for the type, then a map of the fields. Also tags, coordinates and query filters.

Source: reference of the gossip wire, sections 1, 3 and 5.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack

from muster.model.coordinates import Coordinate
from muster.model.errors import DecodeError
from muster.wire.msgpack import pack
from muster.wire.raw_maps import (
    U8,
    U16,
    U32,
    U64,
    UNPACKING_ERRORS,
    Fields,
    address,
    as_fields,
    flag,
    listed,
    number,
    raw,
    text,
    texts,
    unpack_fields,
    unpack_value,
    unsigned,
)
from muster.wire.serf import (
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    NodeFilter,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    SerfState,
    TagFilter,
    UserEvent,
)
from muster.wire.serf_state import decode_state, encode_state

LEAVE, JOIN, STATE, USER_EVENT, QUERY, QUERY_RESPONSE, CONFLICT_RESPONSE, KEY_REQUEST, KEY_RESPONSE, RELAY = range(10)

TAGS_MARK = 255
COORDINATE_VERSION = 1
NODE_FILTER, TAG_FILTER = 0, 1

_LONGEST_TIMEOUT = (1 << 63) - 1  # nanoseconds


def encode_serf(message: SerfMessage) -> bytes:
    """The message with its type byte."""
    return _ENCODERS[type(message)](message)


def decode_serf(data: bytes) -> SerfMessage:
    """The message that `data` (with its type byte) holds to the last byte; `DecodeError` on anything else."""
    if not data:
        raise DecodeError("a Serf message without its type")
    decode = _DECODERS.get(data[0])
    if decode is None:
        raise DecodeError(f"Serf message type {data[0]} has no meaning here")
    return decode(data)


def _encode_leave(leave: LeaveIntent) -> bytes:
    return b"\x00" + pack({"LTime": leave.time, "Node": leave.node, "Prune": leave.prune})


def _encode_join(join: JoinIntent) -> bytes:
    return b"\x01" + pack({"LTime": join.time, "Node": join.node})


def _encode_user_event(event: UserEvent) -> bytes:
    return b"\x03" + pack({"CC": event.coalesce, "LTime": event.time, "Name": event.name, "Payload": event.payload or None})


def _encode_query(query: Query) -> bytes:
    return b"\x04" + pack(
        {
            "Addr": query.address or None,
            "Filters": query.filters or None,
            "Flags": query.flags,
            "ID": query.identity,
            "LTime": query.time,
            "Name": query.name,
            "Payload": query.payload or None,
            "Port": query.port,
            "RelayFactor": query.relay_factor,
            "SourceNode": query.source_node,
            "Timeout": query.timeout,
        }
    )


def _encode_response(response: QueryResponse) -> bytes:
    return b"\x05" + pack(
        {
            "Flags": response.flags,
            "From": response.sender,
            "ID": response.identity,
            "LTime": response.time,
            "Payload": response.payload or None,
        }
    )


def _encode_key_request(request: KeyRequest) -> bytes:
    return b"\x07" + pack({"Key": request.key})


def _encode_key_response(response: KeyResponse) -> bytes:
    return b"\x08" + pack(
        {"Keys": response.keys, "Message": response.message, "PrimaryKey": response.primary_key, "Result": response.result}
    )


def _encode_relay(relay: Relay) -> bytes:
    destination = {"IP": relay.address or None, "Port": relay.port, "Zone": relay.zone}
    return b"\x09" + pack({"DestAddr": destination, "DestName": relay.node}) + relay.message


_ENCODERS: dict[type[Any], Callable[[Any], bytes]] = {
    LeaveIntent: _encode_leave,
    JoinIntent: _encode_join,
    SerfState: encode_state,
    UserEvent: _encode_user_event,
    Query: _encode_query,
    QueryResponse: _encode_response,
    KeyRequest: _encode_key_request,
    KeyResponse: _encode_key_response,
    Relay: _encode_relay,
}


def _leave_of(fields: Fields) -> LeaveIntent:
    return LeaveIntent(time=unsigned(fields.get(b"LTime"), U64), node=text(fields.get(b"Node")), prune=flag(fields.get(b"Prune")))


def _join_of(fields: Fields) -> JoinIntent:
    return JoinIntent(time=unsigned(fields.get(b"LTime"), U64), node=text(fields.get(b"Node")))


def _user_event_of(fields: Fields) -> UserEvent:
    get = fields.get
    return UserEvent(time=unsigned(get(b"LTime"), U64), name=text(get(b"Name")), payload=raw(get(b"Payload")), coalesce=flag(get(b"CC")))


def _query_of(fields: Fields) -> Query:
    get = fields.get
    return Query(
        time=unsigned(get(b"LTime"), U64),
        identity=unsigned(get(b"ID"), U32),
        address=address(get(b"Addr")),
        port=unsigned(get(b"Port"), U16),
        source_node=text(get(b"SourceNode")),
        filters=[raw(item) for item in listed(get(b"Filters"))],
        flags=unsigned(get(b"Flags"), U32),
        relay_factor=unsigned(get(b"RelayFactor"), U8),
        timeout=unsigned(get(b"Timeout"), _LONGEST_TIMEOUT),
        name=text(get(b"Name")),
        payload=raw(get(b"Payload")),
    )


def _response_of(fields: Fields) -> QueryResponse:
    get = fields.get
    return QueryResponse(
        time=unsigned(get(b"LTime"), U64),
        identity=unsigned(get(b"ID"), U32),
        sender=text(get(b"From")),
        flags=unsigned(get(b"Flags"), U32),
        payload=raw(get(b"Payload")),
    )


def _key_request_of(fields: Fields) -> KeyRequest:
    return KeyRequest(key=raw(fields.get(b"Key")))


def _key_response_of(fields: Fields) -> KeyResponse:
    get = fields.get
    keys = get(b"Keys")
    return KeyResponse(
        result=flag(get(b"Result")),
        message=text(get(b"Message")),
        keys=None if keys is None else texts(keys),
        primary_key=text(get(b"PrimaryKey")),
    )


def _decode_relay(data: bytes) -> Relay:
    reader = msgpack.Unpacker(raw=True, max_buffer_size=len(data), max_array_len=16, max_map_len=64)
    try:
        reader.feed(memoryview(data)[1:])
        header = as_fields(reader.unpack())
    except UNPACKING_ERRORS as error:
        raise DecodeError(f"relay: {error or type(error).__name__}") from error
    destination = as_fields(header.get(b"DestAddr") or {})
    return Relay(
        address=address(destination.get(b"IP")),
        port=unsigned(destination.get(b"Port"), U16),
        zone=text(destination.get(b"Zone")),
        node=text(header.get(b"DestName")),
        message=data[1 + reader.tell() :],
    )


def _from_fields(make: Callable[[Fields], SerfMessage]) -> Callable[[bytes], SerfMessage]:
    return lambda data: make(unpack_fields(data[1:]))


_DECODERS: dict[int, Callable[[bytes], SerfMessage]] = {
    LEAVE: _from_fields(_leave_of),
    JOIN: _from_fields(_join_of),
    STATE: decode_state,
    USER_EVENT: _from_fields(_user_event_of),
    QUERY: _from_fields(_query_of),
    QUERY_RESPONSE: _from_fields(_response_of),
    KEY_REQUEST: _from_fields(_key_request_of),
    KEY_RESPONSE: _from_fields(_key_response_of),
    RELAY: _decode_relay,
}


def encode_tags(tags: Mapping[str, str]) -> bytes:
    """A member's meta: its tags, in the order given. The peers take at most 512 bytes."""
    return b"\xff" + pack(dict(tags))


def decode_tags(meta: bytes) -> dict[str, str]:
    """The tags of a member's meta; one from before tags is its role alone."""
    if meta[:1] != b"\xff":
        return {"role": text(meta)}
    return {text(name): text(value) for name, value in unpack_fields(meta[1:]).items()}


def encode_coordinate(coordinate: Coordinate) -> bytes:
    """The payload of an ack."""
    return b"\x01" + pack(
        {"Adjustment": coordinate.adjustment, "Error": coordinate.error, "Height": coordinate.height, "Vec": coordinate.vec}
    )


def decode_coordinate(payload: bytes) -> Coordinate:
    """The coordinate of an ack's payload. Its figures are finite; whether they are of our space is the reader's to judge."""
    if payload[:1] != b"\x01":
        raise DecodeError("an ack's payload of an unknown version")
    get = unpack_fields(payload[1:]).get
    return Coordinate(
        vec=[number(part) for part in listed(get(b"Vec"))],
        error=number(get(b"Error")),
        adjustment=number(get(b"Adjustment")),
        height=number(get(b"Height")),
    )


def encode_node_filter(names: Sequence[str]) -> bytes:
    """A query's filter: only these nodes."""
    return b"\x00" + pack(list(names))


def encode_tag_filter(tag: str, expression: str) -> bytes:
    """A query's filter: only nodes whose tag matches the regular expression."""
    return b"\x01" + pack({"Expr": expression, "Tag": tag})


def decode_filter(data: bytes) -> NodeFilter | TagFilter:
    """The filter that the bytes in a query stand for; `DecodeError` on an unknown kind, which peers take as no match."""
    if data[:1] == b"\x00":
        return NodeFilter(tuple(texts(unpack_value(data[1:]))))
    if data[:1] == b"\x01":
        fields = unpack_fields(data[1:])
        return TagFilter(text(fields.get(b"Tag")), text(fields.get(b"Expr")))
    raise DecodeError("a query filter of an unknown kind")

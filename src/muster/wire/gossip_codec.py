"""Memberlist's messages to bytes and back: a byte for the type, then a map of the fields.

Addresses that are not 4 or 16 bytes long are refused in single messages. In a push-pull they are left to the reader of the table: one
bad line must not hide the others.

Source: reference of the gossip wire, section 1.
"""

from collections.abc import Callable
from typing import Any

import msgpack

from muster.model.errors import DecodeError
from muster.wire.gossip import Ack, Alive, Dead, IndirectPing, Message, Nack, NodeState, Ping, PushPull, StreamError, Suspect, User
from muster.wire.msgpack import pack
from muster.wire.raw_maps import U8, U16, U32, UNPACKING_ERRORS, Fields, address, as_fields, flag, raw, text, unpack_fields, unsigned

PING, INDIRECT_PING, ACK, SUSPECT, ALIVE, DEAD, PUSH_PULL, COMPOUND, USER, COMPRESSED, ENCRYPTED, NACK, CHECKSUM, ERROR = range(14)
LABEL = 244

PACKET_TYPES = frozenset((PING, INDIRECT_PING, ACK, SUSPECT, ALIVE, DEAD, USER, NACK))
"""What a packet may carry; push-pulls and errors come by stream only."""

MAXIMUM_NODES = 1 << 20
"""The most lines of a push-pull."""
MAXIMUM_STREAM = 20 << 20
"""The most bytes of a stream."""


def encode_message(message: Message) -> bytes:
    """The message with its type byte; a user message as packets carry it."""
    return _ENCODERS[type(message)](message)


def decode_message(data: bytes) -> Message:
    """The message that `data` (with its type byte) holds to the last byte; `DecodeError` on anything else."""
    if not data:
        raise DecodeError("a message without its type")
    decode = _DECODERS.get(data[0])
    if decode is None:
        raise DecodeError(f"message type {data[0]} has no meaning here")
    return decode(data)


def _encode_ping(ping: Ping) -> bytes:
    fields = {"Node": ping.node, "SeqNo": ping.sequence}
    return b"\x00" + pack(_with_source(fields, ping) if ping.source_address or ping.source_port or ping.source_node else fields)


def _encode_indirect_ping(ping: IndirectPing) -> bytes:
    fields = {"Nack": ping.nack, "Node": ping.node, "Port": ping.port, "SeqNo": ping.sequence}
    if ping.source_address or ping.source_port or ping.source_node:
        _with_source(fields, ping)
    return b"\x01" + pack({**fields, "Target": ping.target or None})


def _with_source(fields: dict[str, Any], ping: Ping | IndirectPing) -> dict[str, Any]:
    """The fields and those of the source that are not empty, in the order of the wire."""
    if ping.source_address:
        fields["SourceAddr"] = ping.source_address
    if ping.source_node:
        fields["SourceNode"] = ping.source_node
    if ping.source_port:
        fields["SourcePort"] = ping.source_port
    return fields


def _encode_ack(ack: Ack) -> bytes:
    return b"\x02" + pack({"Payload": ack.payload or None, "SeqNo": ack.sequence})


def _encode_nack(nack: Nack) -> bytes:
    return b"\x0b" + pack({"SeqNo": nack.sequence})


def _encode_suspect(suspect: Suspect) -> bytes:
    return b"\x03" + pack({"From": suspect.accuser, "Incarnation": suspect.incarnation, "Node": suspect.node})


def _encode_dead(dead: Dead) -> bytes:
    return b"\x05" + pack({"From": dead.accuser, "Incarnation": dead.incarnation, "Node": dead.node})


def _encode_alive(alive: Alive) -> bytes:
    return b"\x04" + pack(
        {
            "Addr": alive.address or None,
            "Incarnation": alive.incarnation,
            "Meta": alive.meta or None,
            "Node": alive.node,
            "Port": alive.port,
            "Vsn": alive.versions or None,
        }
    )


def _encode_push_pull(exchange: PushPull) -> bytes:
    header = pack({"Join": exchange.join, "Nodes": len(exchange.nodes), "UserStateLen": len(exchange.user_state)})
    return b"".join((b"\x06", header, *map(_encode_node, exchange.nodes), exchange.user_state))


def _encode_node(node: NodeState) -> bytes:
    return pack(
        {
            "Addr": node.address or None,
            "Incarnation": node.incarnation,
            "Meta": node.meta or None,
            "Name": node.name,
            "Port": node.port,
            "State": node.state,
            "Vsn": node.versions or None,
        }
    )


def _encode_user(user: User) -> bytes:
    return b"\x08" + user.payload


def _encode_error(error: StreamError) -> bytes:
    return b"\x0d" + pack({"Error": error.text})


_ENCODERS: dict[type[Any], Callable[[Any], bytes]] = {
    Ping: _encode_ping,
    IndirectPing: _encode_indirect_ping,
    Ack: _encode_ack,
    Nack: _encode_nack,
    Suspect: _encode_suspect,
    Alive: _encode_alive,
    Dead: _encode_dead,
    PushPull: _encode_push_pull,
    User: _encode_user,
    StreamError: _encode_error,
}


def ping_of(fields: Fields) -> Ping:
    """The ping that a map stands for."""
    get = fields.get
    return Ping(
        sequence=unsigned(get(b"SeqNo"), U32),
        node=text(get(b"Node")),
        source_address=address(get(b"SourceAddr")),
        source_port=unsigned(get(b"SourcePort"), U16),
        source_node=text(get(b"SourceNode")),
    )


def _indirect_ping_of(fields: Fields) -> IndirectPing:
    get = fields.get
    return IndirectPing(
        sequence=unsigned(get(b"SeqNo"), U32),
        target=address(get(b"Target")),
        port=unsigned(get(b"Port"), U16),
        node=text(get(b"Node")),
        nack=flag(get(b"Nack")),
        source_address=address(get(b"SourceAddr")),
        source_port=unsigned(get(b"SourcePort"), U16),
        source_node=text(get(b"SourceNode")),
    )


def ack_of(fields: Fields) -> Ack:
    """The ack that a map stands for."""
    return Ack(sequence=unsigned(fields.get(b"SeqNo"), U32), payload=raw(fields.get(b"Payload")))


def _nack_of(fields: Fields) -> Nack:
    return Nack(sequence=unsigned(fields.get(b"SeqNo"), U32))


def _suspect_of(fields: Fields) -> Suspect:
    get = fields.get
    return Suspect(incarnation=unsigned(get(b"Incarnation"), U32), node=text(get(b"Node")), accuser=text(get(b"From")))


def _dead_of(fields: Fields) -> Dead:
    get = fields.get
    return Dead(incarnation=unsigned(get(b"Incarnation"), U32), node=text(get(b"Node")), accuser=text(get(b"From")))


def _alive_of(fields: Fields) -> Alive:
    get = fields.get
    return Alive(
        incarnation=unsigned(get(b"Incarnation"), U32),
        node=text(get(b"Node")),
        address=address(get(b"Addr")),
        port=unsigned(get(b"Port"), U16),
        meta=raw(get(b"Meta")),
        versions=raw(get(b"Vsn")),
    )


def node_state_of(fields: Fields) -> NodeState:
    """The line of a table that a map stands for; its address is not judged."""
    get = fields.get
    return NodeState(
        name=text(get(b"Name")),
        address=raw(get(b"Addr")),
        port=unsigned(get(b"Port"), U16),
        meta=raw(get(b"Meta")),
        incarnation=unsigned(get(b"Incarnation"), U32),
        state=unsigned(get(b"State"), U8),
        versions=raw(get(b"Vsn")),
    )


def error_of(fields: Fields) -> StreamError:
    """The error that a map stands for."""
    return StreamError(text=text(fields.get(b"Error")))


def push_pull_header(fields: Fields) -> tuple[int, int, bool]:
    """How many nodes, how many bytes of user state, and whether it is a join; `DecodeError` beyond the limits."""
    nodes = unsigned(fields.get(b"Nodes"), MAXIMUM_NODES)
    return nodes, unsigned(fields.get(b"UserStateLen"), 2 * MAXIMUM_STREAM), flag(fields.get(b"Join"))


def table_reader() -> "msgpack.Unpacker":
    """A reader of the maps that stand one after another in a stream; it keeps its place between `feed`s."""
    return msgpack.Unpacker(raw=True, max_buffer_size=2 * MAXIMUM_STREAM, max_array_len=16, max_map_len=64)


def _decode_push_pull(data: bytes) -> PushPull:
    reader = table_reader()
    try:
        reader.feed(memoryview(data)[1:])
        count, length, join = push_pull_header(as_fields(reader.unpack()))
        nodes = [node_state_of(as_fields(reader.unpack())) for _ in range(count)]
    except UNPACKING_ERRORS as error:
        raise DecodeError(f"push-pull: {error or type(error).__name__}") from error
    state = data[1 + reader.tell() :]
    if len(state) != length:
        raise DecodeError(f"push-pull: {len(state)} bytes of user state instead of {length}")
    return PushPull(nodes=nodes, user_state=state, join=join)


def _decode_user(data: bytes) -> User:
    return User(payload=data[1:])


def _from_fields(make: Callable[[Fields], Message]) -> Callable[[bytes], Message]:
    return lambda data: make(unpack_fields(data[1:]))


_DECODERS: dict[int, Callable[[bytes], Message]] = {
    PING: _from_fields(ping_of),
    INDIRECT_PING: _from_fields(_indirect_ping_of),
    ACK: _from_fields(ack_of),
    SUSPECT: _from_fields(_suspect_of),
    ALIVE: _from_fields(_alive_of),
    DEAD: _from_fields(_dead_of),
    PUSH_PULL: _decode_push_pull,
    USER: _decode_user,
    NACK: _from_fields(_nack_of),
    ERROR: _from_fields(error_of),
}

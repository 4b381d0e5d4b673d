"""Log entries: one byte for the type, then the msgpack of the request, which is also the argument of the RPC method.

Bit 0x80 of the type means that a server which does not know the type may pass it over.

Source: reference "FSM commands", section 1.
"""

import enum
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from muster.model.catalog import HealthCheck, Node, NodeService
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.model.errors import DecodeError
from muster.model.kv import KVEntry
from muster.model.operator import AutopilotConfig, ConfigEntry
from muster.model.queries import PreparedQuery
from muster.model.sessions import Session
from muster.wire import msgpack
from muster.wire.kv_decoding import decode_kvs, decode_txn
from muster.wire.packing import packer
from muster.wire.records import encoder, from_wire

IGNORE_UNKNOWN = 0x80


class MessageType(enum.IntEnum):
    """Types of log entries and of records in a snapshot."""

    REGISTER = 0
    DEREGISTER = 1
    KVS = 2
    SESSION = 3
    LEGACY_ACL = 4
    TOMBSTONE = 5
    COORDINATE_BATCH_UPDATE = 6
    PREPARED_QUERY = 7
    TXN = 8
    AUTOPILOT = 9
    AREA = 10
    ACL_BOOTSTRAP = 11
    INTENTION = 12
    CONNECT_CA = 13
    CONNECT_CA_PROVIDER_STATE = 14
    CONNECT_CA_CONFIG = 15
    INDEX = 16
    ACL_TOKEN_SET = 17
    ACL_TOKEN_DELETE = 18
    ACL_POLICY_SET = 19
    ACL_POLICY_DELETE = 20
    CONNECT_CA_LEAF = 21
    CONFIG_ENTRY = 22
    ACL_ROLE_SET = 23
    ACL_ROLE_DELETE = 24
    ACL_BINDING_RULE_SET = 25
    ACL_BINDING_RULE_DELETE = 26
    ACL_AUTH_METHOD_SET = 27
    ACL_AUTH_METHOD_DELETE = 28
    CHUNKING_STATE = 29
    FEDERATION_STATE = 30


class RegisterRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Catalog.Register: a node, and with it one service and any number of checks."""

    address: str = field(name="Address", default="")
    check: HealthCheck | None = field(name="Check", default=None)
    checks: list[HealthCheck] | None = field(name="Checks", default=None)
    create_index: int = field(name="CreateIndex", default=0)
    datacenter: str = field(name="Datacenter", default="")
    id: str = field(name="ID", default="")
    modify_index: int = field(name="ModifyIndex", default=0)
    node: str = field(name="Node", default="")
    node_meta: dict[str, str] | None = field(name="NodeMeta", default=None)
    service: NodeService | None = field(name="Service", default=None)
    skip_node_update: bool = field(name="SkipNodeUpdate", default=False)
    tagged_addresses: dict[str, str] | None = field(name="TaggedAddresses", default=None)
    token: str = field(name="Token", default="")


class DeregisterRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Catalog.Deregister: a service if its id is given, else a check if its id is given, else the node."""

    check_id: str = field(name="CheckID", default="")
    datacenter: str = field(name="Datacenter", default="")
    node: str = field(name="Node", default="")
    service_id: str = field(name="ServiceID", default="")
    token: str = field(name="Token", default="")


class KVSRequest(Struct, frozen=True, gc=False, kw_only=True):
    """KVS.Apply. `op`: set, cas, lock, unlock, delete, delete-cas, delete-tree."""

    datacenter: str = field(name="Datacenter", default="")
    entry: KVEntry = field(name="DirEnt", default_factory=KVEntry)
    op: str = field(name="Op", default="")
    token: str = field(name="Token", default="")


class SessionRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Session.Apply. `op`: create, destroy."""

    datacenter: str = field(name="Datacenter", default="")
    op: str = field(name="Op", default="")
    session: Session = field(name="Session", default_factory=Session)
    token: str = field(name="Token", default="")


class TombstoneRequest(Struct, frozen=True, gc=False, kw_only=True):
    """`op` reap: forget tombstones up to `reap_index`."""

    datacenter: str = field(name="Datacenter", default="")
    op: str = field(name="Op", default="reap")
    reap_index: int = field(name="ReapIndex", default=0)
    token: str = field(name="Token", default="")


class CoordinateUpdateRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Coordinate.Update: one node's new coordinate; the leader commits them in batches."""

    coord: Coordinate | None = field(name="Coord", default=None)
    datacenter: str = field(name="Datacenter", default="")
    node: str = field(name="Node", default="")
    segment: str = field(name="Segment", default="")
    token: str = field(name="Token", default="")


class CoordinateBatch(Struct, frozen=True, gc=False, kw_only=True):
    """The log entry of many coordinate updates: a bare list on the wire."""

    updates: list[NodeCoordinate] = field(default_factory=list)


class PreparedQueryRequest(Struct, frozen=True, gc=False, kw_only=True):
    """PreparedQuery.Apply. `op`: create, update, delete."""

    datacenter: str = field(name="Datacenter", default="")
    op: str = field(name="Op", default="")
    query: PreparedQuery | None = field(name="Query", default=None)
    token: str = field(name="Token", default="")


class TxnKVOp(Struct, frozen=True, gc=False, kw_only=True):
    entry: KVEntry = field(name="DirEnt", default_factory=KVEntry)
    verb: str = field(name="Verb", default="")


class TxnNodeOp(Struct, frozen=True, gc=False, kw_only=True):
    node: Node = field(name="Node", default_factory=Node)
    verb: str = field(name="Verb", default="")


class TxnServiceOp(Struct, frozen=True, gc=False, kw_only=True):
    node: str = field(name="Node", default="")
    service: NodeService = field(name="Service", default_factory=NodeService)
    verb: str = field(name="Verb", default="")


class TxnCheckOp(Struct, frozen=True, gc=False, kw_only=True):
    check: HealthCheck = field(name="Check", default_factory=HealthCheck)
    verb: str = field(name="Verb", default="")


class TxnSessionOp(Struct, frozen=True, gc=False, kw_only=True):
    session: Session = field(name="Session", default_factory=Session)
    verb: str = field(name="Verb", default="")


class TxnOp(Struct, frozen=True, gc=False, kw_only=True):
    """One operation of a transaction: exactly one of these is given."""

    check: TxnCheckOp | None = field(name="Check", default=None)
    intention: Any = field(name="Intention", default=None)
    kv: TxnKVOp | None = field(name="KV", default=None)
    node: TxnNodeOp | None = field(name="Node", default=None)
    service: TxnServiceOp | None = field(name="Service", default=None)
    session: TxnSessionOp | None = field(name="Session", default=None)


class TxnRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Txn.Apply: all of the operations, or none."""

    datacenter: str = field(name="Datacenter", default="")
    ops: list[TxnOp] | None = field(name="Ops", default=None)
    token: str = field(name="Token", default="")


class AutopilotRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Operator.AutopilotSetConfiguration; with `cas` only if `config.modify_index` is the current one."""

    cas: bool = field(name="CAS", default=False)
    config: AutopilotConfig = field(name="Config", default_factory=AutopilotConfig)
    datacenter: str = field(name="Datacenter", default="")
    token: str = field(name="Token", default="")


class ConfigEntryRequest(Struct, frozen=True, gc=False, kw_only=True):
    """ConfigEntry.Apply and .Delete. `op`: upsert, upsert-cas (expects `entry.modify_index`), delete."""

    entry: ConfigEntry
    op: str = "upsert"
    datacenter: str = ""
    token: str = ""


class OpaqueRequest(Struct, frozen=True, gc=False, kw_only=True):
    """A command whose endpoint comes later: its wire value under Go's names."""

    type: int
    value: Any


Command = (
    RegisterRequest
    | DeregisterRequest
    | KVSRequest
    | SessionRequest
    | TombstoneRequest
    | CoordinateBatch
    | PreparedQueryRequest
    | TxnRequest
    | AutopilotRequest
    | ConfigEntryRequest
    | OpaqueRequest
)

_TYPED: dict[int, type[Struct]] = {
    MessageType.REGISTER: RegisterRequest,
    MessageType.DEREGISTER: DeregisterRequest,
    MessageType.KVS: KVSRequest,
    MessageType.SESSION: SessionRequest,
    MessageType.TOMBSTONE: TombstoneRequest,
    MessageType.PREPARED_QUERY: PreparedQueryRequest,
    MessageType.TXN: TxnRequest,
    MessageType.AUTOPILOT: AutopilotRequest,
}
_TYPE_OF = {request: number for number, request in _TYPED.items()}
_packers: dict[type, Callable[[Any], bytes]] = {}  # made when they are needed first
_PREFIX = [bytes([number]) for number in range(256)]


def encode_command(command: Command) -> bytes:
    """The data of the log entry."""
    encode = _packers.get(type(command))
    if encode is not None:
        return encode(command)
    number = _TYPE_OF.get(type(command))
    if number is not None:
        encode = _packers[type(command)] = packer(type(command), _PREFIX[number])
        return encode(command)
    if isinstance(command, CoordinateBatch):
        updates = [encoder(NodeCoordinate)(update) for update in command.updates]
        return _PREFIX[MessageType.COORDINATE_BATCH_UPDATE | IGNORE_UNKNOWN] + msgpack.pack(updates)
    if isinstance(command, ConfigEntryRequest):
        return _PREFIX[MessageType.CONFIG_ENTRY] + msgpack.pack(config_entry_bytes(command))
    if isinstance(command, OpaqueRequest):
        return _PREFIX[command.type] + msgpack.pack(command.value)
    raise TypeError(f"{type(command).__name__} is no command")


def decode_command(data: bytes) -> Command:
    """The command of a log entry; `DecodeError` if it is none. Unknown types come back as `OpaqueRequest`."""
    if not data:
        raise DecodeError("an empty log entry has no type")
    number = data[0] & ~IGNORE_UNKNOWN
    if number in _FAST:
        fast = _decode_fast(number, data)
        if fast is not None:
            return fast
    value = msgpack.unpack(memoryview(data)[1:])
    if number in _TYPED:
        typed: Command = from_wire(_TYPED[number], value)  # type: ignore[assignment]  # the table holds only commands
        return typed
    if number == MessageType.COORDINATE_BATCH_UPDATE:
        if not isinstance(value, list):
            raise DecodeError(f"coordinates: expected a list, got {type(value).__name__}")
        return CoordinateBatch(updates=[from_wire(NodeCoordinate, update) for update in value])
    if number == MessageType.CONFIG_ENTRY:
        return config_entry_request(value)
    return OpaqueRequest(type=data[0], value=value)


def config_entry_bytes(command: ConfigEntryRequest) -> bytes:
    """A config entry's request is a text of bytes that holds two values: the kind, then the map.

    An entry of proxy-defaults is once more wrapped as bytes inside the map.
    """
    entry = command.entry
    fields = {**entry.fields, "Kind": entry.kind, "Name": entry.name, "CreateIndex": entry.create_index, "ModifyIndex": entry.modify_index}
    wire: Any = dict(sorted(fields.items()))
    if entry.kind == "proxy-defaults":
        wire = msgpack.pack(wire)
    body = {"Datacenter": command.datacenter, "Entry": wire, "Op": command.op, "Token": command.token}
    return msgpack.pack(entry.kind) + msgpack.pack(body)


def config_entry_request(value: Any) -> ConfigEntryRequest:
    """The request of a config entry from the value that `config_entry_bytes` makes."""
    if not isinstance(value, str | bytes):
        raise DecodeError(f"config entry: expected bytes, got {type(value).__name__}")
    values = msgpack.unpack_many(value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value)
    kind, body = values if len(values) == 2 else (None, None)
    if not isinstance(kind, str) or not isinstance(body, dict):
        raise DecodeError("config entry: expected a kind and a map")
    fields = body.get("Entry")
    if isinstance(fields, str | bytes):
        fields = msgpack.unpack(fields.encode("utf-8", "surrogateescape") if isinstance(fields, str) else fields)
    if not isinstance(fields, dict):
        raise DecodeError("config entry: expected a map as its Entry")
    known = {"Kind", "Name", "CreateIndex", "ModifyIndex"}
    entry = ConfigEntry(
        kind=kind,
        name=str(fields.get("Name") or ""),
        fields={name: item for name, item in fields.items() if name not in known},
        create_index=int(fields.get("CreateIndex") or 0),
        modify_index=int(fields.get("ModifyIndex") or 0),
    )
    return ConfigEntryRequest(
        entry=entry,
        op=str(body.get("Op") or ""),
        datacenter=str(body.get("Datacenter") or ""),
        token=str(body.get("Token") or ""),
    )


_FAST = frozenset((MessageType.REGISTER, MessageType.KVS, MessageType.TXN))
_decode_register = msgspec.msgpack.Decoder(RegisterRequest).decode


def _decode_fast(number: int, data: bytes) -> Command | None:
    """By a typed decoder, which refuses what only the slow path can read: then None."""
    body = memoryview(data)[1:]
    try:
        if number == MessageType.KVS:
            kvs = decode_kvs(body)
            return KVSRequest(datacenter=kvs.datacenter, entry=kvs.entry.entry(), op=kvs.op, token=kvs.token)
        if number == MessageType.REGISTER:
            return _decode_register(body)
        txn = decode_txn(body)
        ops = [TxnOp(kv=TxnKVOp(entry=op.kv.entry.entry(), verb=op.kv.verb)) for op in txn.ops]
        return TxnRequest(datacenter=txn.datacenter, ops=ops, token=txn.token)
    except (msgspec.DecodeError, ValueError, RecursionError, DecodeError):
        return None

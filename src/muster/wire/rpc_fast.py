"""Faster readers of the calls that come most: typed decoders, which make no maps first.

Each takes what peers commonly write and answers None to anything else, be it wrong or only unusual; the slow path reads or refuses that.

Source: reference of the RPC wire, section 5.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from muster.model.catalog import CheckServiceNode, HealthCheck, Node, NodeService
from muster.model.errors import DecodeError
from muster.wire.commands import (
    DeregisterRequest,
    KVSRequest,
    MessageType,
    TxnRequest,
    decode_command,
)
from muster.wire.kv_decoding import RawEntry
from muster.wire.replies import Reply
from muster.wire.requests import ConfigEntryQuery, KeyListRequest, KeyRequest, NodeRequest, SessionSpecificRequest

Fast = Callable[[bytes], Any]

_ERRORS = (msgspec.DecodeError, ValueError, RecursionError, DecodeError)


def _record(record: type[msgspec.Struct]) -> Fast:
    """For records of texts, numbers and truths alone."""
    decoder = msgspec.msgpack.Decoder(record)

    def decode(body: bytes) -> Any:
        try:
            return decoder.decode(body)
        except _ERRORS:
            return None

    return decode


def _key_write(body: bytes) -> KVSRequest | None:
    found = _command(MessageType.KVS, body)
    return found if isinstance(found, KVSRequest) and not _is_negative(found.entry) else None


def _transaction(body: bytes) -> TxnRequest | None:
    found = _command(MessageType.TXN, body)
    if not isinstance(found, TxnRequest) or any(op.kv is None or _is_negative(op.kv.entry) for op in found.ops or ()):
        return None
    return found


def _command(kind: MessageType, body: bytes) -> Any:
    try:
        return decode_command(_PREFIXES[kind] + body)
    except _ERRORS:
        return None


_PREFIXES: Final = {kind: bytes([kind]) for kind in (MessageType.KVS, MessageType.TXN)}


def _is_negative(entry: Any) -> bool:
    """Whether the peers would refuse one of the numbers."""
    negative: bool = (entry.flags | entry.lock_index | entry.create_index | entry.modify_index) < 0
    return negative


_NODE: Final = _record(NodeRequest)
_KEY: Final = _record(KeyRequest)
_SESSION: Final = _record(SessionSpecificRequest)

PLAIN_ARGUMENTS: Final[dict[str, Fast]] = {
    "Catalog.Deregister": _record(DeregisterRequest),
    "Catalog.NodeServiceList": _NODE,
    "Catalog.NodeServices": _NODE,
    "ConfigEntry.Get": _record(ConfigEntryQuery),
    "Coordinate.Node": _NODE,
    "Health.NodeChecks": _NODE,
    "Internal.NodeInfo": _NODE,
    "KVS.Get": _KEY,
    "KVS.List": _KEY,
    "KVS.ListKeys": _record(KeyListRequest),
    "Session.Get": _SESSION,
    "Session.List": _SESSION,
    "Session.NodeSessions": _NODE,
    "Session.Renew": _SESSION,
}
"""For bodies without negative numbers or binary forms, on which typed decoders and the peers differ."""

WRITES: Final[dict[str, Fast]] = {"KVS.Apply": _key_write, "Txn.Apply": _transaction}
"""For any bodies: the log's decoder of the same bytes."""


def _listed(name: str, row: Any, made: Callable[[Any], Any] | None = None) -> Callable[[bytes], Reply | None]:
    """A reply with a list of rows, each `made` of what was read."""
    fields: list[tuple[str, Any]] = [("rows", list[row] | None), ("index", int), ("known_leader", bool), ("last_contact", int)]
    names = {"rows": name, "index": "Index", "known_leader": "KnownLeader", "last_contact": "LastContact", "level": "ConsistencyLevel"}
    decoder = msgspec.msgpack.Decoder(msgspec.defstruct(f"_{name}", [*fields, ("level", str)], rename=names, gc=False))

    def decode(body: bytes) -> Reply | None:
        try:
            found: Any = decoder.decode(body)
            rows = found.rows or []
            if made is not None:
                rows = [made(one) for one in rows]
        except _ERRORS:
            return None
        return Reply(
            value=rows,
            index=found.index,
            known_leader=found.known_leader,
            last_contact=found.last_contact,
            consistency_level=found.level,
        )

    return decode


def _first(several: Callable[[bytes], Reply | None]) -> Callable[[bytes], Reply | None]:
    """The same for a reply whose value is one row, or None."""

    def decode(body: bytes) -> Reply | None:
        reply = several(body)
        if reply is not None:
            reply.value = reply.value[0] if reply.value else None
        return reply

    return decode


class _Instance(msgspec.Struct, gc=False):
    node: Node = msgspec.field(name="Node")
    service: NodeService = msgspec.field(name="Service")
    checks: list[HealthCheck] | None = msgspec.field(name="Checks")

    def row(self) -> CheckServiceNode:
        return CheckServiceNode(node=self.node, service=self.service, checks=self.checks or [])


_ENTRIES: Final = _listed("Entries", RawEntry, RawEntry.entry)
_CHECKS: Final = _listed("HealthChecks", HealthCheck)
_INSTANCES: Final = _listed("Nodes", _Instance, _Instance.row)

REPLIES: Final[dict[str, Callable[[bytes], Reply | None]]] = {
    "Catalog.ListNodes": _listed("Nodes", Node),
    "Health.ChecksInState": _CHECKS,
    "Health.NodeChecks": _CHECKS,
    "Health.ServiceChecks": _CHECKS,
    "Health.ServiceNodes": _INSTANCES,
    "Internal.ServiceDump": _INSTANCES,
    "KVS.Get": _first(_ENTRIES),
    "KVS.List": _ENTRIES,
}

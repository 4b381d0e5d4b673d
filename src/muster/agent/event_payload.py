"""Consul's user events as the payload of Serf's: one map in the newer msgpack, empty fields left out.

Source: reference of the gossip wire, section 4, and its vectors.
"""

from typing import Any

import msgpack

from muster.agent.events import UserEvent
from muster.model.errors import DecodeError
from muster.wire.msgpack import unpack

PREFIX = "consul:event:"
NEW_LEADER = "consul:new-leader"

_packer = msgpack.Packer(use_bin_type=True, unicode_errors="surrogateescape", autoreset=True)


def encode(event: UserEvent) -> bytes:
    """The payload under which the event travels; its name travels beside it as well."""
    fields: dict[str, Any] = {"ID": event.id, "n": event.name}
    if event.node_filter:
        fields["nf"] = event.node_filter
    if event.payload:
        fields["p"] = event.payload
    if event.service_filter:
        fields["sf"] = event.service_filter
    if event.tag_filter:
        fields["tf"] = event.tag_filter
    fields["v"] = event.version
    packed: bytes = _packer.pack(fields)
    return packed


def decode(payload: bytes, lamport_time: int) -> UserEvent:
    """The event of a payload; `DecodeError` if it is none."""
    fields = unpack(payload)
    if not isinstance(fields, dict):
        raise DecodeError(f"user event: expected a map, got {type(fields).__name__}")
    version = fields.get("v", 0)
    if type(version) is not int:
        raise DecodeError("user event: v: expected an integer")
    content = fields.get("p")
    return UserEvent(
        id=_text(fields, "ID"),
        name=_text(fields, "n"),
        payload=content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content if isinstance(content, bytes) else None,
        node_filter=_text(fields, "nf"),
        service_filter=_text(fields, "sf"),
        tag_filter=_text(fields, "tf"),
        version=version,
        lamport_time=lamport_time,
    )


def _text(fields: dict[Any, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise DecodeError(f"user event: {name}: expected a text, got {type(value).__name__}")
    return value

"""How fresh a reply is, flattened into it.

Source: reference of the RPC wire, section 4, QueryMeta.
"""

from typing import Any

from muster.model.errors import DecodeError
from muster.wire.replies import Reply


def encode_meta(reply: Reply) -> dict[str, Any]:
    """The four fields, in order."""
    return {
        "ConsistencyLevel": reply.consistency_level,
        "Index": reply.index,
        "KnownLeader": reply.known_leader,
        "LastContact": reply.last_contact,
    }


def reply_of(value: Any, fields: dict[str, Any]) -> Reply:
    """The reply with a value and the freshness that stands among the fields."""
    index, contact, level = fields.get("Index") or 0, fields.get("LastContact") or 0, fields.get("ConsistencyLevel") or ""
    if type(index) is not int or type(contact) is not int or type(level) is not str:
        raise DecodeError("Index and LastContact are integers, ConsistencyLevel is a text")
    return Reply(value=value, index=index, known_leader=fields.get("KnownLeader") is True, last_contact=contact, consistency_level=level)

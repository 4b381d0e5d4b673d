"""Records in the shapes of the HTTP API.

Lists and maps keep the difference between null and empty where the peers show it; where they replace a null (tags of instances
and checks, mostly) so does the view. Fields that the peers leave out when empty are left out here.
"""

from binascii import b2a_base64
from typing import Any

from muster.http.encoding import encode_text
from muster.http.proxies import connect, proxy
from muster.model.catalog import CheckServiceNode, HealthCheck, HealthCheckDefinition, Node, NodeService, ServiceNode
from muster.model.durations import format_duration
from muster.model.kv import KVEntry
from muster.model.sessions import Session

Json = dict[str, Any]
_WEIGHTS = {"Passing": 1, "Warning": 1}


def base64_text(data: bytes | None) -> str | None:
    """Base64 of bytes; null for none."""
    return b2a_base64(data, newline=False).decode("ascii") if data else None


def kv_entry(entry: KVEntry) -> Json:
    """An entry of the key/value store."""
    shown: Json = {"LockIndex": entry.lock_index, "Key": entry.key, "Flags": entry.flags, "Value": base64_text(entry.value)}
    if entry.session:
        shown["Session"] = entry.session
    shown["CreateIndex"] = entry.create_index
    shown["ModifyIndex"] = entry.modify_index
    return shown


_PRETTY = (
    b'    {\n        "LockIndex": %d,\n        "Key": %b,\n        "Flags": %d,\n        "Value": %b,\n%b'
    b'        "CreateIndex": %d,\n        "ModifyIndex": %d\n    }'
)
_COMPACT = b'{"LockIndex":%d,"Key":%b,"Flags":%d,"Value":%b,%b"CreateIndex":%d,"ModifyIndex":%d}'


def entry_json(entry: KVEntry, pretty: bool) -> bytes:
    """The JSON of `kv_entry`, as an item of a list: written out by hand, because this is the hottest answer."""
    value = b'"%b"' % b2a_base64(entry.value, newline=False) if entry.value else b"null"
    session = entry.session
    if session:
        text = encode_text(session)
        held = b'        "Session": %b,\n' % text if pretty else b'"Session":%b,' % text
    else:
        held = b""
    form = _PRETTY if pretty else _COMPACT
    return form % (entry.lock_index, encode_text(entry.key), entry.flags, value, held, entry.create_index, entry.modify_index)


def session(one: Session) -> Json:
    """A session. The older list of checks is shown where it is not empty."""
    older = {"Checks": one.checks} if one.checks else {}
    return {
        "ID": one.id,
        "Name": one.name,
        "Node": one.node,
        "LockDelay": one.lock_delay,
        "Behavior": one.behavior,
        "TTL": one.ttl,
        "NodeChecks": one.node_checks,
        "ServiceChecks": one.service_checks,
        **older,
        "CreateIndex": one.create_index,
        "ModifyIndex": one.modify_index,
    }


def node(one: Node) -> Node:
    """A node shows its fields as they are named."""
    return one


def node_service(one: NodeService, null_tags: bool = False) -> Json:
    """An instance inside its node. The web page's endpoints show absent tags as null."""
    shown: Json = {"Kind": one.kind} if one.kind else {}
    shown["ID"] = one.id
    shown["Service"] = one.service
    shown["Tags"] = one.tags if one.tags is not None or null_tags else []
    shown["Address"] = one.address
    if one.tagged_addresses:
        shown["TaggedAddresses"] = one.tagged_addresses
    shown["Meta"] = one.meta
    shown["Port"] = one.port
    shown["Weights"] = one.weights or _WEIGHTS
    shown["EnableTagOverride"] = one.enable_tag_override
    shown["Proxy"] = proxy(one.proxy)
    shown["Connect"] = connect(one.connect)
    shown["CreateIndex"] = one.create_index
    shown["ModifyIndex"] = one.modify_index
    return shown


def service_node(row: ServiceNode) -> Json:
    """An instance with its node in one flat object: the row of `/v1/catalog/service/`."""
    one, host = row.service, row.node
    shown: Json = {
        "ID": host.id,
        "Node": host.node,
        "Address": host.address,
        "Datacenter": host.datacenter,
        "TaggedAddresses": host.tagged_addresses,
        "NodeMeta": host.meta,
        "ServiceKind": one.kind,
        "ServiceID": one.id,
        "ServiceName": one.service,
        "ServiceTags": one.tags if one.tags is not None else [],
        "ServiceAddress": one.address,
    }
    if one.tagged_addresses:
        shown["ServiceTaggedAddresses"] = one.tagged_addresses
    shown["ServiceWeights"] = one.weights or _WEIGHTS
    shown["ServiceMeta"] = one.meta if one.meta is not None else {}
    shown["ServicePort"] = one.port
    shown["ServiceEnableTagOverride"] = one.enable_tag_override
    shown["ServiceProxy"] = proxy(one.proxy)
    shown["ServiceConnect"] = connect(one.connect)
    shown["CreateIndex"] = one.create_index
    shown["ModifyIndex"] = one.modify_index
    return shown


def health_check(one: HealthCheck, null_tags: bool = False) -> Json:
    """A check with its newest result."""
    return {
        "Node": one.node,
        "CheckID": one.check_id,
        "Name": one.name,
        "Status": one.status,
        "Notes": one.notes,
        "Output": one.output,
        "ServiceID": one.service_id,
        "ServiceName": one.service_name,
        "ServiceTags": one.service_tags if one.service_tags is not None or null_tags else [],
        "Type": one.type,
        "Definition": check_definition(one.definition),
        "CreateIndex": one.create_index,
        "ModifyIndex": one.modify_index,
    }


_EMPTY_DEFINITION = HealthCheckDefinition()
_DURATIONS = frozenset(("interval", "timeout", "deregister_critical_service_after", "ttl"))
_DEFINITION_FIELDS = tuple(
    (wire, attribute, attribute in _DURATIONS)
    for wire, attribute in zip(HealthCheckDefinition.__struct_encode_fields__, HealthCheckDefinition.__struct_fields__)
)


def check_definition(one: HealthCheckDefinition) -> Json:
    """How a check is run: only what is set, durations as texts."""
    if one is _EMPTY_DEFINITION or one == _EMPTY_DEFINITION:
        return {}
    shown = {}
    for wire, attribute, is_duration in _DEFINITION_FIELDS:
        value = getattr(one, attribute)
        if value:
            shown[wire] = format_duration(value) if is_duration else value
    return shown


def check_service_node(row: CheckServiceNode, as_stored: bool = False) -> Json:
    """An instance with its node and the checks of both: the row of `/v1/health/service/`.

    `as_stored`: tags and checks that there are none of are null, as in the answers of prepared queries.
    """
    checks = [health_check(check, as_stored) for check in row.checks]
    return {"Node": row.node, "Service": node_service(row.service, as_stored), "Checks": None if as_stored and not checks else checks}

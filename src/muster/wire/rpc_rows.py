"""Rows of replies that join or flatten records: what stands under which name on the wire.

A list that is empty is nil on the wire, as Go leaves it that never added to it; nil comes in as an empty list.

Source: reference of the RPC wire, section 5; the recorded replies of methods.json.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from muster.model.catalog import CheckServiceNode, HealthCheck, Node, NodeInfo, NodeService, NodeServices, ServiceNode, Weights
from muster.model.durations import InvalidDuration, format_duration, parse_duration
from muster.model.errors import DecodeError
from muster.wire.records import decoder, encoder
from muster.wire.rpc_records import OperatorHealthReply, ServerHealth
from muster.wire.times import Timestamp, decode_timestamp

Row = Callable[[Any], Any]

encode_node, decode_node = encoder(Node), decoder(Node)
encode_service, decode_service = encoder(NodeService), decoder(NodeService)
encode_check, decode_check = encoder(HealthCheck), decoder(HealthCheck)


def encoded_list(encode: Row, rows: "Sequence[Any] | None") -> list[Any] | None:
    """The list of the encoded rows, nil if there are none."""
    return [encode(row) for row in rows] if rows else None


def decoded_list(decode: Row, value: Any) -> list[Any]:
    """The rows of a list of the wire, none for nil."""
    if value is None:
        return []
    if type(value) is not list:
        raise DecodeError(f"expected a list, got {type(value).__name__}")
    return [decode(row) for row in value]


def as_map(value: Any) -> dict[str, Any]:
    """A map of the wire, empty for nil."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise DecodeError(f"expected a map, got {type(value).__name__}")
    return value


def a_number(value: Any) -> int:
    """An integer, 0 for nil."""
    if value is None or type(value) is int:
        return value or 0
    raise DecodeError(f"expected an integer, got {type(value).__name__}")


def a_text(value: Any) -> str:
    """A text, empty for nil."""
    if value is None or type(value) is str:
        return value or ""
    raise DecodeError(f"expected a text, got {type(value).__name__}")


def encode_check_service_node(row: CheckServiceNode) -> dict[str, Any]:
    """A row of Health.ServiceNodes."""
    checks = encoded_list(encode_check, row.checks)
    return {"Checks": checks, "Node": encode_node(row.node), "Service": encode_service(row.service)}


def decode_check_service_node(value: Any) -> CheckServiceNode:
    """A row of Health.ServiceNodes."""
    fields = as_map(value)
    return CheckServiceNode(
        node=decode_node(as_map(fields.get("Node"))),
        service=decode_service(as_map(fields.get("Service"))),
        checks=decoded_list(decode_check, fields.get("Checks")),
    )


_JOINED_SERVICE: Final = {
    "CreateIndex": "CreateIndex",
    "ModifyIndex": "ModifyIndex",
    "ServiceAddress": "Address",
    "ServiceConnect": "Connect",
    "ServiceEnableTagOverride": "EnableTagOverride",
    "ServiceID": "ID",
    "ServiceKind": "Kind",
    "ServiceMeta": "Meta",
    "ServiceName": "Service",
    "ServicePort": "Port",
    "ServiceProxy": "Proxy",
    "ServiceTaggedAddresses": "TaggedAddresses",
    "ServiceTags": "Tags",
    "ServiceWeights": "Weights",
}
_JOINED_NODE: Final = {
    "Address": "Address",
    "Datacenter": "Datacenter",
    "ID": "ID",
    "Node": "Node",
    "NodeMeta": "Meta",
    "TaggedAddresses": "TaggedAddresses",
}
_JOINED_ORDER: Final = sorted(_JOINED_SERVICE | _JOINED_NODE)


def encode_service_node(row: ServiceNode) -> dict[str, Any]:
    """A row of Catalog.ServiceNodes: the service's fields under longer names among the node's; the indexes are the service's."""
    service, node = encode_service(row.service), encode_node(row.node)
    if service["Weights"] is None:
        service["Weights"] = encoder(Weights)(Weights())
    if service["Meta"] is None:
        service["Meta"] = {}  # in this row alone the peers write no null
    get = _JOINED_SERVICE.get
    return {name: service[own] if (own := get(name)) else node[_JOINED_NODE[name]] for name in _JOINED_ORDER}


def decode_service_node(value: Any) -> ServiceNode:
    """A row of Catalog.ServiceNodes. The node's own indexes are not in it."""
    fields = as_map(value)
    return ServiceNode(
        node=decode_node({own: fields.get(name) for name, own in _JOINED_NODE.items()}),
        service=decode_service({own: fields.get(name) for name, own in _JOINED_SERVICE.items()}),
    )


def encode_services_by_id(found: NodeServices | None) -> dict[str, Any] | None:
    """The value of Catalog.NodeServices."""
    if found is None:
        return None
    return {"Node": encode_node(found.node), "Services": {service.id: encode_service(service) for service in found.services}}


def decode_services_by_id(value: Any) -> NodeServices | None:
    """The value of Catalog.NodeServices."""
    if value is None:
        return None
    fields = as_map(value)
    services = [decode_service(service) for service in as_map(fields.get("Services")).values()]
    return NodeServices(node=decode_node(as_map(fields.get("Node"))), services=services)


def encode_service_list(found: NodeServices | None) -> dict[str, Any] | None:
    """The value of Catalog.NodeServiceList; a node that does not exist has no name in it."""
    if found is None:
        return {"Node": None, "Services": None}
    return {"Node": encode_node(found.node), "Services": encoded_list(encode_service, found.services)}


def decode_service_list(value: Any) -> NodeServices | None:
    """The value of Catalog.NodeServiceList."""
    fields = as_map(value)
    if fields.get("Node") is None:
        return None
    return NodeServices(node=decode_node(as_map(fields["Node"])), services=decoded_list(decode_service, fields.get("Services")))


def encode_node_info(row: NodeInfo) -> dict[str, Any]:
    """A row of Internal.NodeDump: the node's fields, but for its indexes and datacenter, beside what is on it."""
    node = encode_node(row.node)
    return {
        "Address": node["Address"],
        "Checks": encoded_list(encode_check, row.checks),
        "ID": node["ID"],
        "Meta": node["Meta"],
        "Node": node["Node"],
        "Services": encoded_list(encode_service, row.services),
        "TaggedAddresses": node["TaggedAddresses"],
    }


def decode_node_info(value: Any) -> NodeInfo:
    """A row of Internal.NodeDump."""
    fields = as_map(value)
    services, checks = decoded_list(decode_service, fields.get("Services")), decoded_list(decode_check, fields.get("Checks"))
    return NodeInfo(node=decode_node(fields), services=services, checks=checks)


SERF_STATUS: Final = ("none", "alive", "leaving", "left", "failed")


def encode_server_health(reply: OperatorHealthReply) -> dict[str, Any]:
    """The value of Operator.ServerHealth."""
    servers = encoded_list(_encode_server, reply.servers)
    return {"FailureTolerance": reply.failure_tolerance, "Healthy": reply.healthy, "Servers": servers}


def _encode_server(server: ServerHealth) -> dict[str, Any]:
    since = server.stable_since
    if not isinstance(since, Timestamp):
        since = Timestamp(round(since * 1_000_000_000))
    try:
        contact = parse_duration(server.last_contact) if server.last_contact else -1
    except InvalidDuration:  # "never"
        contact = -1
    return {
        "Address": server.address,
        "Healthy": server.healthy,
        "ID": server.id,
        "LastContact": contact,
        "LastIndex": server.last_index,
        "LastTerm": server.last_term,
        "Leader": server.leader,
        "Name": server.name,
        "SerfStatus": SERF_STATUS.index(server.serf_status) if server.serf_status in SERF_STATUS else 0,
        "StableSince": since.encode(),
        "Version": server.version,
        "Voter": server.voter,
    }


def decode_server_health(value: Any) -> OperatorHealthReply:
    """The value of Operator.ServerHealth."""
    fields = as_map(value)
    servers = fields.get("Servers")
    return OperatorHealthReply(
        healthy=fields.get("Healthy") is True,
        failure_tolerance=a_number(fields.get("FailureTolerance")),
        servers=None if servers is None else decoded_list(_decode_server, servers),
    )


def _decode_server(value: Any) -> ServerHealth:
    get = as_map(value).get
    contact, status = a_number(get("LastContact")), a_number(get("SerfStatus"))
    return ServerHealth(
        id=a_text(get("ID")),
        name=a_text(get("Name")),
        address=a_text(get("Address")),
        serf_status=SERF_STATUS[status] if 0 <= status < len(SERF_STATUS) else SERF_STATUS[0],
        version=a_text(get("Version")),
        leader=get("Leader") is True,
        last_contact=format_duration(contact) if contact >= 0 else "",
        last_term=a_number(get("LastTerm")),
        last_index=a_number(get("LastIndex")),
        healthy=get("Healthy") is True,
        voter=get("Voter") is True,
        stable_since=decode_timestamp(a_text(get("StableSince")).encode("utf-8", "surrogateescape")),
    )

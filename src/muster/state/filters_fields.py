"""What a filter may select from each kind of row, under the names that the peer gives it.

These are fewer fields than an answer shows: no indexes, no check definitions, no opaque proxy configuration.

Source: probed selector by selector on the peer.
"""

import enum
from collections.abc import Mapping

from msgspec import Struct

from muster.model.catalog import CheckServiceNode, HealthCheck, Node, NodeInfo, NodeService, ServiceNode


class Kind(enum.Enum):
    TEXT = enum.auto()
    NUMBER = enum.auto()
    FLAG = enum.auto()
    TEXTS = enum.auto()
    MAP = enum.auto()
    RECORD = enum.auto()
    RECORDS = enum.auto()


class Field(Struct, frozen=True):
    """A selectable field: where it lies in the row (attributes joined by dots), and what is in it.

    `fields` are those of a record, `value` is what a map holds.
    """

    kind: Kind
    attribute: str = ""
    fields: "Mapping[str, Field]" = {}
    value: "Field | None" = None


Fields = Mapping[str, Field]


def _text(attribute: str) -> Field:
    return Field(Kind.TEXT, attribute)


def _number(attribute: str) -> Field:
    return Field(Kind.NUMBER, attribute)


def _flag(attribute: str) -> Field:
    return Field(Kind.FLAG, attribute)


def _texts(attribute: str) -> Field:
    return Field(Kind.TEXTS, attribute)


def _map(attribute: str, value: Field = Field(Kind.TEXT)) -> Field:  # noqa: B008  # frozen
    return Field(Kind.MAP, attribute, value=value)


def _record(attribute: str, fields: Fields) -> Field:
    return Field(Kind.RECORD, attribute, fields)


def _records(attribute: str, fields: Fields) -> Field:
    return Field(Kind.RECORDS, attribute, fields)


_MESH_GATEWAY = {"Mode": _text("mode")}
_ADDRESS = {"Address": _text("address"), "Port": _number("port")}
_WEIGHTS = {"Passing": _number("passing"), "Warning": _number("warning")}
_CONNECT = {"Native": _flag("native")}
_PATH = {
    "ListenerPort": _number("listener_port"),
    "Path": _text("path"),
    "LocalPathPort": _number("local_path_port"),
    "Protocol": _text("protocol"),
    "ParsedFromCheck": _flag("parsed_from_check"),
}
_UPSTREAM = {
    "DestinationType": _text("destination_type"),
    "DestinationName": _text("destination_name"),
    "DestinationNamespace": _text("destination_namespace"),
    "Datacenter": _text("datacenter"),
    "LocalBindAddress": _text("local_bind_address"),
    "LocalBindPort": _number("local_bind_port"),
    "MeshGateway": _record("mesh_gateway", _MESH_GATEWAY),
}
_PROXY = {
    "DestinationServiceName": _text("destination_service_name"),
    "DestinationServiceID": _text("destination_service_id"),
    "LocalServiceAddress": _text("local_service_address"),
    "LocalServicePort": _number("local_service_port"),
    "Upstreams": _records("upstreams", _UPSTREAM),
    "MeshGateway": _record("mesh_gateway", _MESH_GATEWAY),
    "Expose": _record("expose", {"Checks": _flag("checks"), "Paths": _records("paths", _PATH)}),
}
_NODE = {
    "ID": _text("id"),
    "Node": _text("node"),
    "Address": _text("address"),
    "Datacenter": _text("datacenter"),
    "TaggedAddresses": _map("tagged_addresses"),
    "Meta": _map("meta"),
}
_SERVICE = {
    "Kind": _text("kind"),
    "ID": _text("id"),
    "Service": _text("service"),
    "Tags": _texts("tags"),
    "Address": _text("address"),
    "TaggedAddresses": _map("tagged_addresses", _record("", _ADDRESS)),
    "Meta": _map("meta"),
    "Port": _number("port"),
    "Weights": _record("weights", _WEIGHTS),
    "EnableTagOverride": _flag("enable_tag_override"),
    "Proxy": _record("proxy", _PROXY),
    "Connect": _record("connect", _CONNECT),
}
_CHECK = {
    "Node": _text("node"),
    "CheckID": _text("check_id"),
    "Name": _text("name"),
    "Status": _text("status"),
    "Notes": _text("notes"),
    "Output": _text("output"),
    "ServiceID": _text("service_id"),
    "ServiceName": _text("service_name"),
    "ServiceTags": _texts("service_tags"),
    "Type": _text("type"),
}
_SERVICE_NODE = {
    "ID": _text("node.id"),
    "Node": _text("node.node"),
    "Address": _text("node.address"),
    "Datacenter": _text("node.datacenter"),
    "TaggedAddresses": _map("node.tagged_addresses"),
    "NodeMeta": _map("node.meta"),
    "ServiceKind": _text("service.kind"),
    "ServiceID": _text("service.id"),
    "ServiceName": _text("service.service"),
    "ServiceTags": _texts("service.tags"),
    "ServiceAddress": _text("service.address"),
    "ServiceTaggedAddresses": _map("service.tagged_addresses", _record("", _ADDRESS)),
    "ServiceWeights": _record("service.weights", _WEIGHTS),
    "ServiceMeta": _map("service.meta"),
    "ServicePort": _number("service.port"),
    "ServiceEnableTagOverride": _flag("service.enable_tag_override"),
    "ServiceProxy": _record("service.proxy", _PROXY),
    "ServiceConnect": _record("service.connect", _CONNECT),
}

SELECTABLE: Mapping[type, Fields] = {
    Node: _NODE,
    NodeService: _SERVICE,
    HealthCheck: _CHECK,
    ServiceNode: _SERVICE_NODE,
    CheckServiceNode: {
        "Node": _record("node", _NODE),
        "Service": _record("service", _SERVICE),
        "Checks": _records("checks", _CHECK),
    },
    NodeInfo: {
        "ID": _text("node.id"),
        "Node": _text("node.node"),
        "Address": _text("node.address"),
        "TaggedAddresses": _map("node.tagged_addresses"),
        "Meta": _map("node.meta"),
        "Services": _records("services", _SERVICE),
        "Checks": _records("checks", _CHECK),
    },
}

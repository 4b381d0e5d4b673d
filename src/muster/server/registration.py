"""What makes a registration wrong, and the defaults it gets before it is logged.

The texts are the peers', since clients and people match on them.
Source: answers of Consul 1.8.7 to wrong registrations; recorded answers catalog-errors.json, txn-errors.json.
"""

import msgspec

from muster.model.catalog import (
    KIND_CONNECT_PROXY,
    KIND_INGRESS_GATEWAY,
    KIND_MESH_GATEWAY,
    KIND_TERMINATING_GATEWAY,
    HealthCheck,
    NodeService,
    Upstream,
)
from muster.model.errors import Rejected

GATEWAYS = {KIND_MESH_GATEWAY, KIND_TERMINATING_GATEWAY, KIND_INGRESS_GATEWAY}
ANY_ADDRESSES = {"0.0.0.0", "::", "[::]"}
UPSTREAM_TYPES = {"", "service", "prepared_query"}
UUID_LENGTH = 36
DASHES = (8, 13, 18, 23)


def check_node(name: str, node_id: str) -> None:
    """Raises Rejected unless there is a name and the id is empty or a UUID."""
    if not name:
        raise Rejected("Must provide node")
    if node_id:
        check_node_id(node_id)


def check_node_id(node_id: str) -> None:
    """Raises Rejected unless it is a UUID."""
    if len(node_id.encode("utf-8", "surrogateescape")) != UUID_LENGTH:
        raise Rejected("Bad node ID: uuid string is wrong length")
    if any(node_id[at] != "-" for at in DASHES):
        raise Rejected("Bad node ID: uuid is improperly formatted")
    for group in (node_id[:8], node_id[9:13], node_id[14:18], node_id[19:23], node_id[24:]):
        for letter in group:
            if letter not in "0123456789abcdefABCDEF":
                raise Rejected(f"Bad node ID: encoding/hex: invalid byte: U+{ord(letter):04X} {_quoted(letter)}")


def _quoted(letter: str) -> str:
    return f"'{letter}'" if letter not in "'\\" else f"'\\{letter}'"


def prepared_service(service: NodeService) -> NodeService:
    """The service with its id defaulted to its name. Raises Rejected for what is wrong with it."""
    wrong = service_errors(service)
    if wrong:
        raise Rejected(several(wrong))
    if service.id and not service.service:
        raise Rejected("Must provide service name with ID")
    if service.address in ANY_ADDRESSES:
        raise Rejected("Invalid service address")
    return service if service.id else msgspec.structs.replace(service, id=service.service)


def prepared_check(check: HealthCheck, node: str) -> HealthCheck:
    """The check with its id defaulted to its name, and its node to `node`."""
    changes = {}
    if not check.check_id and check.name:
        changes["check_id"] = check.name
    if not check.node and node:
        changes["node"] = node
    return msgspec.structs.replace(check, **changes) if changes else check


def several(errors: list[str]) -> str:
    """One text of many errors, in the peers' form."""
    head = "1 error occurred:" if len(errors) == 1 else f"{len(errors)} errors occurred:"
    return head + "\n\t" + "\n\t".join("* " + error for error in errors) + "\n\n"


def service_errors(service: NodeService) -> list[str]:
    """What contradicts the service's kind."""
    wrong: list[str] = []
    if service.kind == KIND_CONNECT_PROXY:
        wrong += _proxy_errors(service)
    if service.kind in GATEWAYS:
        wrong += _gateway_errors(service)
    sidecar = service.connect.sidecar_service
    if sidecar is not None:
        if _inner(sidecar, "ID", "id"):
            wrong.append("A SidecarService cannot specify an ID as this is managed by the agent")
        if _inner(_inner(sidecar, "Connect", "connect"), "SidecarService", "sidecar_service") is not None:
            wrong.append("A SidecarService cannot have a nested SidecarService")
    return wrong


def _inner(value: object, wire: str, attribute: str) -> object:
    """A field of a sidecar's definition, which is a record or the map of one."""
    return value.get(wire) if isinstance(value, dict) else getattr(value, attribute, None)


def _proxy_errors(service: NodeService) -> list[str]:
    wrong = []
    if not service.proxy.destination_service_name.strip():
        wrong.append("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
    if service.port == 0:
        wrong.append("Port must be set for a Connect proxy")
    if service.connect.native:
        wrong.append("A Proxy cannot also be Connect Native, only typical services")
    known: set[tuple[str, str, str, str]] = set()
    addresses: set[str] = set()
    for upstream in service.proxy.upstreams or ():
        error = _upstream_error(upstream)
        if error:
            wrong.append(error)
            continue
        address = f"{upstream.local_bind_address or '127.0.0.1'}:{upstream.local_bind_port}"
        if address in addresses:
            wrong.append(f'upstreams cannot contain duplicates by local bind address and port; "{address}" is specified twice')
        addresses.add(address)
        key = (upstream.destination_type, upstream.destination_name, upstream.destination_namespace, upstream.datacenter)
        if key in known:
            kind, name, namespace, datacenter = key
            wrong.append(
                f'upstreams cannot contain duplicates of [type="{kind}", name="{name}", namespace="{namespace}", datacenter="{datacenter}"]'
            )
        known.add(key)
    return wrong


def _upstream_error(upstream: Upstream) -> str:
    if upstream.destination_type not in UPSTREAM_TYPES:
        return f'unknown upstream destination type: "{upstream.destination_type}"'
    if not upstream.destination_name:
        return "upstream destination name cannot be empty"
    if upstream.local_bind_port == 0:
        return "upstream local bind port cannot be zero"
    return ""


def _gateway_errors(service: NodeService) -> list[str]:
    kind, proxy = service.kind, service.proxy
    wrong = []
    if service.port == 0 and kind != KIND_INGRESS_GATEWAY:
        wrong.append(f"Port must be non-zero for a {kind}")
    if service.connect.sidecar_service is not None:
        wrong.append(f"A {kind} cannot have a sidecar service defined")
    given = {
        "DestinationServiceName": proxy.destination_service_name,
        "DestinationServiceID": proxy.destination_service_id,
        "LocalServiceAddress": proxy.local_service_address,
        "LocalServicePort": proxy.local_service_port,
        "Upstreams": proxy.upstreams,
    }
    return wrong + [f"The Proxy.{name} configuration is invalid for a {kind}" for name, value in given.items() if value]

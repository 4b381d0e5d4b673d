"""The sidecar proxy that a service may ask for: a service of its own, with defaults taken from the first."""

from collections.abc import Mapping

import msgspec

from muster.agent.definitions import CheckType, ServiceDefinition
from muster.model.catalog import KIND_CONNECT_PROXY, ConnectProxyConfig, NodeService
from muster.model.durations import SECOND
from muster.model.errors import BadRequest

LISTENING_INTERVAL = 10 * SECOND


def sidecar_id(service_id: str) -> str:
    return f"{service_id}-sidecar-proxy"


def sidecar_of(parent: ServiceDefinition, services: Mapping[str, NodeService], ports: range) -> ServiceDefinition | None:
    """The whole definition of a service's sidecar, or None if it wants none. `BadRequest` if no port is left for it."""
    given = parent.sidecar()
    if given is None:
        return None
    parent_id = parent.id or parent.name
    identity = sidecar_id(parent_id)
    port = given.port or _free_port(identity, services, ports)
    proxy = given.proxy or ConnectProxyConfig()
    local_port = proxy.local_service_port or parent.port
    proxy = msgspec.structs.replace(
        proxy,
        destination_service_name=proxy.destination_service_name or parent.name,
        destination_service_id=proxy.destination_service_id or parent_id,
        local_service_port=local_port,
        local_service_address=proxy.local_service_address or ("127.0.0.1" if local_port > 0 else ""),
    )
    filled = msgspec.structs.replace(
        given,
        kind=KIND_CONNECT_PROXY,
        id=identity,
        name=given.name or f"{parent.name}-sidecar-proxy",
        port=port,
        proxy=proxy,
        tags=given.tags or parent.tags,
        meta=given.meta or parent.meta,
        token=given.token or parent.token,
    )
    return filled if filled.check_types() else msgspec.structs.replace(filled, checks=_default_checks(filled, parent_id))


def _free_port(identity: str, services: Mapping[str, NodeService], ports: range) -> int:
    """The port that this sidecar already has, or the first that no local service has."""
    if identity in services:
        return services[identity].port
    used = {service.port for service in services.values()}
    for port in ports:
        if port not in used:
            return port
    raise BadRequest("Invalid SidecarService: no free port in the range of sidecar ports")


def _default_checks(sidecar: ServiceDefinition, parent_id: str) -> list[CheckType]:
    """It listens, and what stands behind it is well."""
    address = sidecar.address or "127.0.0.1"
    return [
        CheckType(name="Connect Sidecar Listening", tcp=f"{address}:{sidecar.port}", interval=LISTENING_INTERVAL),
        CheckType(name=f"Connect Sidecar Aliasing {parent_id}", alias_service=parent_id),
    ]

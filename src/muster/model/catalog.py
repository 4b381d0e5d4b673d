"""Nodes, services and checks as the catalog holds them.

Field names on the wire are Go's and stand beside each field. A list or map that may be `None` keeps the difference
between absent and empty, which answers show. Records are never changed: a change is a new record.

Source: reference of the log's message types (Register) and of the catalog's answers.
"""

from typing import Any

from msgspec import Struct, field

PASSING = "passing"
WARNING = "warning"
CRITICAL = "critical"
MAINTENANCE = "maintenance"
ANY = "any"

SERF_HEALTH = "serfHealth"
"""The node check that tells whether gossip sees the node alive."""
NODE_MAINTENANCE = "_node_maintenance"
SERVICE_MAINTENANCE_PREFIX = "_service_maintenance:"

CONSUL_SERVICE_ID = "consul"
CONSUL_SERVICE_NAME = "consul"

KIND_TYPICAL = ""
KIND_CONNECT_PROXY = "connect-proxy"
KIND_MESH_GATEWAY = "mesh-gateway"
KIND_TERMINATING_GATEWAY = "terminating-gateway"
KIND_INGRESS_GATEWAY = "ingress-gateway"


class Node(Struct, frozen=True, gc=False, kw_only=True):
    """One host."""

    id: str = field(name="ID", default="")
    node: str = field(name="Node", default="")
    address: str = field(name="Address", default="")
    datacenter: str = field(name="Datacenter", default="")
    tagged_addresses: dict[str, str] | None = field(name="TaggedAddresses", default=None)
    meta: dict[str, str] | None = field(name="Meta", default=None)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class ServiceAddress(Struct, frozen=True, gc=False, kw_only=True):
    """An address of a service under a tag such as `lan` or `wan`."""

    address: str = field(name="Address", default="")
    port: int = field(name="Port", default=0)


class Weights(Struct, frozen=True, gc=False, kw_only=True):
    """What an instance weighs in DNS SRV answers, by its health."""

    passing: int = field(name="Passing", default=1)
    warning: int = field(name="Warning", default=1)


class MeshGatewayConfig(Struct, frozen=True, gc=False, kw_only=True):
    mode: str = field(name="Mode", default="")


class ExposePath(Struct, frozen=True, gc=False, kw_only=True):
    listener_port: int = field(name="ListenerPort", default=0)
    local_path_port: int = field(name="LocalPathPort", default=0)
    parsed_from_check: bool = field(name="ParsedFromCheck", default=False)
    path: str = field(name="Path", default="")
    protocol: str = field(name="Protocol", default="")


class ExposeConfig(Struct, frozen=True, gc=False, kw_only=True):
    checks: bool = field(name="Checks", default=False)
    paths: list[ExposePath] | None = field(name="Paths", default=None)


class Upstream(Struct, frozen=True, gc=False, kw_only=True):
    config: dict[str, Any] | None = field(name="Config", default=None)
    datacenter: str = field(name="Datacenter", default="")
    destination_name: str = field(name="DestinationName", default="")
    destination_namespace: str = field(name="DestinationNamespace", default="")
    destination_type: str = field(name="DestinationType", default="")
    ingress_hosts: list[str] | None = field(name="IngressHosts", default=None)
    local_bind_address: str = field(name="LocalBindAddress", default="")
    local_bind_port: int = field(name="LocalBindPort", default=0)
    mesh_gateway: MeshGatewayConfig = field(name="MeshGateway", default_factory=MeshGatewayConfig)


class ConnectProxyConfig(Struct, frozen=True, gc=False, kw_only=True):
    """What a service of kind `connect-proxy` stands in front of. Kept and answered; the mesh itself is not run here."""

    config: dict[str, Any] | None = field(name="Config", default=None)
    destination_service_id: str = field(name="DestinationServiceID", default="")
    destination_service_name: str = field(name="DestinationServiceName", default="")
    expose: ExposeConfig = field(name="Expose", default_factory=ExposeConfig)
    local_service_address: str = field(name="LocalServiceAddress", default="")
    local_service_port: int = field(name="LocalServicePort", default=0)
    mesh_gateway: MeshGatewayConfig = field(name="MeshGateway", default_factory=MeshGatewayConfig)
    upstreams: list[Upstream] | None = field(name="Upstreams", default=None)


class ServiceConnect(Struct, frozen=True, gc=False, kw_only=True):
    native: bool = field(name="Native", default=False)
    sidecar_service: Any = field(name="SidecarService", default=None)


class NodeService(Struct, frozen=True, gc=False, kw_only=True):
    """One instance of a service on a node."""

    kind: str = field(name="Kind", default="")
    id: str = field(name="ID", default="")
    service: str = field(name="Service", default="")
    tags: list[str] | None = field(name="Tags", default=None)
    address: str = field(name="Address", default="")
    tagged_addresses: dict[str, ServiceAddress] | None = field(name="TaggedAddresses", default=None)
    meta: dict[str, str] | None = field(name="Meta", default=None)
    port: int = field(name="Port", default=0)
    weights: Weights | None = field(name="Weights", default=None)
    enable_tag_override: bool = field(name="EnableTagOverride", default=False)
    proxy: ConnectProxyConfig = field(name="Proxy", default_factory=ConnectProxyConfig)
    connect: ServiceConnect = field(name="Connect", default_factory=ServiceConnect)
    locally_registered_as_sidecar: bool = field(name="LocallyRegisteredAsSidecar", default=False)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class HealthCheckDefinition(Struct, frozen=True, gc=False, kw_only=True):
    """How a check is run, as replicated with it. Durations are nanoseconds."""

    alias_node: str = field(name="AliasNode", default="")
    alias_service: str = field(name="AliasService", default="")
    body: str = field(name="Body", default="")
    deregister_critical_service_after: int = field(name="DeregisterCriticalServiceAfter", default=0)
    docker_container_id: str = field(name="DockerContainerID", default="")
    grpc: str = field(name="GRPC", default="")
    grpc_use_tls: bool = field(name="GRPCUseTLS", default=False)
    http: str = field(name="HTTP", default="")
    header: dict[str, list[str]] | None = field(name="Header", default=None)
    interval: int = field(name="Interval", default=0)
    method: str = field(name="Method", default="")
    output_max_size: int = field(name="OutputMaxSize", default=0)
    script_args: list[str] | None = field(name="ScriptArgs", default=None)
    shell: str = field(name="Shell", default="")
    tcp: str = field(name="TCP", default="")
    tls_skip_verify: bool = field(name="TLSSkipVerify", default=False)
    ttl: int = field(name="TTL", default=0)
    timeout: int = field(name="Timeout", default=0)


class HealthCheck(Struct, frozen=True, gc=False, kw_only=True):
    """One check of a node (`service_id` empty) or of a service, with its newest result."""

    node: str = field(name="Node", default="")
    check_id: str = field(name="CheckID", default="")
    name: str = field(name="Name", default="")
    status: str = field(name="Status", default="")
    notes: str = field(name="Notes", default="")
    output: str = field(name="Output", default="")
    service_id: str = field(name="ServiceID", default="")
    service_name: str = field(name="ServiceName", default="")
    service_tags: list[str] | None = field(name="ServiceTags", default=None)
    type: str = field(name="Type", default="")
    definition: HealthCheckDefinition = field(name="Definition", default_factory=HealthCheckDefinition)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class ServiceNode(Struct, frozen=True, gc=False, kw_only=True):
    """An instance joined with its node: the row of Catalog.ServiceNodes."""

    node: Node
    service: NodeService


class CheckServiceNode(Struct, frozen=True, gc=False, kw_only=True):
    """An instance with its node and the checks of both: the row of Health.ServiceNodes."""

    node: Node = field(name="Node")
    service: NodeService = field(name="Service")
    checks: list[HealthCheck] = field(name="Checks")


class NodeServices(Struct, frozen=True, gc=False, kw_only=True):
    """A node with its services, in the order of their ids."""

    node: Node = field(name="Node")
    services: list[NodeService] = field(name="Services")


class NodeInfo(Struct, frozen=True, gc=False, kw_only=True):
    """A node with all its services and checks: the row of Internal.NodeDump."""

    node: Node
    services: list[NodeService]
    checks: list[HealthCheck]

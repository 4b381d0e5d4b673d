"""Records as the JSON that Consul makes of them: what is left out when empty, and what is not."""

from typing import Any

from muster.agent.definitions import CheckType
from muster.model.catalog import ConnectProxyConfig, HealthCheck, NodeService, ServiceAddress, ServiceConnect, Upstream, Weights


def addresses(tagged: dict[str, ServiceAddress]) -> dict[str, Any]:
    return {tag: {"Address": value.address, "Port": value.port} for tag, value in sorted(tagged.items())}


def weights(value: Weights | None) -> dict[str, int] | None:
    return None if value is None else {"Passing": value.passing, "Warning": value.warning}


def proxy(value: ConnectProxyConfig) -> dict[str, Any]:
    """A proxy's configuration; empty parts are left out."""
    shape: dict[str, Any] = {}
    _put(shape, "DestinationServiceName", value.destination_service_name)
    _put(shape, "DestinationServiceID", value.destination_service_id)
    _put(shape, "LocalServiceAddress", value.local_service_address)
    _put(shape, "LocalServicePort", value.local_service_port)
    _put(shape, "Config", value.config)
    _put(shape, "Upstreams", [upstream(one) for one in value.upstreams or ()])
    shape["MeshGateway"] = {"Mode": value.mesh_gateway.mode} if value.mesh_gateway.mode else {}
    shape["Expose"] = _expose(value)
    return shape


def _expose(value: ConnectProxyConfig) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    _put(shape, "Checks", value.expose.checks)
    paths = [
        {
            "ListenerPort": path.listener_port,
            "Path": path.path,
            "LocalPathPort": path.local_path_port,
            "Protocol": path.protocol,
            "ParsedFromCheck": path.parsed_from_check,
        }
        for path in value.expose.paths or ()
    ]
    _put(shape, "Paths", paths)
    return shape


def upstream(value: Upstream) -> dict[str, Any]:
    shape: dict[str, Any] = {"DestinationType": value.destination_type or "service", "DestinationName": value.destination_name}
    _put(shape, "DestinationNamespace", value.destination_namespace)
    _put(shape, "Datacenter", value.datacenter)
    _put(shape, "LocalBindAddress", value.local_bind_address)
    _put(shape, "LocalBindPort", value.local_bind_port)
    _put(shape, "Config", value.config)
    shape["MeshGateway"] = {"Mode": value.mesh_gateway.mode} if value.mesh_gateway.mode else {}
    return shape


def connect(value: ServiceConnect) -> dict[str, Any]:
    return {"Native": True} if value.native else {}


def node_service(value: NodeService) -> dict[str, Any]:
    """A service as the catalog and the data directory show it."""
    shape: dict[str, Any] = {"Kind": value.kind} if value.kind else {}
    shape |= {"ID": value.id, "Service": value.service, "Tags": value.tags, "Address": value.address}
    if value.tagged_addresses:
        shape["TaggedAddresses"] = addresses(value.tagged_addresses)
    shape |= {
        "Meta": value.meta,
        "Port": value.port,
        "Weights": weights(value.weights),
        "EnableTagOverride": value.enable_tag_override,
        "Proxy": proxy(value.proxy),
        "Connect": connect(value.connect),
        "CreateIndex": value.create_index,
        "ModifyIndex": value.modify_index,
    }
    return shape


def agent_service(value: NodeService) -> dict[str, Any]:
    """A service as the agent's own endpoints show it: lists and maps are never null, indexes are left out."""
    shape: dict[str, Any] = {"Kind": value.kind} if value.kind else {}
    shape |= {
        "ID": value.id,
        "Service": value.service,
        "Tags": value.tags or [],
        "Meta": dict(sorted((value.meta or {}).items())),
        "Port": value.port,
        "Address": value.address,
    }
    if value.tagged_addresses:
        shape["TaggedAddresses"] = addresses(value.tagged_addresses)
    shape |= {"Weights": weights(value.weights), "EnableTagOverride": value.enable_tag_override}
    if value.kind:
        shape["Proxy"] = proxy(value.proxy)
    if value.connect.native:
        shape["Connect"] = connect(value.connect)
    return shape


def health_check(value: HealthCheck) -> dict[str, Any]:
    """A check of this host; how it is made is not shown."""
    return {
        "Node": value.node,
        "CheckID": value.check_id,
        "Name": value.name,
        "Status": value.status,
        "Notes": value.notes,
        "Output": value.output,
        "ServiceID": value.service_id,
        "ServiceName": value.service_name,
        "ServiceTags": value.service_tags,
        "Type": value.type,
        "Definition": {},
        "CreateIndex": value.create_index,
        "ModifyIndex": value.modify_index,
    }


def check_type(value: CheckType) -> dict[str, Any]:
    """How a check is made, as the data directory keeps it. Kinds that Consul 1.8 lacks are left out unless they are used."""
    shape: dict[str, Any] = {
        "CheckID": value.check_id,
        "Name": value.name,
        "Status": value.status,
        "Notes": value.notes,
        "ScriptArgs": value.script_args,
        "HTTP": value.http,
        "Header": value.header,
        "Method": value.method,
        "Body": value.body,
        "TCP": value.tcp,
        "Interval": value.interval,
        "AliasNode": value.alias_node,
        "AliasService": value.alias_service,
        "DockerContainerID": value.docker_container_id,
        "Shell": value.shell,
        "GRPC": value.grpc,
        "GRPCUseTLS": value.grpc_use_tls,
        "TLSSkipVerify": value.tls_skip_verify,
        "Timeout": value.timeout,
        "TTL": value.ttl,
        "SuccessBeforePassing": value.success_before_passing,
        "FailuresBeforeCritical": value.failures_before_critical,
        "ProxyHTTP": value.proxy_http,
        "ProxyGRPC": value.proxy_grpc,
        "DeregisterCriticalServiceAfter": value.deregister_critical_service_after,
        "OutputMaxSize": value.output_max_size,
    }
    _put(shape, "UDP", value.udp)
    _put(shape, "H2PING", value.h2ping)
    if value.h2ping_use_tls is not None:
        shape["H2PingUseTLS"] = value.h2ping_use_tls
    return shape


def _put(shape: dict[str, Any], name: str, value: Any) -> None:
    if value:
        shape[name] = value

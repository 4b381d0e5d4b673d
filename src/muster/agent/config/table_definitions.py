"""The keys of service and check definitions, with their names in the HTTP API.

`h2ping`, `h2ping_use_tls` and `udp` are younger than Consul 1.8 and built here.
"""

from muster.agent.config.keys import Key, Kind, Shape


def _key(name: str, kind: Kind, wire: str, shape: str = "") -> Key:
    return Key(name, kind, reloadable=True, shape=shape, wire=wire)


CHECK: Shape = (
    _key("id", Kind.STRING, "ID"),
    _key("name", Kind.STRING, "Name"),
    _key("notes", Kind.STRING, "Notes"),
    _key("service_id", Kind.STRING, "ServiceID"),
    _key("token", Kind.STRING, "Token"),
    _key("status", Kind.STRING, "Status"),
    _key("args", Kind.STRINGS, "Args"),
    _key("http", Kind.STRING, "HTTP"),
    _key("header", Kind.STRINGS_MAP, "Header"),
    _key("method", Kind.STRING, "Method"),
    _key("body", Kind.STRING, "Body"),
    _key("output_max_size", Kind.INT, "OutputMaxSize"),
    _key("tcp", Kind.STRING, "TCP"),
    _key("udp", Kind.STRING, "UDP"),
    _key("interval", Kind.DURATION, "Interval"),
    _key("docker_container_id", Kind.STRING, "DockerContainerID"),
    _key("shell", Kind.STRING, "Shell"),
    _key("grpc", Kind.STRING, "GRPC"),
    _key("grpc_use_tls", Kind.BOOL, "GRPCUseTLS"),
    _key("h2ping", Kind.STRING, "H2PING"),
    _key("h2ping_use_tls", Kind.BOOL, "H2PingUseTLS"),
    _key("tls_skip_verify", Kind.BOOL, "TLSSkipVerify"),
    _key("alias_node", Kind.STRING, "AliasNode"),
    _key("alias_service", Kind.STRING, "AliasService"),
    _key("timeout", Kind.DURATION, "Timeout"),
    _key("ttl", Kind.DURATION, "TTL"),
    _key("success_before_passing", Kind.INT, "SuccessBeforePassing"),
    _key("failures_before_critical", Kind.INT, "FailuresBeforeCritical"),
    _key("deregister_critical_service_after", Kind.DURATION, "DeregisterCriticalServiceAfter"),
)

SERVICE: Shape = (
    _key("kind", Kind.STRING, "Kind"),
    _key("id", Kind.STRING, "ID"),
    _key("name", Kind.STRING, "Name"),
    _key("tags", Kind.STRINGS, "Tags"),
    _key("address", Kind.STRING, "Address"),
    _key("tagged_addresses", Kind.BLOCK_MAP, "TaggedAddresses", "tagged_address"),
    _key("meta", Kind.STRING_MAP, "Meta"),
    _key("port", Kind.INT, "Port"),
    _key("check", Kind.BLOCK, "Check", "check"),
    _key("checks", Kind.BLOCKS, "Checks", "check"),
    _key("token", Kind.STRING, "Token"),
    _key("weights", Kind.BLOCK, "Weights", "weights"),
    _key("enable_tag_override", Kind.BOOL, "EnableTagOverride"),
    _key("proxy", Kind.BLOCK, "Proxy", "proxy"),
    _key("connect", Kind.BLOCK, "Connect", "service_connect"),
)

DEFINITION_SHAPES: dict[str, Shape] = {
    "check": CHECK,
    "service": SERVICE,
    "tagged_address": (_key("address", Kind.STRING, "Address"), _key("port", Kind.INT, "Port")),
    "weights": (_key("passing", Kind.INT, "Passing"), _key("warning", Kind.INT, "Warning")),
    "service_connect": (_key("native", Kind.BOOL, "Native"), _key("sidecar_service", Kind.BLOCK, "SidecarService", "service")),
    "proxy": (
        _key("destination_service_name", Kind.STRING, "DestinationServiceName"),
        _key("destination_service_id", Kind.STRING, "DestinationServiceID"),
        _key("local_service_address", Kind.STRING, "LocalServiceAddress"),
        _key("local_service_port", Kind.INT, "LocalServicePort"),
        _key("config", Kind.ANY_MAP, "Config"),
        _key("upstreams", Kind.BLOCKS, "Upstreams", "upstream"),
        _key("mesh_gateway", Kind.BLOCK, "MeshGateway", "mesh_gateway"),
        _key("expose", Kind.BLOCK, "Expose", "expose"),
    ),
    "upstream": (
        _key("destination_type", Kind.STRING, "DestinationType"),
        _key("destination_namespace", Kind.STRING, "DestinationNamespace"),
        _key("destination_name", Kind.STRING, "DestinationName"),
        _key("datacenter", Kind.STRING, "Datacenter"),
        _key("local_bind_address", Kind.STRING, "LocalBindAddress"),
        _key("local_bind_port", Kind.INT, "LocalBindPort"),
        _key("config", Kind.ANY_MAP, "Config"),
        _key("mesh_gateway", Kind.BLOCK, "MeshGateway", "mesh_gateway"),
    ),
    "mesh_gateway": (_key("mode", Kind.STRING, "Mode"),),
    "expose": (
        _key("checks", Kind.BOOL, "Checks"),
        _key("port", Kind.INT, "Port"),
        _key("paths", Kind.BLOCKS, "Paths", "expose_path"),
    ),
    "expose_path": (
        _key("listener_port", Kind.INT, "ListenerPort"),
        _key("path", Kind.STRING, "Path"),
        _key("protocol", Kind.STRING, "Protocol"),
        _key("local_path_port", Kind.INT, "LocalPathPort"),
    ),
}

CHECK_ALIASES = {
    "serviceid": "service_id",
    "scriptargs": "args",
    "dockercontainerid": "docker_container_id",
    "tlsskipverify": "tls_skip_verify",
    "deregistercriticalserviceafter": "deregister_critical_service_after",
}

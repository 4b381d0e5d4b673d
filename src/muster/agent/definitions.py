"""Services and checks as their owners write them: by the API or in configuration files, one path for both.

The texts of refusals are Consul's; clients match on some of them.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct, field

from muster.agent.decoding import Duration, from_json, plain
from muster.model import catalog
from muster.model.catalog import ConnectProxyConfig, HealthCheck, NodeService, ServiceAddress, ServiceConnect, Weights
from muster.model.errors import BadRequest, Rejected

META_PAIRS = 64
META_KEY_LENGTH = 128
META_VALUE_LENGTH = 512
META_RESERVED_PREFIX = "consul-"
LARGEST_WEIGHT = 65535  # a DNS SRV record holds 16 bits
SHORTEST_INTERVAL = 1_000_000_000  # ns; checks that run more often are slowed down to this
STATUSES = (catalog.PASSING, catalog.WARNING, catalog.CRITICAL)
ANY_ADDRESSES = ("0.0.0.0", "::", "[::]")

_META_KEY = re.compile(r"[A-Za-z0-9_-]+")


class CheckType(Struct, frozen=True, gc=False, kw_only=True):
    """How a check is made. Durations are nanoseconds; exactly one of the ways is given, which `kind()` names."""

    ALIASES: ClassVar[dict[str, str]] = {"args": "scriptargs", "id": "checkid"}

    check_id: str = field(name="CheckID", default="")
    name: str = field(name="Name", default="")
    status: str = field(name="Status", default="")
    notes: str = field(name="Notes", default="")
    script_args: list[str] | None = field(name="ScriptArgs", default=None)
    http: str = field(name="HTTP", default="")
    header: dict[str, list[str]] | None = field(name="Header", default=None)
    method: str = field(name="Method", default="")
    body: str = field(name="Body", default="")
    tcp: str = field(name="TCP", default="")
    udp: str = field(name="UDP", default="")
    interval: Duration = field(name="Interval", default=0)
    alias_node: str = field(name="AliasNode", default="")
    alias_service: str = field(name="AliasService", default="")
    docker_container_id: str = field(name="DockerContainerID", default="")
    shell: str = field(name="Shell", default="")
    grpc: str = field(name="GRPC", default="")
    grpc_use_tls: bool = field(name="GRPCUseTLS", default=False)
    h2ping: str = field(name="H2PING", default="")
    h2ping_use_tls: bool | None = field(name="H2PingUseTLS", default=None)
    tls_skip_verify: bool = field(name="TLSSkipVerify", default=False)
    timeout: Duration = field(name="Timeout", default=0)
    ttl: Duration = field(name="TTL", default=0)
    success_before_passing: int = field(name="SuccessBeforePassing", default=0)
    failures_before_critical: int = field(name="FailuresBeforeCritical", default=0)
    proxy_http: str = field(name="ProxyHTTP", default="")
    proxy_grpc: str = field(name="ProxyGRPC", default="")
    deregister_critical_service_after: Duration = field(name="DeregisterCriticalServiceAfter", default=0)
    output_max_size: int = field(name="OutputMaxSize", default=0)

    def kind(self) -> str:
        """One of grpc, ttl, http, script, tcp, docker, alias, udp, h2ping; empty if none is given."""
        if self.grpc:
            return "grpc"
        if self.ttl > 0:
            return "ttl"
        if self.http:
            return "http"
        if self.script_args:
            return "docker" if self.docker_container_id else "script"
        if self.tcp:
            return "tcp"
        if self.udp:
            return "udp"
        if self.h2ping:
            return "h2ping"
        return "alias" if self.alias_node or self.alias_service else ""

    def is_empty(self) -> bool:
        return self == EMPTY_CHECK

    def validate(self) -> None:
        """`BadRequest` if the fields contradict each other."""
        repeats = bool(self.script_args or self.http or self.tcp or self.grpc or self.udp or self.h2ping)
        is_alias = bool(self.alias_node or self.alias_service)
        for wrong, text in (
            (self.interval > 0 and self.ttl > 0, "Interval and TTL cannot both be specified"),
            (repeats and self.interval <= 0, "Interval must be > 0 for Script, HTTP, or TCP checks"),
            (repeats and is_alias, "Interval cannot be set for Alias checks"),
            (is_alias and self.ttl > 0, "TTL must be not be set for Alias checks"),
            (not repeats and not is_alias and self.ttl <= 0, "TTL must be > 0 for TTL checks"),
            (self.output_max_size < 0, "MaxOutputMaxSize must be positive"),
        ):
            if wrong:
                raise BadRequest(f"Invalid check: {text}")


EMPTY_CHECK = CheckType()


class CheckDefinition(CheckType, frozen=True, gc=False, kw_only=True):
    """A check registered for itself; it belongs to the node, or to the service `service_id`."""

    ALIASES: ClassVar[dict[str, str]] = {"args": "scriptargs"}

    id: str = field(name="ID", default="")
    service_id: str = field(name="ServiceID", default="")
    token: str = field(name="Token", default="")

    def identity(self) -> str:
        """The id that the check is kept under."""
        return self.id or self.check_id or self.name

    def check_type(self) -> CheckType:
        """The way it is made, without what belongs to the registration."""
        fields = {name: getattr(self, name) for name in CheckType.__struct_fields__}
        return CheckType(**{**fields, "check_id": self.identity()})


class ServiceDefinition(Struct, frozen=True, gc=False, kw_only=True):
    """A service as its owner registers it."""

    kind: str = field(name="Kind", default="")
    id: str = field(name="ID", default="")
    name: str = field(name="Name", default="")
    tags: list[str] | None = field(name="Tags", default=None)
    address: str = field(name="Address", default="")
    tagged_addresses: dict[str, ServiceAddress] | None = field(name="TaggedAddresses", default=None)
    meta: dict[str, str] | None = field(name="Meta", default=None)
    port: int = field(name="Port", default=0)
    check: CheckType = field(name="Check", default_factory=CheckType)
    checks: list[CheckType] | None = field(name="Checks", default=None)
    weights: Weights | None = field(name="Weights", default=None)
    token: str = field(name="Token", default="")
    enable_tag_override: bool = field(name="EnableTagOverride", default=False)
    proxy: ConnectProxyConfig | None = field(name="Proxy", default=None)
    connect: "ConnectDefinition | None" = field(name="Connect", default=None)

    def check_types(self) -> list[CheckType]:
        """All its checks, `Check` first."""
        first = [] if self.check.is_empty() else [self.check]
        return first + (self.checks or [])

    def node_service(self) -> NodeService:
        """The instance as the catalog will hold it; an empty id is the name."""
        native = self.connect.native if self.connect is not None else False
        return NodeService(
            kind=self.kind,
            id=self.id or self.name,
            service=self.name,
            tags=self.tags,
            address=self.address,
            tagged_addresses=with_address_tags(self.tagged_addresses, self.address, self.port),
            meta=self.meta,
            port=self.port,
            weights=self.weights or Weights(passing=1, warning=1),
            enable_tag_override=self.enable_tag_override,
            proxy=self.proxy or ConnectProxyConfig(),
            connect=ServiceConnect(native=native),
        )

    def sidecar(self) -> "ServiceDefinition | None":
        return self.connect.sidecar_service if self.connect is not None else None


class ConnectDefinition(Struct, frozen=True, gc=False, kw_only=True):
    native: bool = field(name="Native", default=False)
    sidecar_service: ServiceDefinition | None = field(name="SidecarService", default=None)


def with_address_tags(tagged: dict[str, ServiceAddress] | None, address: str, port: int) -> dict[str, ServiceAddress] | None:
    """The tagged addresses with `lan_ipv4` and `wan_ipv4` (or `_ipv6`) filled in from a numeric address."""
    family = address_family(address)
    if not family:
        return tagged
    filled = dict(tagged or {})
    for tag in (f"lan_{family}", f"wan_{family}"):
        filled.setdefault(tag, ServiceAddress(address=address, port=port))
    return filled


def address_family(address: str) -> str:
    """`ipv4`, `ipv6`, or an empty text for a name."""
    import ipaddress

    try:
        return f"ipv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def parse_service(value: Any) -> ServiceDefinition:
    """A valid service of a decoded JSON or HCL value; `BadRequest` or `Rejected` with Consul's text."""
    definition = from_json(ServiceDefinition, value)
    validate_service(definition)
    return definition


def validate_service(definition: ServiceDefinition) -> None:
    """The checks of a registration, in Consul's order."""
    if not definition.name:
        raise BadRequest("Missing service name")
    if definition.address in ANY_ADDRESSES:
        raise BadRequest("Invalid service address")
    if definition.weights is not None:
        validate_weights(definition.weights)
    validate_meta(definition.meta)
    _validate_mesh(definition)
    for check in definition.check_types():
        check.validate()
    for check in definition.check_types():
        if check.status and check.status not in STATUSES:
            raise BadRequest("Status for checks must 'passing', 'warning', 'critical'")
    _validate_tagged_addresses(definition)


def validate_weights(weights: Weights) -> None:
    """`BadRequest` where an SRV record could not carry them."""
    if weights.passing < 1:
        raise BadRequest("Invalid Weights: Passing must be greater than 0")
    if weights.warning < 0:
        raise BadRequest("Invalid Weights: Warning must be greater or equal than 0")
    if weights.passing > LARGEST_WEIGHT or weights.warning > LARGEST_WEIGHT:
        raise BadRequest("Invalid Weights: DNS Weight must be between 0 and 65535")


def validate_meta(meta: dict[str, str] | None) -> None:
    """`BadRequest` if there are too many pairs, or one that is no valid pair."""
    if meta is None:
        return
    if len(meta) > META_PAIRS:
        raise BadRequest(f"Invalid Service Meta: Node metadata cannot contain more than {META_PAIRS} key/value pairs")
    for key, value in meta.items():
        wrong = _meta_fault(key, value)
        if wrong:
            raise BadRequest(f"Invalid Service Meta: Couldn't load metadata pair ('{key}', '{value}'): {wrong}")


def _meta_fault(key: str, value: str) -> str:
    if not key:
        return "Key cannot be blank"
    if _META_KEY.fullmatch(key) is None:
        return "Key contains invalid characters"
    if len(key) > META_KEY_LENGTH:
        return f"Key is too long (limit: {META_KEY_LENGTH} characters)"
    if key.startswith(META_RESERVED_PREFIX):
        return f"Key prefix '{META_RESERVED_PREFIX}' is reserved for internal use"
    if len(value.encode("utf-8", "surrogateescape")) > META_VALUE_LENGTH:
        return f"Value is too long (limit: {META_VALUE_LENGTH} characters)"
    return ""


def _validate_mesh(definition: ServiceDefinition) -> None:
    faults = []
    if definition.kind == catalog.KIND_CONNECT_PROXY:
        proxy = definition.proxy or ConnectProxyConfig()
        if not proxy.destination_service_name:
            faults.append("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
        if not definition.port:
            faults.append("Port must be set for a Connect proxy")
        if definition.connect is not None and definition.connect.native:
            faults.append("A Proxy cannot also be Connect Native, only typical services")
    sidecar = definition.sidecar()
    if sidecar is not None:
        if sidecar.id:
            faults.append("A SidecarService cannot specify an ID as this is managed by the agent")
        if sidecar.connect is not None and sidecar.connect.sidecar_service is not None:
            faults.append("A SidecarService cannot have a nested SidecarService")
    if faults:
        raise BadRequest(all_errors(faults))


def all_errors(faults: list[str]) -> str:
    """Several errors in the form of Consul's error lists."""
    head = "1 error occurred:" if len(faults) == 1 else f"{len(faults)} errors occurred:"
    return head + "\n" + "".join(f"\t* {fault}\n" for fault in faults) + "\n"


def _validate_tagged_addresses(definition: ServiceDefinition) -> None:
    for tag, value in (definition.tagged_addresses or {}).items():
        family = tag.rpartition("_")[2]
        if family in ("ipv4", "ipv6") and address_family(value.address) != family:
            raise Rejected(f'Service tagged address "{tag}" must be a valid {family} address')


def parse_check(value: Any) -> CheckDefinition:
    """A valid check of a decoded JSON or HCL value; `BadRequest` with Consul's text."""
    if isinstance(value, Mapping) and any(plain(name) == "checkid" for name in value):
        raise BadRequest('Request decode failed: json: unknown field "CheckID"')
    definition = from_json(CheckDefinition, value)
    validate_check(definition)
    return definition


def validate_check(definition: CheckDefinition) -> None:
    """The checks of a registration, in Consul's order."""
    if not definition.name:
        raise BadRequest("Missing check name")
    if definition.status and definition.status not in STATUSES:
        raise BadRequest("Bad check status")
    definition.validate()


def service_check(node: str, service: NodeService, check: CheckType, number: int, count: int) -> HealthCheck:
    """The check number `number` (from 1) of the `count` that a service brings along."""
    automatic = f"service:{service.id}" + (f":{number}" if count > 1 else "")
    return HealthCheck(
        node=node,
        check_id=check.check_id or automatic,
        name=check.name or f"Service '{service.service}' check",
        status=check.status or catalog.CRITICAL,
        notes=check.notes,
        service_id=service.id,
        service_name=service.service,
        service_tags=service.tags,
        type=check.kind(),
    )


def lone_check(node: str, definition: CheckDefinition) -> HealthCheck:
    """The check of a registration of its own; its service's name and tags are filled in when it is added."""
    return HealthCheck(
        node=node,
        check_id=definition.identity(),
        name=definition.name,
        status=definition.status or catalog.CRITICAL,
        notes=definition.notes,
        service_id=definition.service_id,
        type=definition.kind(),
    )

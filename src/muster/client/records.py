"""What the HTTP API answers, as records. Those that the API shares with the catalog come from `muster.model`.

Fields that an answer leaves out have their default; fields unknown here are passed over, so newer agents can be asked.
"""

from typing import Any

from msgspec import Struct, field

from muster.model.catalog import Node, ServiceAddress, Weights
from muster.model.coordinates import NodeCoordinate


class AgentService(Struct, frozen=True, kw_only=True):
    """One service as its agent knows it. `proxy` and `connect` are kept as the agent gives them."""

    kind: str = field(name="Kind", default="")
    id: str = field(name="ID", default="")
    service: str = field(name="Service", default="")
    tags: list[str] | None = field(name="Tags", default=None)
    meta: dict[str, str] | None = field(name="Meta", default=None)
    port: int = field(name="Port", default=0)
    address: str = field(name="Address", default="")
    tagged_addresses: dict[str, ServiceAddress] | None = field(name="TaggedAddresses", default=None)
    weights: Weights | None = field(name="Weights", default=None)
    enable_tag_override: bool = field(name="EnableTagOverride", default=False)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)
    content_hash: str = field(name="ContentHash", default="")
    proxy: dict[str, Any] | None = field(name="Proxy", default=None)
    connect: dict[str, Any] | None = field(name="Connect", default=None)


class HealthCheck(Struct, frozen=True, kw_only=True):
    """One check with its newest result. `definition` is as the agent gives it, durations as texts."""

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
    definition: dict[str, Any] | None = field(name="Definition", default=None)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class ServiceEntry(Struct, frozen=True, kw_only=True):
    """An instance with its node and the checks of both."""

    node: Node = field(name="Node")
    service: AgentService = field(name="Service")
    checks: list[HealthCheck] = field(name="Checks", default_factory=list)


class CatalogService(Struct, frozen=True, kw_only=True):
    """An instance joined with its node, as the catalog lists it."""

    id: str = field(name="ID", default="")
    node: str = field(name="Node", default="")
    address: str = field(name="Address", default="")
    datacenter: str = field(name="Datacenter", default="")
    tagged_addresses: dict[str, str] | None = field(name="TaggedAddresses", default=None)
    node_meta: dict[str, str] | None = field(name="NodeMeta", default=None)
    service_kind: str = field(name="ServiceKind", default="")
    service_id: str = field(name="ServiceID", default="")
    service_name: str = field(name="ServiceName", default="")
    service_tags: list[str] | None = field(name="ServiceTags", default=None)
    service_address: str = field(name="ServiceAddress", default="")
    service_tagged_addresses: dict[str, ServiceAddress] | None = field(name="ServiceTaggedAddresses", default=None)
    service_weights: Weights | None = field(name="ServiceWeights", default=None)
    service_meta: dict[str, str] | None = field(name="ServiceMeta", default=None)
    service_port: int = field(name="ServicePort", default=0)
    service_enable_tag_override: bool = field(name="ServiceEnableTagOverride", default=False)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class CatalogNode(Struct, frozen=True, kw_only=True):
    """A node with its services by id."""

    node: Node = field(name="Node")
    services: dict[str, AgentService] | None = field(name="Services", default=None)


class Member(Struct, frozen=True, kw_only=True):
    """One member of the gossip pool. `status` is Serf's number: 1 alive, 2 leaving, 3 left, 4 failed."""

    name: str = field(name="Name", default="")
    addr: str = field(name="Addr", default="")
    port: int = field(name="Port", default=0)
    tags: dict[str, str] = field(name="Tags", default_factory=dict)
    status: int = field(name="Status", default=0)
    protocol_min: int = field(name="ProtocolMin", default=0)
    protocol_max: int = field(name="ProtocolMax", default=0)
    protocol_cur: int = field(name="ProtocolCur", default=0)
    delegate_min: int = field(name="DelegateMin", default=0)
    delegate_max: int = field(name="DelegateMax", default=0)
    delegate_cur: int = field(name="DelegateCur", default=0)


class AgentSelf(Struct, frozen=True, kw_only=True):
    """What an agent says about itself. `stats` has a map of texts for each part of the program."""

    config: dict[str, Any] = field(name="Config", default_factory=dict)
    debug_config: dict[str, Any] | None = field(name="DebugConfig", default=None)
    coord: dict[str, Any] | None = field(name="Coord", default=None)
    member: Member = field(name="Member", default_factory=Member)
    stats: dict[str, dict[str, str]] = field(name="Stats", default_factory=dict)
    meta: dict[str, str] | None = field(name="Meta", default=None)


class UserEvent(Struct, frozen=True, kw_only=True):
    """An event of the pool's members. The filters are regular expressions."""

    id: str = field(name="ID", default="")
    name: str = field(name="Name", default="")
    payload: bytes | None = field(name="Payload", default=None)
    node_filter: str = field(name="NodeFilter", default="")
    service_filter: str = field(name="ServiceFilter", default="")
    tag_filter: str = field(name="TagFilter", default="")
    version: int = field(name="Version", default=0)
    l_time: int = field(name="LTime", default=0)


class RaftServer(Struct, frozen=True, kw_only=True):
    """One server of the Raft configuration."""

    id: str = field(name="ID", default="")
    node: str = field(name="Node", default="")
    address: str = field(name="Address", default="")
    leader: bool = field(name="Leader", default=False)
    protocol_version: str = field(name="ProtocolVersion", default="")
    voter: bool = field(name="Voter", default=False)


class RaftConfiguration(Struct, frozen=True, kw_only=True):
    """The servers that agree on the log, and the index since when."""

    servers: list[RaftServer] = field(name="Servers", default_factory=list)
    index: int = field(name="Index", default=0)


class AutopilotConfiguration(Struct, frozen=True, kw_only=True):
    """How the leader looks after the servers. Durations are texts such as `200ms`."""

    cleanup_dead_servers: bool = field(name="CleanupDeadServers", default=False)
    last_contact_threshold: str = field(name="LastContactThreshold", default="0s")
    max_trailing_logs: int = field(name="MaxTrailingLogs", default=0)
    min_quorum: int = field(name="MinQuorum", default=0)
    server_stabilization_time: str = field(name="ServerStabilizationTime", default="0s")
    redundancy_zone_tag: str = field(name="RedundancyZoneTag", default="")
    disable_upgrade_migration: bool = field(name="DisableUpgradeMigration", default=False)
    upgrade_version_tag: str = field(name="UpgradeVersionTag", default="")
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)


class ServerHealth(Struct, frozen=True, kw_only=True):
    """How one server does. `last_contact` is a duration as text."""

    id: str = field(name="ID", default="")
    name: str = field(name="Name", default="")
    address: str = field(name="Address", default="")
    serf_status: str = field(name="SerfStatus", default="")
    version: str = field(name="Version", default="")
    leader: bool = field(name="Leader", default=False)
    last_contact: str = field(name="LastContact", default="")
    last_term: int = field(name="LastTerm", default=0)
    last_index: int = field(name="LastIndex", default=0)
    healthy: bool = field(name="Healthy", default=False)
    voter: bool = field(name="Voter", default=False)
    stable_since: str = field(name="StableSince", default="")


class OperatorHealth(Struct, frozen=True, kw_only=True):
    """How the servers do, and how many may fail before the quorum is lost."""

    healthy: bool = field(name="Healthy", default=False)
    failure_tolerance: int = field(name="FailureTolerance", default=0)
    servers: list[ServerHealth] | None = field(name="Servers", default=None)


class KeyringAnswer(Struct, frozen=True, kw_only=True):
    """One pool's gossip keys and on how many of its nodes each is."""

    wan: bool = field(name="WAN", default=False)
    datacenter: str = field(name="Datacenter", default="")
    segment: str = field(name="Segment", default="")
    keys: dict[str, int] = field(name="Keys", default_factory=dict)
    primary_keys: dict[str, int] | None = field(name="PrimaryKeys", default=None)
    num_nodes: int = field(name="NumNodes", default=0)
    messages: dict[str, str] | None = field(name="Messages", default=None)


class DatacenterCoordinates(Struct, frozen=True, kw_only=True):
    """The coordinates of a datacenter's servers in an area of the WAN."""

    datacenter: str = field(name="Datacenter", default="")
    area_id: str = field(name="AreaID", default="")
    coordinates: list[NodeCoordinate] | None = field(name="Coordinates", default=None)


class QueryResult(Struct, frozen=True, kw_only=True):
    """What a prepared query found, and in which datacenter after how many failovers."""

    service: str = field(name="Service", default="")
    nodes: list[ServiceEntry] | None = field(name="Nodes", default=None)
    dns: dict[str, Any] | None = field(name="DNS", default=None)
    datacenter: str = field(name="Datacenter", default="")
    failovers: int = field(name="Failovers", default=0)

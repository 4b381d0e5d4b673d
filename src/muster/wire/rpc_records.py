"""Arguments and answers of RPC methods that no command of the log and no other record stands for.

Names and order of attributes are those of the records that the endpoints answer with, so either is encoded alike.

Source: reference of the RPC wire, sections 4 and 5.
"""

from typing import Any

from msgspec import Struct, field

from muster.model.catalog import CheckServiceNode, HealthCheck, MeshGatewayConfig, Node, NodeService
from muster.model.coordinates import NodeCoordinate
from muster.model.kv import KVEntry
from muster.model.queries import QueryDnsOptions
from muster.wire.commands import TxnOp
from muster.wire.requests import QueryOptions, QuerySource
from muster.wire.times import Timestamp


class NoArgument(Struct, frozen=True, gc=False, kw_only=True):
    """Status.Ping, Status.RaftStats, Coordinate.ListDatacenters: an empty map."""


class DatacentersRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Catalog.ListDatacenters: the options of a read, without a datacenter."""

    allow_stale: bool = field(name="AllowStale", default=False)
    filter: str = field(name="Filter", default="")
    max_age: int = field(name="MaxAge", default=0)
    max_query_time: int = field(name="MaxQueryTime", default=0)
    max_stale_duration: int = field(name="MaxStaleDuration", default=0)
    min_query_index: int = field(name="MinQueryIndex", default=0)
    must_revalidate: bool = field(name="MustRevalidate", default=False)
    require_consistent: bool = field(name="RequireConsistent", default=False)
    stale_if_error: int = field(name="StaleIfError", default=0)
    token: str = field(name="Token", default="")
    use_cache: bool = field(name="UseCache", default=False)


class ServiceDumpFields(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Internal.ServiceDump as the peers write it: without filters on meta."""

    service_kind: str = field(name="ServiceKind", default="")
    source: QuerySource = field(name="Source", default_factory=QuerySource)
    use_service_kind: bool = field(name="UseServiceKind", default=False)


class TxnReadRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Txn.Read: operations that only read."""

    ops: list[TxnOp] | None = field(name="Ops", default=None)


class DiscoveryChainRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """DiscoveryChain.Get. `override_connect_timeout` is in nanoseconds."""

    evaluate_in_datacenter: str = field(name="EvaluateInDatacenter", default="")
    evaluate_in_namespace: str = field(name="EvaluateInNamespace", default="")
    name: str = field(name="Name", default="")
    override_connect_timeout: int = field(name="OverrideConnectTimeout", default=0)
    override_mesh_gateway: MeshGatewayConfig = field(name="OverrideMeshGateway", default_factory=MeshGatewayConfig)
    override_protocol: str = field(name="OverrideProtocol", default="")


class Intention(Struct, frozen=True, gc=False, kw_only=True):
    """Who may talk to whom in the mesh. The times are in Go's binary form, see `times`."""

    action: str = field(name="Action", default="")
    create_index: int = field(name="CreateIndex", default=0)
    created_at: bytes = field(name="CreatedAt", default=Timestamp().encode())
    default_addr: str = field(name="DefaultAddr", default="")
    default_port: int = field(name="DefaultPort", default=0)
    description: str = field(name="Description", default="")
    destination_ns: str = field(name="DestinationNS", default="")
    destination_name: str = field(name="DestinationName", default="")
    hash: bytes | None = field(name="Hash", default=None)
    id: str = field(name="ID", default="")
    meta: dict[str, str] | None = field(name="Meta", default=None)
    modify_index: int = field(name="ModifyIndex", default=0)
    precedence: int = field(name="Precedence", default=0)
    source_ns: str = field(name="SourceNS", default="")
    source_name: str = field(name="SourceName", default="")
    source_type: str = field(name="SourceType", default="")
    updated_at: bytes = field(name="UpdatedAt", default=Timestamp().encode())


class IntentionRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Intention.Apply. `op`: create, update, delete."""

    datacenter: str = field(name="Datacenter", default="")
    intention: Intention | None = field(name="Intention", default=None)
    op: str = field(name="Op", default="")
    token: str = field(name="Token", default="")


class IntentionMatchEntry(Struct, frozen=True, gc=False, kw_only=True):
    name: str = field(name="Name", default="")
    namespace: str = field(name="Namespace", default="")


class IntentionMatch(Struct, frozen=True, gc=False, kw_only=True):
    """`type`: source or destination."""

    entries: list[IntentionMatchEntry] | None = field(name="Entries", default=None)
    type: str = field(name="Type", default="")


class IntentionQuery(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Intention.Match, .Get and .Check."""

    check: Any = field(name="Check", default=None)
    intention_id: str = field(name="IntentionID", default="")
    match: IntentionMatch | None = field(name="Match", default=None)


class TxnResult(Struct, frozen=True, gc=False, kw_only=True):
    """What one operation answers; exactly one field is given."""

    check: HealthCheck | None = field(name="Check", default=None)
    kv: KVEntry | None = field(name="KV", default=None)
    node: Node | None = field(name="Node", default=None)
    service: NodeService | None = field(name="Service", default=None)


class TxnError(Struct, frozen=True, gc=False, kw_only=True):
    """Why the operation at a place (from 0) failed."""

    op_index: int = field(name="OpIndex", default=0)
    what: str = field(name="What", default="")


class TxnResponse(Struct, frozen=True, kw_only=True):
    """Results if all went well, else errors; the other is None."""

    errors: list[TxnError] | None = field(name="Errors", default=None)
    results: list[TxnResult] | None = field(name="Results", default=None)


class QueryAnswer(Struct, frozen=True, kw_only=True):
    """Instances with their health; `failovers` counts the other datacenters that were asked."""

    service: str = field(name="Service", default="")
    nodes: list[CheckServiceNode] = field(name="Nodes", default_factory=list)
    dns: QueryDnsOptions = field(name="DNS", default_factory=QueryDnsOptions)
    datacenter: str = field(name="Datacenter", default="")
    failovers: int = field(name="Failovers", default=0)


class RaftServer(Struct, frozen=True, kw_only=True):
    """One server of the Raft configuration."""

    id: str = field(name="ID", default="")
    node: str = field(name="Node", default="")
    address: str = field(name="Address", default="")
    leader: bool = field(name="Leader", default=False)
    protocol_version: str = field(name="ProtocolVersion", default="")
    voter: bool = field(name="Voter", default=False)


class RaftConfiguration(Struct, frozen=True, kw_only=True):
    """Who takes part, and the index of the log entry that says so."""

    servers: list[RaftServer] = field(name="Servers", default_factory=list)
    index: int = field(name="Index", default=0)


class RaftStats(Struct, frozen=True, kw_only=True):
    """`last_contact`: "0" on the leader, "never", or a duration text."""

    last_contact: str = field(name="LastContact", default="")
    last_index: int = field(name="LastIndex", default=0)
    last_term: int = field(name="LastTerm", default=0)


class ServerHealth(Struct, frozen=True, kw_only=True):
    """One server. `last_contact` is a duration text as the peers print it, empty for what the wire has as a negative number."""

    id: str
    name: str
    address: str
    serf_status: str = "alive"
    version: str = ""
    leader: bool = False
    last_contact: str = ""
    last_term: int = 0
    last_index: int = 0
    healthy: bool = False
    voter: bool = False
    stable_since: float | Timestamp = 0.0


class OperatorHealthReply(Struct, frozen=True, kw_only=True):
    """All servers, and how many of them may fail. `servers` is None before the first health round."""

    healthy: bool = False
    failure_tolerance: int = 0
    servers: list[ServerHealth] | None = None


class DatacenterCoordinates(Struct, frozen=True, kw_only=True):
    """The coordinates of a datacenter's servers in the pool that joins the datacenters."""

    datacenter: str = field(name="Datacenter", default="")
    area_id: str = field(name="AreaID", default="wan")
    coordinates: list[NodeCoordinate] = field(name="Coordinates", default_factory=list)

"""Arguments of the reading RPC methods.

Each is hashable, so that equal questions can share one answer: lists are tuples, maps are tuples of pairs. Options that
every read takes are flattened into the request, as on the wire.

Source: reference of the RPC wire, sections 4 and 5.
"""

from msgspec import Struct, field

from muster.model.queries import PreparedQuery


class QuerySource(Struct, frozen=True, gc=False, kw_only=True):
    """From where `near` is measured; a node name of `_agent` was replaced by the asking agent's."""

    datacenter: str = field(name="Datacenter", default="")
    ip: str = field(name="Ip", default="")
    node: str = field(name="Node", default="")
    segment: str = field(name="Segment", default="")


class QueryOptions(Struct, frozen=True, gc=False, kw_only=True):
    """What every read may ask for. Durations are nanoseconds; `min_query_index` 0 means: answer at once."""

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
    datacenter: str = field(name="Datacenter", default="")


class DatacenterRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Catalog.ListNodes, Catalog.ListServices, PreparedQuery.List, Operator.*, Coordinate.ListNodes, …"""

    node_meta_filters: tuple[tuple[str, str], ...] = field(name="NodeMetaFilters", default=())
    source: QuerySource = field(name="Source", default_factory=QuerySource)


class NodeRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Catalog.NodeServices, Catalog.NodeServiceList, Health.NodeChecks, Session.NodeSessions, Coordinate.Node."""

    node: str = field(name="Node", default="")


class ServiceRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Catalog.ServiceNodes, Health.ServiceNodes, Health.ServiceChecks."""

    connect: bool = field(name="Connect", default=False)
    ingress: bool = field(name="Ingress", default=False)
    node_meta_filters: tuple[tuple[str, str], ...] = field(name="NodeMetaFilters", default=())
    service_address: str = field(name="ServiceAddress", default="")
    service_name: str = field(name="ServiceName", default="")
    service_tag: str = field(name="ServiceTag", default="")
    service_tags: tuple[str, ...] = field(name="ServiceTags", default=())
    source: QuerySource = field(name="Source", default_factory=QuerySource)
    tag_filter: bool = field(name="TagFilter", default=False)


class ChecksInStateRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Health.ChecksInState; the state `any` means all."""

    node_meta_filters: tuple[tuple[str, str], ...] = field(name="NodeMetaFilters", default=())
    source: QuerySource = field(name="Source", default_factory=QuerySource)
    state: str = field(name="State", default="")


class KeyRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """KVS.Get (a key) and KVS.List (a prefix)."""

    key: str = field(name="Key", default="")


class KeyListRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """KVS.ListKeys: the keys under a prefix, cut after the first separator behind it."""

    prefix: str = field(name="Prefix", default="")
    separator: str = field(name="Seperator", default="")  # so spelt on the wire


class SessionSpecificRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Session.Get, Session.List, Session.Renew."""

    session: str = field(name="Session", default="")  # the name before 1.7, still sent
    session_id: str = field(name="SessionID", default="")


class PreparedQuerySpecificRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """PreparedQuery.Get."""

    query_id: str = field(name="QueryID", default="")


class PreparedQueryExecuteRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """PreparedQuery.Execute and PreparedQuery.Explain. `agent` is the asking agent, `source` where `near` is measured from."""

    query_id_or_name: str = field(name="QueryIDOrName", default="")
    limit: int = field(name="Limit", default=0)
    connect: bool = field(name="Connect", default=False)
    source: QuerySource = field(name="Source", default_factory=QuerySource)
    agent: QuerySource = field(name="Agent", default_factory=QuerySource)


class PreparedQueryExecuteRemoteRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """PreparedQuery.ExecuteRemote: one datacenter asks another what a query that it holds finds there."""

    query: PreparedQuery = field(name="Query", default_factory=PreparedQuery)
    limit: int = field(name="Limit", default=0)
    connect: bool = field(name="Connect", default=False)


class ConfigEntryQuery(QueryOptions, frozen=True, gc=False, kw_only=True):
    """ConfigEntry.Get (kind and name) and ConfigEntry.List (kind, or empty for every kind)."""

    kind: str = field(name="Kind", default="")
    name: str = field(name="Name", default="")


class ServiceDumpRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Internal.ServiceDump."""

    service_kind: str = field(name="ServiceKind", default="")
    use_service_kind: bool = field(name="UseServiceKind", default=False)
    node_meta_filters: tuple[tuple[str, str], ...] = field(name="NodeMetaFilters", default=())
    source: QuerySource = field(name="Source", default_factory=QuerySource)


class EventFireRequest(QueryOptions, frozen=True, gc=False, kw_only=True):
    """Internal.EventFire."""

    name: str = field(name="Name", default="")
    payload: bytes = field(name="Payload", default=b"")


class RaftRemovePeerRequest(Struct, frozen=True, gc=False, kw_only=True):
    """Operator.RaftRemovePeerByAddress and Operator.RaftRemovePeerByID."""

    address: str = field(name="Address", default="")
    id: str = field(name="ID", default="")
    datacenter: str = field(name="Datacenter", default="")
    token: str = field(name="Token", default="")

"""Prepared queries: stored questions for a service, with filters and failover."""

from msgspec import Struct, field

TEMPLATE_NAME_PREFIX_MATCH = "name_prefix_match"


class QueryDnsOptions(Struct, frozen=True, gc=False, kw_only=True):
    ttl: str = field(name="TTL", default="")


class QueryFailover(Struct, frozen=True, gc=False, kw_only=True):
    """Where to look when this datacenter has no instance: the nearest N others, then the named ones."""

    nearest_n: int = field(name="NearestN", default=0)
    datacenters: list[str] | None = field(name="Datacenters", default=None)


class QueryService(Struct, frozen=True, gc=False, kw_only=True):
    """Which instances a query answers with."""

    service: str = field(name="Service", default="")
    failover: QueryFailover = field(name="Failover", default_factory=QueryFailover)
    only_passing: bool = field(name="OnlyPassing", default=False)
    ignore_check_ids: list[str] | None = field(name="IgnoreCheckIDs", default=None)
    near: str = field(name="Near", default="")
    tags: list[str] | None = field(name="Tags", default=None)
    node_meta: dict[str, str] | None = field(name="NodeMeta", default=None)
    service_meta: dict[str, str] | None = field(name="ServiceMeta", default=None)
    connect: bool = field(name="Connect", default=False)


class QueryTemplate(Struct, frozen=True, gc=False, kw_only=True):
    """Makes a query answer to every name with a prefix."""

    type: str = field(name="Type", default="")
    regexp: str = field(name="Regexp", default="")
    remove_empty_tags: bool = field(name="RemoveEmptyTags", default=False)


class PreparedQuery(Struct, frozen=True, gc=False, kw_only=True):
    id: str = field(name="ID", default="")
    name: str = field(name="Name", default="")
    session: str = field(name="Session", default="")
    token: str = field(name="Token", default="")
    template: QueryTemplate = field(name="Template", default_factory=QueryTemplate)
    service: QueryService = field(name="Service", default_factory=QueryService)
    dns: QueryDnsOptions = field(name="DNS", default_factory=QueryDnsOptions)
    create_index: int = field(name="CreateIndex", default=0)
    modify_index: int = field(name="ModifyIndex", default=0)

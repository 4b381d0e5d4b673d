"""Internal: joined views for the web page, and user events."""

from muster.model.catalog import CheckServiceNode, NodeInfo
from muster.server.context import Context
from muster.server.methods import Methods, PlainRead, Read
from muster.server.rows import filtered, has_meta
from muster.state.watches import WatchSet
from muster.wire.requests import DatacenterRequest, EventFireRequest, NodeRequest, ServiceDumpRequest

USER_EVENT_PREFIX = "consul:event:"


def node_info(context: Context, request: NodeRequest, watch: WatchSet | None) -> tuple[int, list[NodeInfo]]:
    """One node with all that is on it; an empty list if there is none."""
    index, found = context.store.catalog.node_info(request.node, watch=watch)
    return index, [] if found is None else [found]


def node_dump(context: Context, request: DatacenterRequest, watch: WatchSet | None) -> tuple[int, list[NodeInfo]]:
    """All nodes with all that is on them."""
    index, rows = context.store.catalog.node_dump(watch=watch)
    if request.node_meta_filters:
        rows = [row for row in rows if has_meta(row.node.meta, request.node_meta_filters)]
    return index, filtered(rows, request.filter, NodeInfo)


def service_dump(context: Context, request: ServiceDumpRequest, watch: WatchSet | None) -> tuple[int, list[CheckServiceNode]]:
    """All instances, or those of one kind."""
    kind = request.service_kind if request.use_service_kind else None
    index, rows = context.store.catalog.service_dump(kind, watch=watch)
    if request.node_meta_filters:
        rows = [row for row in rows if has_meta(row.node.meta, request.node_meta_filters)]
    return index, filtered(rows, request.filter, CheckServiceNode)


def event_fire(context: Context, request: EventFireRequest) -> None:
    """Hands a user event to all that listen; the payload is the agent's own encoding of it."""
    for listener in context.on_user_event:
        listener(USER_EVENT_PREFIX + request.name, request.payload)


METHODS: Methods = {
    "Internal.NodeInfo": Read(node_info),
    "Internal.NodeDump": Read(node_dump),
    "Internal.ServiceDump": Read(service_dump),
    "Internal.EventFire": PlainRead(event_fire),
}

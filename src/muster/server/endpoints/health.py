"""Health: checks, and instances with the checks of their node and their own."""

from muster.model.catalog import CheckServiceNode, HealthCheck
from muster.model.errors import Rejected
from muster.server.context import Context
from muster.server.endpoints.catalog import indexes_of_service, wanted_tags
from muster.server.methods import Methods, Read
from muster.server.rows import filtered, has_meta, sorted_by_distance
from muster.state.watches import WatchSet
from muster.wire.requests import ChecksInStateRequest, NodeRequest, ServiceRequest


def checks_in_state(context: Context, request: ChecksInStateRequest, watch: WatchSet | None) -> tuple[int, list[HealthCheck]]:
    """All checks of a state; `any` for every one."""
    index, checks = context.store.catalog.checks_in_state(request.state, request.node_meta_filters, watch=watch)
    checks = filtered(checks, request.filter, HealthCheck)
    return index, sorted_by_distance(context, request.source, checks, lambda check: check.node, watch)


def node_checks(context: Context, request: NodeRequest, watch: WatchSet | None) -> tuple[int, list[HealthCheck]]:
    """All checks of a node."""
    index, checks = context.store.catalog.node_checks(request.node, watch=watch)
    return index, filtered(checks, request.filter, HealthCheck)


def service_checks(context: Context, request: ServiceRequest, watch: WatchSet | None) -> tuple[int, list[HealthCheck]]:
    """The checks of all instances of a service."""
    index, checks = context.store.catalog.service_checks(request.service_name, request.node_meta_filters, watch=watch)
    checks = filtered(checks, request.filter, HealthCheck)
    return index, sorted_by_distance(context, request.source, checks, lambda check: check.node, watch)


def service_nodes(context: Context, request: ServiceRequest, watch: WatchSet | None) -> tuple[int, list[CheckServiceNode]]:
    """The instances of a service with node and checks."""
    if not request.service_name:
        raise Rejected("Must provide service name")
    if request.ingress:  # which ingress gateways serve it: no gateway is bound to a service here
        return context.store.indexes.get("gateway-services"), []
    tags = wanted_tags(request)
    index, rows = context.store.catalog.check_service_nodes(request.service_name, tags, connect=request.connect, watch=watch)
    if request.node_meta_filters:
        rows = [row for row in rows if has_meta(row.node.meta, request.node_meta_filters)]
    rows = filtered(rows, request.filter, CheckServiceNode)
    return index, sorted_by_distance(context, request.source, rows, lambda row: row.node.node, watch)


METHODS: Methods = {
    "Health.ChecksInState": Read(checks_in_state),
    "Health.NodeChecks": Read(node_checks, indexes=("checks",)),
    "Health.ServiceChecks": Read(service_checks),
    "Health.ServiceNodes": Read(service_nodes, indexes=indexes_of_service),
}

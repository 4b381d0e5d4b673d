"""Catalog: what is registered."""

import asyncio
from typing import Any

import msgspec

from muster.model.catalog import Node, NodeService, NodeServices, ServiceNode
from muster.model.errors import Rejected
from muster.server.context import Context
from muster.server.methods import Local, Methods, Read, Write
from muster.server.registration import check_node, prepared_check, prepared_service
from muster.server.rows import filtered, has_meta, sorted_by_distance
from muster.state.catalog_tables import service_index
from muster.state.filters import compile_filter
from muster.state.watches import WatchSet
from muster.wire.commands import DeregisterRequest, RegisterRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, NodeRequest, ServiceRequest


def register(context: Context, request: RegisterRequest) -> "asyncio.Future[Reply]":
    """Registers a node, and with it a service and checks."""
    command = checked(request)
    context.registered_after[request.node.lower()] = context.consensus.last_index
    return context.commit(command)


def checked(request: RegisterRequest) -> RegisterRequest:
    """The request as it is logged: one list of checks, ids filled in. Raises Rejected."""
    check_node(request.node, request.id)
    if not request.address and not request.skip_node_update:
        raise Rejected("Must provide address if SkipNodeUpdate is not set")
    changes: dict[str, Any] = {}
    if request.service is not None:
        service = prepared_service(request.service)
        if service is not request.service:
            changes["service"] = service
    if request.check is not None or request.checks:
        checks = list(request.checks or ())
        if request.check is not None:
            checks.append(request.check)
        changes["check"] = None
        changes["checks"] = [prepared_check(check, request.node) for check in checks]
    return msgspec.structs.replace(request, **changes) if changes else request


def deregister(context: Context, request: DeregisterRequest) -> "asyncio.Future[Reply]":
    """Removes a service, a check or a whole node."""
    if not request.node:
        raise Rejected("Must provide node")
    return context.commit(request)


def list_datacenters(context: Context, _request: Any) -> list[str]:
    """The nearest first."""
    return context.datacenters()


def list_nodes(context: Context, request: DatacenterRequest, watch: WatchSet | None) -> tuple[int, list[Node]]:
    """All nodes, or those with some meta."""
    index, nodes = context.store.catalog.nodes(request.node_meta_filters, watch=watch)
    nodes = filtered(nodes, request.filter, Node)
    return index, sorted_by_distance(context, request.source, nodes, lambda node: node.node, watch)


def list_services(context: Context, request: DatacenterRequest, watch: WatchSet | None) -> tuple[int, dict[str, list[str]]]:
    """Names with the tags of all instances."""
    return context.store.catalog.services(request.node_meta_filters, watch=watch)


def service_list(context: Context, request: DatacenterRequest, watch: WatchSet | None) -> tuple[int, list[str]]:
    """Names alone."""
    index, services = context.store.catalog.services((), watch=watch)
    return index, sorted(services)


def wanted_tags(request: ServiceRequest) -> tuple[str, ...]:
    """The tags that every instance must have; clients before 1.3 send a single one in another field."""
    if not request.tag_filter:
        return ()
    return request.service_tags or (request.service_tag,)


def indexes_of_service(request: ServiceRequest) -> tuple[str, ...]:
    """Where the index of an answer about a service comes from while it exists; else it is never equal to the answer's."""
    return (service_index(request.service_name),)


def service_nodes(context: Context, request: ServiceRequest, watch: WatchSet | None) -> tuple[int, list[ServiceNode]]:
    """The instances of a service."""
    if not request.service_name and not request.service_address:
        raise Rejected("Must provide service name")
    catalog = context.store.catalog
    if request.connect:
        index, joined = catalog.check_service_nodes(request.service_name, wanted_tags(request), connect=True, watch=watch)
        rows = [ServiceNode(node=row.node, service=row.service) for row in joined]
    else:
        index, rows = catalog.service_nodes(request.service_name, wanted_tags(request), watch=watch)
    if request.service_address:
        rows = [row for row in rows if row.service.address == request.service_address]
    if request.node_meta_filters:
        rows = [row for row in rows if has_meta(row.node.meta, request.node_meta_filters)]
    rows = filtered(rows, request.filter, ServiceNode)
    return index, sorted_by_distance(context, request.source, rows, lambda row: row.node.node, watch)


def node_services(context: Context, request: NodeRequest, watch: WatchSet | None) -> tuple[int, NodeServices | None]:
    """A node with its services, or None."""
    if not request.node:
        raise Rejected("Must provide node")
    index, found = context.store.catalog.node_services(request.node, watch=watch)
    if request.filter:
        holds = compile_filter(request.filter, NodeService)
        if found is not None:
            found = NodeServices(node=found.node, services=[service for service in found.services if holds(service)])
    return (0 if found is None else index), found  # of an unknown node the peers tell no index


METHODS: Methods = {
    "Catalog.Register": Write(register),
    "Catalog.Deregister": Write(deregister),
    "Catalog.ListDatacenters": Local(list_datacenters),
    "Catalog.ListNodes": Read(list_nodes, indexes=("nodes",)),
    "Catalog.ListServices": Read(list_services),
    "Catalog.ServiceList": Read(service_list, indexes=("services",)),
    "Catalog.ServiceNodes": Read(service_nodes, indexes=indexes_of_service),
    "Catalog.NodeServices": Read(node_services, indexes=("nodes", "services")),
    "Catalog.NodeServiceList": Read(node_services, indexes=("nodes", "services")),
}

"""/v1/catalog: nodes, services, and registering them from outside."""

from typing import Any

from msgspec.structs import replace

from muster.http.answers import ask_cached, is_pretty, json_answer, read_cached, read_with_level, then, truth
from muster.http.bodies import decode
from muster.http.dispatch import text
from muster.http.encoding import encode
from muster.http.lists import ListView
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import consistency_options, node_meta, read_options, required, source, token
from muster.http.routing import Context
from muster.http.translation import translating
from muster.http.views import node_service, service_node
from muster.model.catalog import Node, NodeServices
from muster.model.errors import BadRequest
from muster.wire.commands import DeregisterRequest, RegisterRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, NodeRequest, QueryOptions, ServiceRequest


def register(request: Request, context: Context) -> Outcome:
    """PUT: a node, a service, checks. Only the body names the datacenter."""
    given = decode(RegisterRequest, request.body)
    command = replace(given, datacenter=given.datacenter or context.settings.datacenter, token=given.token or token(request, context))
    return then(context.agent.call("Catalog.Register", command), truth, request, context)


def deregister(request: Request, context: Context) -> Outcome:
    """PUT: removes a node, a service or a check."""
    given = decode(DeregisterRequest, request.body)
    command = replace(given, datacenter=given.datacenter or context.settings.datacenter, token=given.token or token(request, context))
    return then(context.agent.call("Catalog.Deregister", command), truth, request, context)


def datacenters(request: Request, context: Context) -> Outcome:
    """GET: the names of all datacenters, the nearest first."""
    try:
        options = consistency_options(request, context)
    except BadRequest as error:
        return then(context.agent.call("Catalog.ListDatacenters", DatacenterRequest()), _complaint, request, context, str(error))
    question = DatacenterRequest(datacenter=context.settings.datacenter, **options)
    if question.use_cache:
        return ask_cached(context, "Catalog.ListDatacenters", question, _datacenters, request, context, refuse=None)
    return then(context.agent.call("Catalog.ListDatacenters", question), _datacenters, request, context)


def _datacenters(reply: Reply, request: Request, context: Context, extra: bytes = b"") -> Response:
    return json_answer(reply.value or [], request, context, headers=extra)


def _complaint(reply: Reply, request: Request, context: Context, complaint: str) -> Response:
    """The peers complain here and go on: the list follows the text."""
    return text(400, complaint + encode(reply.value or [], is_pretty(request, context)).decode())


def nodes(request: Request, context: Context) -> Outcome:
    """GET: all nodes."""
    question = _whole(request, context)
    return read_with_level(context, request, "Catalog.ListNodes", question, translating(context, question.datacenter, NODES))


def _itself(row: Node) -> Node:
    return row


NODES = ListView(_itself, slice_rows=500)


def services(request: Request, context: Context) -> Outcome:
    """GET: the names of all services with their tags. A filter is ignored."""
    question = replace(_whole(request, context), filter="")
    return read_cached(context, request, "Catalog.ListServices", question, _service_tags)


def _service_tags(names: dict[str, list[str]] | None) -> dict[str, list[str]]:
    return {name: tags or [] for name, tags in (names or {}).items()}


def _whole(request: Request, context: Context) -> DatacenterRequest:
    options = read_options(request, context)
    return DatacenterRequest(node_meta_filters=node_meta(request), source=source(request, context), **options)


def service_question(request: Request, context: Context, connect: bool = False, ingress: bool = False) -> ServiceRequest:
    """The question for the instances of the service that the path names."""
    options = read_options(request, context)
    tags = tuple(request.query.get("tag", ())) if request.raw_query else ()
    return ServiceRequest(
        service_name=required(request.rest, "Missing service name"),
        connect=connect,
        ingress=ingress,
        service_tags=tags,
        tag_filter=bool(tags),
        node_meta_filters=node_meta(request),
        source=source(request, context),
        **options,
    )


def service(request: Request, context: Context) -> Outcome:
    """GET: the instances of a service."""
    return _service_nodes(request, context, service_question(request, context))


def connect(request: Request, context: Context) -> Outcome:
    """GET: the instances that speak for a service in the mesh."""
    return _service_nodes(request, context, service_question(request, context, connect=True))


def _service_nodes(request: Request, context: Context, question: ServiceRequest) -> Outcome:
    view = translating(context, question.datacenter, SERVICE_NODES)
    return read_cached(context, request, "Catalog.ServiceNodes", question, view)


SERVICE_NODES = ListView(service_node)


def node_question(request: Request, context: Context) -> NodeRequest:
    """The question about the node that the path names."""
    options = read_options(request, context)
    return NodeRequest(node=required(request.rest, "Missing node name"), **options)


def node(request: Request, context: Context) -> Outcome:
    """GET: a node and its services by their ids; `null` if there is no such node."""
    question = node_question(request, context)
    return read_with_level(context, request, "Catalog.NodeServices", question, translating(context, question.datacenter, _by_id))


def _by_id(found: NodeServices | None) -> Any:
    if found is None:
        return None
    return {"Node": found.node, "Services": {one.id: node_service(one) for one in found.services}}


def node_services(request: Request, context: Context) -> Outcome:
    """GET: a node and the list of its services."""
    question = node_question(request, context)
    view = translating(context, question.datacenter, _filtered if question.filter else _listed)
    return read_with_level(context, request, "Catalog.NodeServiceList", question, view)


def _listed(found: NodeServices | None) -> Any:
    if found is None:
        return {"Node": None, "Services": None}
    return {"Node": found.node, "Services": [node_service(one) for one in found.services] or None}


def _filtered(found: NodeServices | None) -> Any:
    """A filter that leaves nothing leaves an empty list, where otherwise null stands."""
    shown = _listed(found)
    return shown if found is None else shown | {"Services": shown["Services"] or []}


def gateway_services(request: Request, context: Context) -> Outcome:
    """GET: what a gateway serves; the mesh is not run here, so nothing."""
    required(request.rest, "Missing gateway name")
    question = QueryOptions(**read_options(request, context))
    return then(Reply(value=[]), _nothing_served, request, context, question)


def _nothing_served(reply: Reply, request: Request, context: Context, question: QueryOptions) -> Response:
    return json_answer(reply.value, request, context)

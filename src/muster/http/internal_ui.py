"""/v1/internal/ui: what the web page asks for."""

from typing import Any

from muster.http.answers import ask, read, read_answer
from muster.http.catalog import node_question
from muster.http.lists import ListView
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import read_options
from muster.http.routing import Context
from muster.http.views import health_check, node_service
from muster.model.catalog import CRITICAL, PASSING, WARNING, CheckServiceNode, NodeInfo
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, ServiceDumpRequest

EXTERNAL_SOURCE = "external-source"  # metadata of an instance that a tool registered


def nodes(request: Request, context: Context) -> Outcome:
    """GET: all nodes with their services and checks."""
    return read(context, request, "Internal.NodeDump", DatacenterRequest(**read_options(request, context)), DUMP)


def node(request: Request, context: Context) -> Outcome:
    """GET: one node."""
    return ask(context, "Internal.NodeInfo", node_question(request, context), _node, request, context)


def _node(reply: Reply, request: Request, context: Context) -> Response:
    if not reply.value:
        return Response(404)
    return read_answer(reply, request, context, _one)


def _one(found: Any) -> Any:
    return node_info(found[0] if isinstance(found, list) else found)


def node_info(row: NodeInfo) -> dict[str, Any]:
    host = row.node
    return {
        "ID": host.id,
        "Node": host.node,
        "Address": host.address,
        "TaggedAddresses": host.tagged_addresses,
        "Meta": host.meta,
        "Services": [node_service(one, null_tags=True) for one in row.services],
        "Checks": [health_check(one, null_tags=True) for one in row.checks],
    }


DUMP = ListView(node_info, slice_rows=20)


def services(request: Request, context: Context) -> Outcome:
    """GET: the services with counts of their instances and checks."""
    return read(context, request, "Internal.ServiceDump", ServiceDumpRequest(**read_options(request, context)), summaries)


def summaries(rows: list[CheckServiceNode] | None) -> list[dict[str, Any]]:
    """One row for each service, by name. A node's checks count once for each instance that runs there, as with the peers."""
    by_name: dict[str, dict[str, Any]] = {}
    for row in rows or ():
        found = by_name.setdefault(row.service.service, _empty_summary(row))
        found["InstanceCount"] += 1
        found["Nodes"].append(row.node.node)
        if row.service.tags:
            found["Tags"] = sorted({*(found["Tags"] or ()), *row.service.tags})
        external = (row.service.meta or {}).get(EXTERNAL_SOURCE)
        if external:
            found["ExternalSources"] = sorted({*(found["ExternalSources"] or ()), external})
        for check in row.checks:
            if check.status in _COUNTERS:
                found[_COUNTERS[check.status]] += 1
    return [by_name[name] for name in sorted(by_name)]


_COUNTERS = {PASSING: "ChecksPassing", WARNING: "ChecksWarning", CRITICAL: "ChecksCritical"}


def _empty_summary(row: CheckServiceNode) -> dict[str, Any]:
    kind: dict[str, Any] = {"Kind": row.service.kind} if row.service.kind else {}
    return kind | {
        "Name": row.service.service,
        "Tags": None,
        "Nodes": [],
        "InstanceCount": 0,
        "ChecksPassing": 0,
        "ChecksWarning": 0,
        "ChecksCritical": 0,
        "ExternalSources": None,
        "GatewayConfig": {},
    }

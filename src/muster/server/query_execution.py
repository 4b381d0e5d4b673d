"""What a prepared query answers: filters, order and limit, on copies of the catalog's lists.

Source: recorded answers query-execute.json; order of the steps as in the peer's answers.
"""

from msgspec import Struct, field

from muster.model.catalog import CRITICAL, PASSING, CheckServiceNode
from muster.model.queries import PreparedQuery, QueryDnsOptions
from muster.server.context import Context
from muster.server.rows import has_meta, sorted_by_distance
from muster.wire.requests import PreparedQueryExecuteRemoteRequest, PreparedQueryExecuteRequest, QuerySource

AGENT = "_agent"
BY_ADDRESS = "_ip"
NEAREST_LOOKED_AT = 10  # so far down the sorted list the asked-for node itself is looked for, to be put first


class QueryAnswer(Struct, frozen=True, kw_only=True):
    """Instances with their health; `failovers` counts the other datacenters that were asked."""

    service: str = field(name="Service")
    nodes: list[CheckServiceNode] = field(name="Nodes")
    dns: QueryDnsOptions = field(name="DNS")
    datacenter: str = field(name="Datacenter")
    failovers: int = field(name="Failovers", default=0)


def run(context: Context, query: PreparedQuery, request: PreparedQueryExecuteRequest) -> QueryAnswer:
    """The answer of this datacenter, for who asked here."""
    rows = matching(context, query, request.connect)
    context.random.shuffle(rows)
    source = _source(context, query, request)
    rows = sorted_by_distance(context, source, rows, lambda row: row.node.node)
    if source.node and source.datacenter == context.settings.datacenter:
        _put_first(rows, source.node)
    return _answer(context, query, rows, request.limit)


def run_for_another(context: Context, request: PreparedQueryExecuteRemoteRequest) -> QueryAnswer:
    """The answer of this datacenter for another one, which found nothing itself: in any order, since all is as far away."""
    rows = matching(context, request.query, request.connect)
    context.random.shuffle(rows)
    return _answer(context, request.query, rows, request.limit)


def _answer(context: Context, query: PreparedQuery, rows: list[CheckServiceNode], limit: int) -> QueryAnswer:
    if limit > 0:
        rows = rows[:limit]
    return QueryAnswer(service=query.service.service, nodes=rows, dns=query.dns, datacenter=context.settings.datacenter)


def matching(context: Context, query: PreparedQuery, connect: bool) -> list[CheckServiceNode]:
    """The instances that pass all of the query's filters, in the catalog's order, as a list of its own."""
    wanted = query.service
    _, rows = context.store.catalog.check_service_nodes(wanted.service, (), connect=connect or wanted.connect)
    ignored = set(wanted.ignore_check_ids or ())
    node_meta = tuple((wanted.node_meta or {}).items())
    service_meta = tuple((wanted.service_meta or {}).items())
    needed, unwanted = _tags(wanted.tags or ())
    return [
        row
        for row in rows
        if _is_healthy(row, wanted.only_passing, ignored)
        and has_meta(row.node.meta, node_meta)
        and has_meta(row.service.meta, service_meta)
        and _has_tags(row, needed, unwanted)
    ]


def _is_healthy(row: CheckServiceNode, only_passing: bool, ignored: set[str]) -> bool:
    for check in row.checks:
        if check.check_id in ignored:
            continue
        if check.status == CRITICAL or (only_passing and check.status != PASSING):
            return False
    return True


def _tags(tags: list[str] | tuple[str, ...]) -> tuple[set[str], set[str]]:
    """Those that must be there and those that must not (`!tag`); case does not matter."""
    lowered = [tag.lower() for tag in tags]
    return {tag for tag in lowered if tag and tag[0] != "!"}, {tag[1:] for tag in lowered if tag[:1] == "!"}


def _has_tags(row: CheckServiceNode, needed: set[str], unwanted: set[str]) -> bool:
    if not needed and not unwanted:
        return True
    held = {tag.lower() for tag in row.service.tags or ()}
    return needed <= held and not unwanted & held


def _source(context: Context, query: PreparedQuery, request: PreparedQueryExecuteRequest) -> QuerySource:
    """From where distances are measured: what the asker says before what the query says."""
    asked = request.source
    node = asked.node or query.service.near
    if node == AGENT:
        node = request.agent.node
    elif node == BY_ADDRESS:
        nodes = context.store.catalog.nodes(())[1] if asked.ip else []
        node = next((known.node for known in nodes if known.address == asked.ip), "")
    return QuerySource(datacenter=asked.datacenter or request.agent.datacenter, node=node, ip=asked.ip, segment=asked.segment)


def _put_first(rows: list[CheckServiceNode], node: str) -> None:
    for place, row in enumerate(rows[:NEAREST_LOOKED_AT]):
        if row.node.node == node:
            rows[0], rows[place] = rows[place], rows[0]
            return

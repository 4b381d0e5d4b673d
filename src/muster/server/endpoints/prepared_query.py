"""PreparedQuery: stored questions."""

import asyncio

import msgspec

from muster.model.durations import InvalidDuration, parse_duration
from muster.model.errors import MusterError, NotFound, Rejected
from muster.model.queries import PreparedQuery, QueryService
from muster.server.context import Context
from muster.server.methods import Methods, PlainRead, Read, Write
from muster.server.query_execution import QueryAnswer, run, run_for_another
from muster.server.query_failover import fail_over, failover_order
from muster.state.watches import WatchSet
from muster.wire.commands import PreparedQueryRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, PreparedQueryExecuteRequest, PreparedQuerySpecificRequest, QuerySource

CREATE, UPDATE, DELETE = "create", "update", "delete"
REDACTED_TOKEN = "<hidden>"  # what stands in answers for a token that the asker may not see
META_KEY_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
META_KEY_LENGTH = 128
META_VALUE_LENGTH = 512
META_PAIRS = 64


def apply(context: Context, request: PreparedQueryRequest) -> "asyncio.Future[Reply]":
    """Creates a query under a new id, changes or deletes one."""
    query = request.query or PreparedQuery()
    if request.op == CREATE:
        if query.id:
            raise Rejected("ID must be empty when creating a new prepared query")
        query = msgspec.structs.replace(query, id=context.unused_uuid(lambda made: context.store.queries.get(made)[1] is not None))
    elif request.op in (UPDATE, DELETE):
        _require_query(context, query.id)
    else:
        raise Rejected(f"Unknown prepared query operation: {request.op}")
    if request.op != DELETE:
        try:
            check(query)
        except Rejected as error:
            raise Rejected(f"Invalid prepared query: {error}") from None
    return context.commit(msgspec.structs.replace(request, query=query))


def _require_query(context: Context, query_id: str) -> None:
    try:
        _, known = context.store.queries.get(query_id)
    except MusterError as error:
        raise Rejected(f"Prepared Query lookup failed: {error}") from None
    if known is None:
        raise Rejected(f"Cannot modify non-existent prepared query: '{query_id}'")


def check(query: PreparedQuery) -> None:
    """Raises Rejected for what is wrong with a definition."""
    if not query.name and not query.template.type and not query.session:
        raise Rejected("Must be bound to a session")
    if query.token == REDACTED_TOKEN:
        raise Rejected(f"Bad Token '{query.token}', it looks like a query definition with a redacted token was submitted")
    _check_service(query.service)
    text = query.dns.ttl
    if text:
        try:
            ttl = parse_duration(text)
        except InvalidDuration as error:
            raise Rejected(f"Bad DNS TTL '{text}': {error}") from None
        if ttl < 0:
            raise Rejected(f"DNS TTL '{ttl}', must be >=0")


def _check_service(service: QueryService) -> None:
    if not service.service:
        raise Rejected("Must provide a Service name to query")
    if service.failover.nearest_n < 0:
        raise Rejected(f"Bad NearestN '{service.failover.nearest_n}', must be >= 0")
    meta = service.node_meta or {}
    if len(meta) > META_PAIRS:
        raise Rejected(f"Node metadata cannot contain more than {META_PAIRS} key/value pairs")
    for key, value in meta.items():
        wrong = _meta_error(key, value)
        if wrong:
            raise Rejected(f"Couldn't load metadata pair ('{key}', '{value}'): {wrong}")


def _meta_error(key: str, value: str) -> str:
    if not key:
        return "Key cannot be blank"
    if not META_KEY_LETTERS.issuperset(key):
        return "Key contains invalid characters"
    if len(key) > META_KEY_LENGTH:
        return f"Key is too long (limit: {META_KEY_LENGTH} characters)"
    if len(value) > META_VALUE_LENGTH:
        return f"Value is too long (limit: {META_VALUE_LENGTH} characters)"
    return ""


class QueryNotFound(NotFound):
    """No query of that id or name. The HTTP edge knows the text."""

    def __init__(self) -> None:
        super().__init__("Query not found")


def get(context: Context, request: PreparedQuerySpecificRequest, watch: WatchSet | None) -> tuple[int, PreparedQuery]:
    """One query by its id."""
    index, query = context.store.queries.get(request.query_id, watch=watch)
    if query is None:
        raise QueryNotFound()
    return index, query


def list_queries(context: Context, _request: DatacenterRequest, watch: WatchSet | None) -> tuple[int, list[PreparedQuery]]:
    """All queries."""
    index, queries = context.store.queries.list(watch=watch)
    return index, queries


def _resolved(context: Context, request: PreparedQueryExecuteRequest, source: QuerySource) -> PreparedQuery:
    query = context.store.queries.resolve(request.query_id_or_name, source)
    if query is None:
        raise QueryNotFound()
    return query


def explain(context: Context, request: PreparedQueryExecuteRequest) -> PreparedQuery:
    """The query that a name resolves to, its template filled in."""
    return _resolved(context, request, request.agent)


def execute(context: Context, request: PreparedQueryExecuteRequest) -> "QueryAnswer | asyncio.Future[Reply]":
    """The instances that the query asks for; where there are none here, those of the other datacenters that it names."""
    query = _resolved(context, request, request.agent)
    answer = run(context, query, request)
    if answer.nodes:
        return answer
    candidates = failover_order(context, query.service.failover)
    return fail_over(context, query, request, answer, candidates) if candidates else answer


METHODS: Methods = {
    "PreparedQuery.Apply": Write(apply),
    "PreparedQuery.Get": Read(get, kept=False),
    "PreparedQuery.List": Read(list_queries, indexes=("prepared-queries",)),
    "PreparedQuery.Explain": PlainRead(explain),
    "PreparedQuery.Execute": PlainRead(execute),
    "PreparedQuery.ExecuteRemote": PlainRead(run_for_another),
}

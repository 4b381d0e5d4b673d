"""/v1/query: prepared queries, stored and run."""

from functools import partial
from typing import Any

from msgspec.structs import replace

from muster.http import bodies
from muster.http.answers import ask_cached, json_answer, level, meta, nothing, read_answer, read_with_level, refused_read, then
from muster.http.lists import ListView
from muster.http.messages import TEXT, Outcome, Request, Response
from muster.http.parameters import client_address, read_options, write_target
from muster.http.routing import Context
from muster.http.translation import translating
from muster.http.views import check_service_node
from muster.model.errors import MusterError, NotFound, Rejected
from muster.model.queries import PreparedQuery
from muster.wire.commands import PreparedQueryRequest
from muster.wire.replies import Reply
from muster.wire.requests import (
    DatacenterRequest,
    PreparedQueryExecuteRequest,
    PreparedQuerySpecificRequest,
    QueryOptions,
    QuerySource,
)

INSTANCES = ListView(partial(check_service_node, as_stored=True))
QUERY_NOT_FOUND = "Query not found"
_PARTS = ("/execute", "/explain")


class BadLimit(MusterError):
    """The limit is no number."""


def list_all(request: Request, context: Context) -> Outcome:
    """GET: all queries."""
    return read_with_level(context, request, "PreparedQuery.List", DatacenterRequest(**read_options(request, context)), _listed)


def _listed(rows: list[PreparedQuery] | None) -> list[PreparedQuery]:
    return rows or []


def create(request: Request, context: Context) -> Outcome:
    """POST: a new query; the answer is its id."""
    query = bodies.decode(PreparedQuery, request.body) or PreparedQuery()  # a request without one ends the process of a peer that leads
    command = PreparedQueryRequest(op="create", query=query, **write_target(request, context))
    return then(context.agent.call("PreparedQuery.Apply", command), _created, request, context)


def _created(reply: Reply, request: Request, context: Context) -> Response:
    return json_answer({"ID": reply.value}, request, context)


def one(request: Request, context: Context) -> Outcome:
    """All methods under an id: the query itself, or running or explaining it."""
    path, method = request.rest, request.method
    for part in _PARTS:
        if path.endswith(part):
            return _part(request, context, path.removesuffix(part), part)
    if method == "GET":
        return _get(request, context)
    if method == "PUT":
        return _update(request, context)
    if method == "DELETE":
        return _delete(request, context)
    return _not_allowed(request, context, "GET,PUT,DELETE")


def _part(request: Request, context: Context, name: str, part: str) -> Outcome:
    if request.method != "GET":
        return _not_allowed(request, context, "GET")
    return _execute(request, context, name) if part == "/execute" else _explain(request, context, name)


def _not_allowed(request: Request, context: Context, allow: str) -> Response:
    """These paths answer OPTIONS and wrong methods themselves, a little unlike all others."""
    if request.method == "OPTIONS":
        return json_answer({}, request, context, headers=f"Allow: OPTIONS,{allow}\r\n".encode())
    return Response(405, f"Allow: {allow}\r\n".encode() + TEXT, f"method {request.method} not allowed".encode())


def _get(request: Request, context: Context) -> Outcome:
    question = PreparedQuerySpecificRequest(query_id=request.rest, **read_options(request, context))
    return ask_or_not_found(context, "PreparedQuery.Get", question, read_answer, request, context, _as_list, level(question))


def _as_list(found: Any) -> list[PreparedQuery]:
    return [found] if isinstance(found, PreparedQuery) else found or []


def ask_or_not_found(context: Context, method: str, question: Any, answer: Any, *arguments: Any) -> Outcome:
    """As `answers.ask`, but a query that is not there is a plain 404."""
    try:
        outcome = context.agent.call(method, question)
    except MusterError as error:
        return _refused(error)
    return then(outcome, _found, answer, arguments, refuse=_refused)


def _found(reply: Reply, answer: Any, arguments: tuple[Any, ...]) -> Outcome:
    if reply.value is None or reply.value == []:
        raise NotFound(QUERY_NOT_FOUND)
    result: Outcome = answer(reply, *arguments)
    return result


def _refused(error: Exception) -> Response:
    if isinstance(error, MusterError) and error.wire_text.endswith(QUERY_NOT_FOUND):
        return Response(404, TEXT, error.wire_text.encode("utf-8", "surrogateescape"))
    return refused_read(error)


def _update(request: Request, context: Context) -> Outcome:
    given = bodies.decode(PreparedQuery, request.body) if request.body else None
    query = replace(given or PreparedQuery(), id=request.rest)
    command = PreparedQueryRequest(op="update", query=query, **write_target(request, context))
    return then(context.agent.call("PreparedQuery.Apply", command), nothing)


def _delete(request: Request, context: Context) -> Outcome:
    command = PreparedQueryRequest(op="delete", query=PreparedQuery(id=request.rest), **write_target(request, context))
    return then(context.agent.call("PreparedQuery.Apply", command), nothing)


def _execute_question(request: Request, context: Context, name: str) -> PreparedQueryExecuteRequest:
    options = read_options(request, context)
    query, settings = request.query, context.settings
    limit = query.first("limit")
    if limit and not (limit.removeprefix("-").isascii() and limit.removeprefix("-").isdigit()):
        raise BadLimit(f'Bad limit: strconv.Atoi: parsing "{limit}": invalid syntax')
    near = query.first("near")
    return PreparedQueryExecuteRequest(
        query_id_or_name=name,
        limit=int(limit[:18]) if limit else 0,
        connect=query.first("connect") in ("1", "t", "T", "TRUE", "true", "True"),
        source=QuerySource(
            datacenter=settings.datacenter if near else "",
            node=settings.node_name if near == "_agent" else near,
            ip=client_address(request) if near == "_ip" else "",
        ),
        agent=QuerySource(datacenter=settings.datacenter, node=settings.node_name),
        **options,
    )


def _execute(request: Request, context: Context, name: str) -> Outcome:
    question = _execute_question(request, context, name)
    if not question.use_cache:
        return ask_or_not_found(context, "PreparedQuery.Execute", question, _executed, request, context, question, b"")
    return ask_cached(context, "PreparedQuery.Execute", question, _executed, request, context, question, refuse=_refused_by_cache)


def _refused_by_cache(error: MusterError) -> Response:
    """Of a question to the cache also a query that is not there is a plain failure."""
    return refused_read(Rejected(error.wire_text))


def _executed(reply: Reply, request: Request, context: Context, question: QueryOptions, extra: bytes) -> Response:
    result = reply.value
    view: ListView = translating(context, result.datacenter, INSTANCES)
    shown = {
        "Service": result.service,
        "Nodes": view(result.nodes),
        "DNS": result.dns,
        "Datacenter": result.datacenter,
        "Failovers": result.failovers,
    }
    return _with_meta(shown, reply, request, context, question, extra)


def _explain(request: Request, context: Context, name: str) -> Outcome:
    question = _execute_question(request, context, name)
    return ask_or_not_found(context, "PreparedQuery.Explain", question, _explained, request, context, question)


def _explained(reply: Reply, request: Request, context: Context, question: QueryOptions) -> Response:
    query = reply.value if isinstance(reply.value, PreparedQuery) else reply.value.query
    return _with_meta({"Query": query}, reply, request, context, question, b"")


def _with_meta(shown: dict[str, Any], reply: Reply, request: Request, context: Context, question: QueryOptions, extra: bytes) -> Response:
    """These answers repeat in the body what others tell in headers only; the index there is always 0."""
    word = "consistent" if question.require_consistent else "stale" if question.allow_stale else "leader"
    shown |= {"Index": 0, "LastContact": reply.last_contact, "KnownLeader": reply.known_leader, "ConsistencyLevel": word}
    headers = extra + level(question) + meta(Reply(value=None, known_leader=reply.known_leader, last_contact=reply.last_contact))
    return json_answer(shown, request, context, headers=headers)

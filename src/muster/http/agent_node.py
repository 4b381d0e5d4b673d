"""/v1/agent: the agent itself, its pool, its log, its metrics and its life."""

import asyncio
from collections.abc import AsyncIterator

from muster.agent.logging import Monitor, level_number
from muster.agent.process import host as describe_host
from muster.agent.telemetry import prometheus, summary
from muster.http.agent_services import enabled
from muster.http.answers import EMPTY, json_answer
from muster.http.dispatch import text
from muster.http.messages import Outcome, Pending, Request, Response
from muster.http.parameters import token
from muster.http.routing import Context
from muster.model.errors import BadRequest

PROMETHEUS = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"


def describe(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/self."""
    return json_answer(context.agent.self_description(), request, context)


def host(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/host."""
    return json_answer(describe_host(context.clock.wall()), request, context)


def members(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/members?wan=1&segment=…"""
    query = request.query
    wan, segment = bool(query.first("wan")), query.first("segment")
    if wan and segment not in ("", "_all"):
        raise BadRequest("Cannot provide a segment with wan=true")
    return json_answer(context.agent.members(wan, segment) or None, request, context)  # a client is in no pool of servers: null, not []


def metrics(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/metrics, as JSON or in Prometheus' format."""
    measured = context.agent.metrics
    accepts = request.header(b"accept")
    if request.query.first("format") == "prometheus" or "version=0.0.4" in accepts or "openmetrics-text" in accepts:
        if measured.settings.retention <= 0:
            return text(415, "Prometheus is not enabled since its retention time is not positive")
        return Response(200, PROMETHEUS, prometheus(measured).encode("utf-8", "replace"))
    return json_answer(summary(measured.finished()), request, context)


def monitor(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/monitor: the log as it is written, from `loglevel` up, with `logjson` as JSON lines."""
    query = request.query
    name = query.first("loglevel") or "INFO"
    try:
        level = level_number(name)
    except BadRequest as error:
        raise BadRequest(f"Bad request: {error}") from error
    return Response(200, b"", _lines(Monitor(level, "logjson" in query)))


async def _lines(lines: Monitor) -> AsyncIterator[bytes]:
    async for line in lines.lines():
        yield line


def reload(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/reload."""
    context.agent.reload()
    return EMPTY


def maintenance(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/maintenance?enable=…&reason=…"""
    enable = enabled(request)
    context.agent.registrar.set_node_maintenance(enable, request.query.first("reason"), token(request, context))
    return EMPTY


def join(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/join/:address?wan=1"""
    wan = request.raw_query != b"" and request.query.first("wan") == "1"
    return Pending(asyncio.ensure_future(context.agent.join(request.rest, wan)), _done, ())


def leave(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/leave: answers when the pool knows it; the process ends afterwards."""
    return Pending(asyncio.ensure_future(context.agent.leave()), _done, ())


def _done(result: object) -> Response:
    return EMPTY


def force_leave(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/force-leave/:node?prune"""
    prune = request.raw_query != b"" and "prune" in request.query
    context.agent.force_leave(request.rest, prune)
    return EMPTY


def set_token(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/token/:kind."""
    context.agent.set_token(request.rest, "")
    return EMPTY

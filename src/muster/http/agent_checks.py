"""/v1/agent/checks and /v1/agent/check: the checks of this host."""

from msgspec import Struct, field

from muster.agent import shapes
from muster.agent.decoding import from_json, read_json
from muster.agent.definitions import parse_check
from muster.agent.registrar import REMOTE, refused_unless_known
from muster.http.agent_services import filtered
from muster.http.answers import EMPTY, json_answer
from muster.http.messages import Outcome, Request
from muster.http.parameters import token
from muster.http.routing import Context
from muster.model.catalog import CRITICAL, PASSING, WARNING, HealthCheck
from muster.model.errors import Rejected

FILTER_PREFIX = "Failed to create boolean expression evaluator: "


class CheckUpdate(Struct, frozen=True, kw_only=True):
    """Body of /v1/agent/check/update."""

    status: str = field(name="Status", default="")
    output: str = field(name="Output", default="")


def checks(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/checks: all, or those that a filter passes."""
    found = context.agent.local.checks()
    try:
        chosen = filtered(request, found, HealthCheck)
    except Rejected as error:
        if _is_unparsable(error):
            raise
        # Of all endpoints with a filter only this one looks at the fields when it meets a check: later than where the prefix is set.
        if found:
            raise Rejected(str(error).removeprefix(FILTER_PREFIX)) from error
        chosen = found
    answer = {name: {**shapes.health_check(chosen[name]), "ServiceTags": chosen[name].service_tags or []} for name in sorted(chosen)}
    return json_answer(answer, request, context)


def _is_unparsable(error: Rejected) -> bool:
    """Whether the expression is no sentence of the grammar: such errors begin with the place."""
    return str(error).removeprefix(FILTER_PREFIX)[:1].isdigit()


def register(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/check/register."""
    definition = parse_check(read_json(request.body))
    context.agent.registrar.register_check(definition, REMOTE, token(request, context))
    return EMPTY


def deregister(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/check/deregister/:id."""
    context.agent.registrar.deregister_check(request.rest)
    return EMPTY


def succeed(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/check/pass/:id?note=…"""
    return _report(request, context, PASSING)


def warn(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/check/warn/:id?note=…"""
    return _report(request, context, WARNING)


def fail(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/check/fail/:id?note=…"""
    return _report(request, context, CRITICAL)


def _report(request: Request, context: Context, status: str) -> Outcome:
    note = request.query.first("note") if request.raw_query else ""
    context.agent.registrar.report_ttl(request.rest, status, note)
    return EMPTY


def update(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/check/update/:id."""
    given = from_json(CheckUpdate, read_json(request.body))
    refused_unless_known(given.status)
    context.agent.registrar.report_ttl(request.rest, given.status, given.output)
    return EMPTY

"""/v1/agent/services, /v1/agent/service, /v1/agent/health: the services of this host."""

import asyncio
import hashlib
import json
from typing import Any

from muster.agent import shapes
from muster.agent.decoding import read_json
from muster.agent.definitions import parse_service
from muster.agent.registrar import REMOTE
from muster.http.answers import EMPTY, json_answer
from muster.http.dispatch import text
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import read_options, token
from muster.http.routing import Context
from muster.model.catalog import NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX, HealthCheck, NodeService
from muster.model.durations import MINUTE, seconds
from muster.model.errors import BadRequest, Rejected

DEFAULT_WAIT = 10 * MINUTE  # that a question with a hash waits
PLAIN = b"Content-Type: text/plain\r\n"
STATUS_CODES = {"passing": 200, "warning": 429, "critical": 503, "maintenance": 503}
TRUE_TEXTS = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE_TEXTS = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def services(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/services: all, or those that a filter passes."""
    found = context.agent.local.services()
    chosen = filtered(request, found, NodeService)
    return json_answer({name: shapes.agent_service(chosen[name]) for name in sorted(chosen)}, request, context)


def filtered(request: Request, rows: dict[str, Any], row_type: type) -> dict[str, Any]:
    """The rows that the request's filter passes. A bad filter raises `Rejected`."""
    expression = request.query.first("filter") if request.raw_query else ""
    if not expression:
        return rows
    from muster.state.filters import compile_filter

    passes = compile_filter(expression, row_type)
    return {name: row for name, row in rows.items() if passes(row)}


def service(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/service/:id. With `hash` it waits until the service is no longer the one with this hash."""
    given = request.query.first("hash") if request.raw_query else ""
    options = read_options(request, context)
    found = context.agent.local.service(request.rest)
    if found is None:
        return text(404, f"unknown service ID: {request.rest}")
    shape, digest = _with_hash(found)
    if given and given == digest:
        change = context.agent.local_change()  # now, not on the task's first turn: a change in between would be missed
        return asyncio.ensure_future(_changed(change, request, context, digest, seconds(options.get("max_query_time", DEFAULT_WAIT))))
    return _service_answer(shape, digest, request, context)


def _with_hash(found: NodeService) -> tuple[dict[str, Any], str]:
    shape = shapes.agent_service(found)
    content = json.dumps(shape, sort_keys=True).encode("utf-8", "surrogatepass")
    return shape, hashlib.blake2b(content, digest_size=8).hexdigest()


def _service_answer(shape: dict[str, Any], digest: str, request: Request, context: Context) -> Response:
    return json_answer({**shape, "ContentHash": digest}, request, context, headers=b"X-Consul-Contenthash: %b\r\n" % digest.encode())


async def _changed(change: "asyncio.Future[None]", request: Request, context: Context, digest: str, wait: float) -> Response:
    """The answer once the service has another hash, or the time is over."""
    try:
        async with asyncio.timeout(max(wait, 0.0)):
            while True:
                await change
                change = context.agent.local_change()
                found = context.agent.local.service(request.rest)
                if found is None or _with_hash(found)[1] != digest:
                    break
    except TimeoutError:
        found = context.agent.local.service(request.rest)
    if found is None:
        return text(404, f"unknown service ID: {request.rest}")
    return _service_answer(*_with_hash(found), request, context)


def register(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/service/register."""
    definition = parse_service(read_json(request.body))
    replace = request.raw_query != b"" and request.query.first("replace-existing-checks") in TRUE_TEXTS
    context.agent.registrar.register_service(definition, REMOTE, token(request, context), replace)
    return EMPTY


def deregister(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/service/deregister/:id."""
    context.agent.registrar.deregister_service(request.rest)
    return EMPTY


def maintenance(request: Request, context: Context) -> Outcome:
    """PUT /v1/agent/service/maintenance/:id?enable=…&reason=…"""
    if not request.rest:
        raise BadRequest("Missing service ID")
    enable = enabled(request)
    context.agent.registrar.set_service_maintenance(request.rest, enable, request.query.first("reason"), token(request, context))
    return EMPTY


def enabled(request: Request) -> bool:
    """The value of `enable`, which must be there."""
    if not request.raw_query or "enable" not in request.query:
        raise BadRequest("Missing value for enable")
    value = request.query.first("enable")
    if value in TRUE_TEXTS:
        return True
    if value in FALSE_TEXTS:
        return False
    raise BadRequest(f'Invalid value for enable: "{value}"')


def health_by_id(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/health/service/id/:id."""
    if not request.rest:
        raise Rejected("Bad request: Missing serviceID")
    found = context.agent.local.service(request.rest)
    if found is None:
        reason = f"ServiceId {request.rest} not found"
        value = reason if _wants_text(request) else {"AggregatedStatus": "critical", "Service": None, "Checks": None}
        return json_answer(value, request, context, 404, _reason(reason))
    status, shape = _health(context, found)
    if _wants_text(request):
        return text(STATUS_CODES[status], status, PLAIN, _reason(status))
    return json_answer(shape, request, context, STATUS_CODES[status], _reason(status))


def health_by_name(request: Request, context: Context) -> Outcome:
    """GET /v1/agent/health/service/name/:name: the worst of its instances."""
    if not request.rest:
        raise Rejected("Bad request: Missing service Name")
    code, reason, shapes_found = 404, f"ServiceName {request.rest} Not Found", []
    for found in context.agent.local.services().values():
        if found.service == request.rest:
            status, shape = _health(context, found)
            shapes_found.append(shape)
            if code == 404 or code < STATUS_CODES[status]:
                code, reason = STATUS_CODES[status], status
    if _wants_text(request):
        return text(code, reason, PLAIN, _reason(reason))
    return json_answer(shapes_found, request, context, code, _reason(reason))


def _wants_text(request: Request) -> bool:
    if request.raw_query and request.query.first("format") == "text":
        return True
    return request.headers.get(b"accept", b"").startswith(b"text/plain")


def _reason(reason: str) -> bytes:
    shown = reason.encode("utf-8", "surrogateescape").replace(b"\r", b" ").replace(b"\n", b" ")
    return b"X-Consul-Reason: %b\r\n" % shown


def _health(context: Context, found: NodeService) -> tuple[str, dict[str, Any]]:
    """The status of an instance by its own and the node's checks, and the answer's shape."""
    local = context.agent.local
    checks = [*local.service_checks(found.id), *local.service_checks("")]
    status = aggregated(checks)
    return status, {
        "AggregatedStatus": status,
        "Service": shapes.agent_service(found),
        "Checks": [_health_check(check) for check in checks],
    }


def aggregated(checks: list[HealthCheck]) -> str:
    """One status for many checks: maintenance before critical before warning."""
    statuses = {check.status for check in checks}
    if any(check.check_id == NODE_MAINTENANCE or check.check_id.startswith(SERVICE_MAINTENANCE_PREFIX) for check in checks):
        return "maintenance"
    for status in ("critical", "warning"):
        if status in statuses:
            return status
    return "passing"


def _health_check(check: HealthCheck) -> dict[str, Any]:
    """A check as this endpoint shows it: with an empty definition, spelt out."""
    definition = {
        "Interval": "0s",
        "Timeout": "0s",
        "DeregisterCriticalServiceAfter": "0s",
        "HTTP": "",
        "Header": None,
        "Method": "",
        "Body": "",
        "TLSSkipVerify": False,
        "TCP": "",
    }
    return {**shapes.health_check(check), "Type": "", "Definition": definition}

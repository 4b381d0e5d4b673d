"""/v1/health: checks, and instances with their checks."""

from muster.http.answers import ask, ask_cached, read_answer, read_with_level
from muster.http.answers import level as level_line
from muster.http.catalog import node_question, service_question
from muster.http.lists import ListView
from muster.http.messages import Outcome, Request
from muster.http.parameters import node_meta, read_options, required, source
from muster.http.routing import Context
from muster.http.translation import translating
from muster.http.views import check_service_node, health_check
from muster.model.catalog import PASSING, CheckServiceNode
from muster.model.errors import BadRequest
from muster.wire.requests import ChecksInStateRequest, ServiceRequest

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def node(request: Request, context: Context) -> Outcome:
    """GET: the checks of a node."""
    return read_with_level(context, request, "Health.NodeChecks", node_question(request, context), CHECKS)


def checks(request: Request, context: Context) -> Outcome:
    """GET: the checks of a service."""
    return read_with_level(context, request, "Health.ServiceChecks", _checks_question(request, context), CHECKS)


def _checks_question(request: Request, context: Context) -> ServiceRequest:
    options = read_options(request, context)
    name = required(request.rest, "Missing service name")
    return ServiceRequest(service_name=name, node_meta_filters=node_meta(request), source=source(request, context), **options)


def state(request: Request, context: Context) -> Outcome:
    """GET: the checks in a state, `any` for all."""
    options = read_options(request, context)
    wanted = required(request.rest, "Missing check state")
    question = ChecksInStateRequest(state=wanted, node_meta_filters=node_meta(request), source=source(request, context), **options)
    return read_with_level(context, request, "Health.ChecksInState", question, CHECKS)


CHECKS = ListView(health_check)


def service(request: Request, context: Context) -> Outcome:
    """GET: the instances of a service with their checks; only the passing ones with `passing`."""
    return _instances(request, context, service_question(request, context))


def connect(request: Request, context: Context) -> Outcome:
    """GET: the same for what speaks for the service in the mesh."""
    return _instances(request, context, service_question(request, context, connect=True))


def ingress(request: Request, context: Context) -> Outcome:
    """GET: the same for the gateways that lead to the service."""
    return _instances(request, context, service_question(request, context, ingress=True))


def _instances(request: Request, context: Context, question: ServiceRequest) -> Outcome:
    view = translating(context, question.datacenter, PASSING_INSTANCES if _only_passing(request) else INSTANCES)
    extra = level_line(question)
    if question.use_cache:
        return ask_cached(context, "Health.ServiceNodes", question, read_answer, request, context, view, extra=extra)
    return ask(context, "Health.ServiceNodes", question, read_answer, request, context, view, extra)


def _only_passing(request: Request) -> bool:
    if not request.raw_query or "passing" not in request.query:
        return False
    value = request.query.first("passing")
    if value and value not in _TRUE and value not in _FALSE:
        raise BadRequest("Invalid value for ?passing")
    return value not in _FALSE


def _is_passing(row: CheckServiceNode) -> bool:
    return all(check.status == PASSING for check in row.checks)


INSTANCES = ListView(check_service_node)
PASSING_INSTANCES = ListView(check_service_node, keep=_is_passing)

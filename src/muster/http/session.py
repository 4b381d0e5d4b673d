"""/v1/session: leases on which locks hang."""

from typing import Any

from msgspec.structs import replace

from muster.http import bodies
from muster.http.answers import ask, json_answer, read_answer, then, truth
from muster.http.bodies import WrongBody
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import read_options, required, write_target
from muster.http.routing import Context
from muster.http.views import session as session_view
from muster.model.catalog import SERF_HEALTH
from muster.model.durations import InvalidDuration
from muster.model.errors import BadRequest, NotFound
from muster.model.sessions import DEFAULT_LOCK_DELAY, RELEASE, Session
from muster.wire.commands import SessionRequest
from muster.wire.replies import Reply
from muster.wire.requests import NodeRequest, SessionSpecificRequest

LEAST_NANOSECONDS = 1000  # a shorter lock delay is meant in seconds
_SECOND = 1_000_000_000


def create(request: Request, context: Context) -> Outcome:
    """PUT: a new session of this agent's node, unless the body says otherwise."""
    target = write_target(request, context)
    session = Session(
        node=context.settings.node_name, lock_delay=DEFAULT_LOCK_DELAY, behavior=RELEASE, node_checks=[SERF_HEALTH], checks=[SERF_HEALTH]
    )
    if request.body:
        try:
            session = _given(session, bodies.read_json(request.body))
        except (WrongBody, InvalidDuration) as error:
            raise BadRequest(f"Request decode failed: {error}") from error
    command = SessionRequest(op="create", session=_without_doubled_default(session), **target)
    return then(context.agent.call("Session.Apply", command), _created, request, context)


def _given(session: Session, value: Any) -> Session:
    """The session with what the body sets."""
    fields = bodies.lower_names(value)
    known: dict[str, Any] = {}
    for name in ("name", "node", "behavior", "ttl", "id"):
        if fields.get(name) is not None:
            known[name] = bodies.text(fields[name])
    if fields.get("lockdelay") is not None:
        known["lock_delay"] = _lock_delay(fields["lockdelay"])
    for name, field in (("checks", "checks"), ("nodechecks", "node_checks")):
        if name in fields:
            known[field] = getattr(bodies.from_json(Session, {name: fields[name]}), field)
    if fields.get("servicechecks") is not None:
        known["service_checks"] = bodies.from_json(Session, {"servicechecks": fields["servicechecks"]}).service_checks
    return replace(session, **known)


def _without_doubled_default(session: Session) -> Session:
    """An empty list also takes the other list's default away; the older list is kept only where it says something of its own."""
    if not session.checks:
        return replace(session, node_checks=[])
    if not session.node_checks or session.checks == [SERF_HEALTH]:
        return replace(session, checks=None)
    return session


def _lock_delay(value: Any) -> int:
    """Nanoseconds of a lock delay; a very small one is taken for seconds."""
    delay = bodies.duration(value)
    return delay * _SECOND if delay < LEAST_NANOSECONDS else delay


def _created(reply: Reply, request: Request, context: Context) -> Response:
    return json_answer({"ID": reply.value}, request, context)


def destroy(request: Request, context: Context) -> Outcome:
    """PUT: ends a session; `true` also if there is none."""
    target = write_target(request, context)
    session = Session(id=required(request.rest, "Missing session"))
    return then(context.agent.call("Session.Apply", SessionRequest(op="destroy", session=session, **target)), truth, request, context)


def renew(request: Request, context: Context) -> Outcome:
    """PUT: gives a session its whole time again."""
    options = read_options(request, context)
    identifier = required(request.rest, "Missing session")
    question = SessionSpecificRequest(session_id=identifier, session=identifier, **options)
    return then(context.agent.call("Session.Renew", question), _renewed, request, context)


def _renewed(reply: Reply, request: Request, context: Context) -> Response:
    if not reply.value:
        raise NotFound(f"Session id '{request.rest}' not found")
    return json_answer(_sessions(reply.value), request, context)


def info(request: Request, context: Context) -> Outcome:
    """GET: one session in a list, which is empty if there is none."""
    options = read_options(request, context)
    identifier = required(request.rest, "Missing session")
    question = SessionSpecificRequest(session_id=identifier, session=identifier, **options)
    return ask(context, "Session.Get", question, read_answer, request, context, _sessions)


def list_all(request: Request, context: Context) -> Outcome:
    """GET: all sessions."""
    question = SessionSpecificRequest(**read_options(request, context))
    return ask(context, "Session.List", question, read_answer, request, context, _sessions)


def of_node(request: Request, context: Context) -> Outcome:
    """GET: the sessions of a node."""
    options = read_options(request, context)
    question = NodeRequest(node=required(request.rest, "Missing node name"), **options)
    return ask(context, "Session.NodeSessions", question, read_answer, request, context, _sessions)


def _sessions(rows: Any) -> list[Any]:
    """One session, many, or none."""
    if isinstance(rows, Session):
        return [session_view(rows)]
    return [session_view(row) for row in rows or ()]

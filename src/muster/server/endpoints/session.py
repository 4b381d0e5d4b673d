"""Session: leases, and their renewal on the leader."""

import asyncio

import msgspec

from muster.model.durations import InvalidDuration, format_duration, parse_duration
from muster.model.errors import Rejected
from muster.model.sessions import DELETE, MAXIMUM_TTL, RELEASE, Session
from muster.server.context import Context
from muster.server.methods import Methods, Read, Write
from muster.state.watches import WatchSet
from muster.wire.commands import SessionRequest
from muster.wire.replies import Reply
from muster.wire.requests import NodeRequest, SessionSpecificRequest

CREATE = "create"
DESTROY = "destroy"


def apply(context: Context, request: SessionRequest) -> "asyncio.Future[Reply]":
    """Creates a session under a new id, or destroys one."""
    session = request.session
    if request.op == DESTROY and not session.id:
        raise Rejected("Must provide ID")
    if request.op == CREATE and not session.node:
        raise Rejected("Must provide Node")
    if session.behavior not in ("", RELEASE, DELETE):
        raise Rejected(f"Invalid Behavior setting '{session.behavior}'")
    _check_ttl(session.ttl, context.settings.session_ttl_minimum_ns)
    changes = {"behavior": session.behavior or RELEASE}
    if request.op == CREATE:
        changes["id"] = context.unused_uuid(context.store.sessions.exists)
    return context.commit(msgspec.structs.replace(request, session=msgspec.structs.replace(session, **changes)))


def _check_ttl(text: str, minimum: int) -> None:
    if not text:
        return
    try:
        ttl = parse_duration(text)
    except InvalidDuration as error:
        raise Rejected(f"Session TTL '{text}' invalid: {error}") from None
    if ttl != 0 and not minimum <= ttl <= MAXIMUM_TTL:
        low, high = format_duration(minimum), format_duration(MAXIMUM_TTL)
        raise Rejected(f"Invalid Session TTL '{ttl}', must be between [{low}={high}]")


def get(context: Context, request: SessionSpecificRequest, watch: WatchSet | None) -> tuple[int, Session | None]:
    """One session."""
    return context.store.sessions.get(_session_id(request), watch)


def list_sessions(context: Context, _request: SessionSpecificRequest, watch: WatchSet | None) -> tuple[int, list[Session]]:
    """All sessions."""
    return context.store.sessions.list(watch)


def node_sessions(context: Context, request: NodeRequest, watch: WatchSet | None) -> tuple[int, list[Session]]:
    """The sessions of a node."""
    index, sessions = context.store.sessions.of_node(request.node, watch)
    return index, list(sessions)


def renew(context: Context, request: SessionSpecificRequest) -> Reply:
    """Gives a session its full time again; the session, or None if there is none."""
    index, session = context.store.sessions.get(_session_id(request))
    if session is not None:
        context.session_timers.renew(session)
    return Reply(value=session, index=index)


def _session_id(request: SessionSpecificRequest) -> str:
    return request.session_id or request.session


METHODS: Methods = {
    "Session.Apply": Write(apply),
    "Session.Get": Read(get, kept=False, cheap=True),
    "Session.List": Read(list_sessions, indexes=("sessions",)),
    "Session.NodeSessions": Read(node_sessions, indexes=("sessions",)),
    "Session.Renew": Write(renew),
}

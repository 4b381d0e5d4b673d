"""/v1/event: user events to all nodes, or to those that filters name."""

import asyncio
from typing import Any

from muster.agent.event_payload import encode
from muster.agent.events import UserEvent, event_index
from muster.http.answers import json_answer, then
from muster.http.messages import Outcome, Pending, Request, Response
from muster.http.parameters import read_options, required, write_target
from muster.http.routing import Context
from muster.http.views import base64_text
from muster.wire.requests import EventFireRequest

DEFAULT_WAIT = 300.0  # seconds
LONGEST_WAIT = 600.0


def fire(request: Request, context: Context) -> Outcome:
    """PUT: sends an event; the answer shows it with its new id."""
    target = write_target(request, context)
    query = request.query
    event = UserEvent(
        name=required(request.rest, "Missing name"),
        payload=request.body or None,
        node_filter=query.first("node"),
        service_filter=query.first("service"),
        tag_filter=query.first("tag"),
    )
    if target["datacenter"] == context.settings.datacenter:
        return json_answer(_shown(context.agent.fire_event(event)), request, context)
    sent = context.agent.stamped_event(event)
    message = EventFireRequest(name=sent.name, payload=encode(sent), **target)
    return then(context.agent.call("Internal.EventFire", message), _fired, request, context, sent)


def _fired(_reply: Any, request: Request, context: Context, event: UserEvent) -> Response:
    return json_answer(_shown(event), request, context)


def _shown(event: UserEvent) -> dict[str, Any]:
    return {
        "ID": event.id,
        "Name": event.name,
        "Payload": base64_text(event.payload),
        "NodeFilter": event.node_filter,
        "ServiceFilter": event.service_filter,
        "TagFilter": event.tag_filter,
        "Version": event.version,
        "LTime": event.lamport_time,
    }


def list_recent(request: Request, context: Context) -> Outcome:
    """GET: the newest events that concerned this node. Blocks while the newest event is the one of the index asked for."""
    options = read_options(request, context, default_consistency=False)
    name = request.query.first("name") if request.raw_query else ""
    index = options.get("min_query_index", 0)
    if not index or event_index(context.agent.events.named(name)) != index:
        return _listed(None, request, context, name)
    asked = options.get("max_query_time", 0) / 1e9
    seconds = min(asked, LONGEST_WAIT) if asked > 0 else DEFAULT_WAIT
    return _wait(request, context, name, index, asyncio.get_running_loop().time() + seconds)


def _wait(request: Request, context: Context, name: str, index: int, deadline: float) -> Outcome:
    loop = asyncio.get_running_loop()
    future = context.agent.events.wait()
    timer = loop.call_at(deadline, _give_up, future)
    future.add_done_callback(lambda _: timer.cancel())
    return Pending(future, _awake, (request, context, name, index, deadline))


def _give_up(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _awake(_result: None, request: Request, context: Context, name: str, index: int, deadline: float) -> Outcome:
    """Something came; perhaps under another name, or nothing in time."""
    if event_index(context.agent.events.named(name)) == index and asyncio.get_running_loop().time() < deadline:
        return _wait(request, context, name, index, deadline)
    return _listed(None, request, context, name)


def _listed(_reply: None, request: Request, context: Context, name: str) -> Response:
    events = context.agent.events.named(name)
    headers = b"X-Consul-Index: %d\r\n" % event_index(events)
    return json_answer([_shown(event) for event in events], request, context, headers=headers)

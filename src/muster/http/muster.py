"""/v1/muster: what the peers do not have. An agent that is no server answers 404, and clients go on with what all agents have."""

from muster.http.answers import json_answer
from muster.http.event_stream import EventStream
from muster.http.messages import TEXT, Outcome, Request, Response
from muster.http.routing import Context
from muster.model.durations import SECOND, InvalidDuration, parse_duration
from muster.model.errors import BadRequest
from muster.server.changes import TOPICS, Changes
from muster.server.health_history import HealthHistory

NO_SERVER = Response(404, TEXT, b"This agent is not a server: it keeps no stream of changes and no history of health; ask a server.")
EVENT_STREAM = b"Content-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"


def stream(request: Request, context: Context) -> Outcome:
    """GET /v1/muster/stream?topics=services,nodes&prefix=…: all that changes, as server-sent events.

    `topics`: all by default. `prefix`: of keys, only those that begin so. With the header Last-Event-ID, or with `index`, what
    came after it; if that is no longer known, the first event is `reset`.
    """
    changes: Changes | None = getattr(context.agent.server, "changes", None)
    if changes is None:
        return NO_SERVER
    query = request.query
    topics = frozenset(query.first("topics").split(",")) if query.first("topics") else frozenset(TOPICS.values())
    unknown = topics - set(TOPICS.values())
    if unknown:
        raise BadRequest(f"Unknown topic {min(unknown)!r}: topics are {', '.join(sorted(TOPICS.values()))}")
    resume = request.header(b"last-event-id") or query.first("index")
    if resume and not (resume.isascii() and resume.isdigit()):
        raise BadRequest(f"Bad Last-Event-ID {resume!r}: it is the index of an event of this stream, a number")
    return Response(200, EVENT_STREAM, EventStream(changes, topics, query.first("prefix"), int(resume) if resume else None), encoded=True)


def health_history(request: Request, context: Context) -> Outcome:
    """GET /v1/muster/health/history?node=…&check=…&service=…&since=1h: when which check turned, as this server has seen it."""
    history: HealthHistory | None = getattr(context.agent.server, "history", None)
    if history is None:
        return NO_SERVER
    query = request.query
    try:
        since = parse_duration(query.first("since")) / SECOND if query.first("since") else 0.0
    except InvalidDuration as error:
        raise BadRequest(f"Bad since {query.first('since')!r}: a duration like 90s, 15m or 24h") from error
    found = history.find(
        context.clock.wall(), node=query.first("node"), check_id=query.first("check"), service=query.first("service"), since=since
    )
    return json_answer(found, request, context)

"""Replies into answers: JSON in the peers' layout, with the headers that tell how fresh it is.

Equal questions share one `Reply`, and what is made of it here stays with it in `encodings`: a thousand waiters cost one
encoding. In development mode JSON is always indented, as by the peers.
"""

from asyncio import Future
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from muster.agent.cache import Cached
from muster.http.cache import answer_cached, is_at_hand, relaxed
from muster.http.encoding import encode
from muster.http.lists import LONG_LIST, ListView, long_list
from muster.http.messages import JSON, TEXT, Outcome, Pending, Request, Response
from muster.http.routing import Context
from muster.http.writing import GZIP_LINE, LONG_BODY, gzip_bytes
from muster.model.errors import MusterError
from muster.wire.replies import Reply
from muster.wire.requests import QueryOptions

View = Callable[[Any], Any]
TRUE_PRETTY = Response(200, JSON, b"true\n")
FALSE_PRETTY = Response(200, JSON, b"false\n")
TRUE = Response(200, JSON, b"true")
FALSE = Response(200, JSON, b"false")
EMPTY = Response(200)


def then(outcome: "Reply | Future[Any]", answer: Callable[..., Outcome], *arguments: Any, refuse: Any = None) -> Outcome:
    """`answer(reply, *arguments)`, now or when the reply has come."""
    if isinstance(outcome, Reply):
        return answer(outcome, *arguments)
    return Pending(outcome, answer, arguments, refuse)


def ask(context: Context, method: str, question: Any, answer: Callable[..., Outcome], *arguments: Any) -> Outcome:
    """Asks a method; an error answers with the headers of an empty reply, as most of the peers' reads do."""
    try:
        outcome = context.agent.call(method, question)
    except MusterError as error:
        return refused_read(error)
    if question.max_stale_duration > 0 and question.allow_stale:
        return then(outcome, _unless_too_old, context, method, question, answer, arguments, refuse=refused_read)
    return then(outcome, answer, *arguments, refuse=refused_read)


def _unless_too_old(
    reply: Reply, context: Context, method: str, question: Any, answer: Callable[..., Outcome], arguments: tuple[Any, ...]
) -> Outcome:
    """The answer, or the leader's where the server that gave it has not heard of the leader for longer than the asker accepts."""
    if reply.last_contact <= question.max_stale_duration:
        return answer(reply, *arguments)
    return ask(context, method, replace(question, allow_stale=False, max_stale_duration=0), answer, *arguments)


def refused_read(error: Exception) -> Response:
    """An error of a read that had begun: its text, and headers that say that nothing is known."""
    assert isinstance(error, MusterError)
    return Response(error.http_status, TEXT + _UNKNOWN, error.wire_text.encode("utf-8", "surrogateescape"))


_UNKNOWN = b"X-Consul-Index: 1\r\nX-Consul-Knownleader: false\r\nX-Consul-Lastcontact: 0\r\n"


def ask_cached(
    context: Context,
    method: str,
    question: Any,
    answer: Callable[..., Outcome],
    *arguments: Any,
    extra: bytes = b"",
    refuse: Any = refused_read,
) -> Outcome:
    """As `ask`, through the cache; `answer(reply, *arguments, lines)` gets the lines about the cache, and `extra` behind them."""
    try:
        if is_at_hand(context, question):
            lines = context.cache.line(method, question) + extra
            return then(context.agent.call(method, relaxed(question)), answer, *arguments, lines, refuse=refuse)
        found = context.agent.cache.get(method, question)
    except MusterError as error:
        if refuse is None:
            raise
        refused: Response = refuse(error)
        return refused
    if isinstance(found, Cached):
        return answer_cached(found, answer, arguments, extra)
    return Pending(found, answer_cached, (answer, arguments, extra), refuse)


def is_pretty(request: Request, context: Context) -> bool:
    return context.settings.pretty or (request.raw_query != b"" and "pretty" in request.query)


def meta(reply: Reply) -> bytes:
    """The lines that tell index, leader and freshness of a reply."""
    return b"X-Consul-Index: %d\r\nX-Consul-Knownleader: %b\r\nX-Consul-Lastcontact: %d\r\n" % (
        reply.index or 1,
        b"true" if reply.known_leader else b"false",
        reply.last_contact // 1_000_000,
    )


def level(question: QueryOptions) -> bytes:
    """The line that some endpoints add: which consistency the question asked for."""
    return _CONSISTENT if question.require_consistent else _STALE if question.allow_stale else _LEADER


_CONSISTENT, _STALE, _LEADER = (b"X-Consul-Effective-Consistency: %b\r\n" % word for word in (b"consistent", b"stale", b"leader"))


def read_answer(reply: Reply, request: Request, context: Context, view: View, extra: bytes = b"") -> Response:
    """The reply's value through `view` as JSON. The body stays with the reply, since equal questions share it."""
    pretty, gzip = is_pretty(request, context), request.accepts_gzip
    if isinstance(view, ListView) and reply.value is not None and len(reply.value) > LONG_LIST:
        parts = long_list(reply.value, view, pretty, gzip, reply.encodings)
        return Response(200, JSON + (GZIP_LINE if gzip else b"") + extra + meta(reply), parts, encoded=True)
    key = (view, pretty, gzip)
    made: tuple[bytes, bool] | None = reply.encodings.get(key)
    if made is None:
        body = encode(view(reply.value), pretty)
        made = (gzip_bytes(body), True) if gzip and len(body) < LONG_BODY else (body, False)
        reply.encodings[key] = made
    body, packed = made
    return Response(200, JSON + (GZIP_LINE if packed else b"") + extra + meta(reply), body, encoded=packed)


def read(context: Context, request: Request, method: str, question: QueryOptions, view: View) -> Outcome:
    """A read from beginning to end: ask, show through `view`, answer."""
    return ask(context, method, question, read_answer, request, context, view)


def read_with_level(context: Context, request: Request, method: str, question: QueryOptions, view: View) -> Outcome:
    """As `read`, for the endpoints that tell their consistency."""
    return ask(context, method, question, read_answer, request, context, view, level(question))


def read_cached(context: Context, request: Request, method: str, question: QueryOptions, view: View) -> Outcome:
    """As `read_with_level`, for the endpoints that know `?cached`."""
    extra = level(question)
    if question.use_cache:
        return ask_cached(context, method, question, read_answer, request, context, view, extra=extra)
    return ask(context, method, question, read_answer, request, context, view, extra)


def json_answer(value: Any, request: Request, context: Context, status: int = 200, headers: bytes = b"") -> Response:
    """A value as JSON, without the headers of a reply."""
    return Response(status, JSON + headers, encode(value, is_pretty(request, context)))


def truth(reply: Reply, request: Request, context: Context) -> Response:
    """`true` or `false`, as writes are answered."""
    value = reply.value is not False
    if is_pretty(request, context):
        return TRUE_PRETTY if value else FALSE_PRETTY
    return TRUE if value else FALSE


def success(reply: Reply, request: Request, context: Context) -> Response:
    """`true` for whatever was done without an error: by RPC the peers' servers answer false to an unconditional write."""
    return TRUE_PRETTY if is_pretty(request, context) else TRUE


def nothing(reply: Reply) -> Response:
    """An empty 200."""
    return EMPTY

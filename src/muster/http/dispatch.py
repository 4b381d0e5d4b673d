"""From a request to its answer: what holds for every endpoint, then the endpoint's handler, then the errors.

The order of the checks is the peers': blocked, query string, writes by address, OPTIONS, method, size, handler.
"""

import logging

from muster.http.messages import JSON, TEXT, Outcome, Pending, Request, Response
from muster.http.querystring import BadEscape, clean_path, escape_path
from muster.http.routing import Context
from muster.model.errors import MusterError

logger = logging.getLogger("muster.http")

_READING = frozenset(("GET", "HEAD", "OPTIONS"))
NOT_FOUND = Response(404)


def answer(request: Request, context: Context) -> Outcome:
    """The answer, or what it will come from. Raises nothing: an error becomes its answer here."""
    endpoint = request.endpoint
    if endpoint is None:
        return unrouted(request, context)
    settings = context.settings
    if settings.block_endpoints and settings.is_blocked(request.path):
        return text(403, "Endpoint is blocked by agent configuration")
    method = request.method
    handler = endpoint.handlers.get(method)
    try:
        if request.raw_query:
            _ = request.query
        if handler is None or settings.write_networks:
            refused = _refused(request, context)
            if refused is not None:
                return refused
        assert handler is not None
        if request.oversize:
            limit = endpoint.limits[method]
            return text(413, limit.refusal(request.oversize, limit.size(settings)))
        return handler(request, context)
    except Exception as error:  # an unforeseen one must cost this request only
        return refusal(error, request)


def _refused(request: Request, context: Context) -> Response | None:
    endpoint, method = request.endpoint, request.method
    assert endpoint is not None
    if method not in _READING and not context.settings.may_write(request.remote):
        return text(403, "Access is restricted", content_type=b"")
    if method in endpoint.handlers:
        return None
    allow = b"Allow: %b\r\n" % endpoint.allow.encode()
    if method != "OPTIONS":
        return Response(405, allow + TEXT, f"method {method} not allowed".encode())
    if endpoint.prefix == "/v1/query/":  # the only endpoint that the peers register so
        return Response(200, allow + JSON, b"{}\n" if context.settings.pretty or "pretty" in request.query else b"{}")
    return Response(200, allow)


def unrouted(request: Request, context: Context) -> Response:
    """The answer for a path that no endpoint has."""
    path = request.path
    if path == "*":
        return Response(200)
    if path == "/":
        return moved(request, "/ui/") if context.settings.ui else Response(200, TEXT, b"Consul Agent")
    if path == "/ui" and context.settings.ui:
        return moved(request, "/ui/")
    return NOT_FOUND


def moved(request: Request, path: str) -> Response:
    """A permanent redirect to another path with the same query."""
    location = escape_path(path).encode("latin-1")
    if request.raw_query:
        location += b"?" + request.raw_query
    if request.method not in ("GET", "HEAD"):
        return Response(301, b"Location: %b\r\n" % location)
    shown = location.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;").replace(b'"', b"&#34;").replace(b"'", b"&#39;")
    headers = b"Content-Type: text/html; charset=utf-8\r\nLocation: %b\r\n" % location
    return Response(301, headers, b'<a href="%b">Moved Permanently</a>.\n\n' % shown)


def needs_cleaning(path: str) -> bool:
    return "//" in path or "/." in path and clean_path(path) != path or not path.startswith("/")


def text(status: int, message: str, content_type: bytes = TEXT, headers: bytes = b"") -> Response:
    """A plain text, as errors are answered."""
    return Response(status, headers + (content_type or TEXT), message.encode("utf-8", "surrogateescape"))


def refusal(error: BaseException, request: Request) -> Response:
    """The answer for an error of a handler."""
    if isinstance(error, MusterError):
        status, message = error.http_status, error.wire_text
    elif isinstance(error, BadEscape):
        return Response(500)
    else:
        logger.error("Request failed: method=%s url=%s from=%s", request.method, request.path, request.remote, exc_info=error)
        return text(500, f"internal error: {type(error).__name__}")
    logger.error("Request error: method=%s url=%s from=%s error=%s", request.method, request.path, request.remote, message)
    return text(status, message)


def settle(pending: Pending, request: Request) -> Outcome | None:
    """The answer once the future of a pending one is done; None if it was cancelled."""
    if pending.future.cancelled():
        return None
    error = pending.future.exception()
    try:
        if error is None:
            return pending.answer(pending.future.result(), *pending.arguments)
        if pending.refuse is not None and isinstance(error, MusterError):
            return pending.refuse(error)
    except Exception as unforeseen:  # as in `answer`
        return refusal(unforeseen, request)
    return refusal(error, request)

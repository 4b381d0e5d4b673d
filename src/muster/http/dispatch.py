"""From a request to its answer: what holds for every endpoint, then the endpoint's handler, then the errors.

The order of the checks is the peers': blocked, query string, writes by address, OPTIONS, method, size, handler.
"""

import logging

from muster.http.messages import TEXT, Outcome, Pending, Request, Response
from muster.http.querystring import BadEscape, clean_path, escape_path
from muster.http.routing import ANY_METHOD, Context
from muster.model.errors import MusterError

logger = logging.getLogger("muster.http")

_READING = frozenset(("GET", "HEAD", "OPTIONS"))
NOT_FOUND = Response(404)


def answer(request: Request, context: Context) -> Outcome:
    """The answer, or what it will come from. Raises nothing: an error becomes its answer here."""
    endpoint = request.endpoint
    if request.early is not None:
        return request.early
    if endpoint is None:
        return unrouted(request, context)
    settings = context.settings
    if settings.block_endpoints and settings.is_blocked(request.path):
        return text(403, "Endpoint is blocked by agent configuration")
    try:
        handler = endpoint.handlers.get(request.method)
        if handler is None or settings.write_networks or request.oversize:
            refused = _refused(request, context)
            if refused is not None:
                return refused
        if request.raw_query:
            _ = request.query  # a query string that does not parse is refused whatever the handler wants of it
        outcome: Outcome = handler(request, context)
        return outcome
    except Exception as error:  # noqa: BLE001 - an unforeseen one must cost this request only
        return refusal(error, request)


def _refused(request: Request, context: Context) -> Response | None:
    endpoint, method = request.endpoint, request.method
    if request.raw_query:
        _ = request.query
    if method not in _READING and not context.settings.may_write(request.remote):
        return text(403, "Access is restricted", content_type=b"")
    if method in endpoint.handlers:
        if not request.oversize:
            return None
        limit = endpoint.limits[method]
        return text(413, limit.refusal(request.oversize, limit.size(context.settings)))
    own = endpoint.handlers.get(ANY_METHOD)
    if own is not None:
        outcome: Response = own(request, context)
        return outcome
    allow = b"Allow: %b\r\n" % endpoint.allow.encode()
    if method != "OPTIONS":
        return Response(405, allow + TEXT, f"method {method} not allowed".encode())
    return Response(200, allow)


def unrouted(request: Request, context: Context) -> Response:
    """The answer for a path that no endpoint has."""
    path = request.path
    if path == "*":
        return Response(200)
    page = context.page
    if path == "/" and (page is None or page.path != "/"):
        return moved(request, page.path) if page is not None else Response(200, TEXT, b"Consul Agent")
    if page is None:
        return NOT_FOUND
    if page.lacks_slash(path):
        return moved(request, page.path)
    if page.takes(path):
        found: Response = page.answer(request, context)
        return found
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


def odd_path(request: Request, context: Context) -> Response | None:
    """The answer to a path that is not clean, not printable, or lacks its last slash; None for a good one."""
    path = request.path
    if path == "*" or (request.endpoint is None and context.page is not None and context.page.takes(path)):
        return None
    if not path.isprintable() and not context.settings.unprintable_paths:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if not shown.isprintable():
            return Response(400)
    cleaned = clean_path(path)
    if cleaned != path:
        return moved(request, cleaned)
    if context.router.lacks_slash(path):
        return moved(request, path + "/")
    return None


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
    except Exception as unforeseen:  # noqa: BLE001 - as in `answer`
        return refusal(unforeseen, request)
    return refusal(error, request)

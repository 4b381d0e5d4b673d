"""What every endpoint may be asked with: datacenter, blocking, consistency, cache, token.

The texts of the errors are the peers'. Most requests have no query string; those take the short way.
"""

from typing import Any

from muster.http.messages import Request
from muster.http.routing import Context
from muster.model.durations import SECOND, InvalidDuration, parse_duration
from muster.model.errors import BadRequest
from muster.wire.requests import QuerySource

Options = dict[str, Any]
"""Keyword arguments of `wire.requests.QueryOptions`; those at their default are left out."""

OPTION_HEADERS = frozenset((b"x-consul-token", b"authorization", b"cache-control"))
"""A request with none of these and without a query string asks with the default options."""

LARGEST_INDEX = (1 << 64) - 1


def read_options(request: Request, context: Context, default_consistency: bool = True) -> Options:
    """The options of a read. `default_consistency` False: the endpoint knows only datacenter, token and blocking."""
    options: Options = {"datacenter": context.settings.datacenter}
    found = token(request, context)
    if found:
        options["token"] = found
    if not request.raw_query and b"cache-control" not in request.headers:
        return options
    if request.raw_query:
        query = request.query
        if query.first("dc"):
            options["datacenter"] = query.first("dc")
        if query.first("filter"):
            options["filter"] = query.first("filter")
    if default_consistency:
        options |= consistency_options(request, context)
    if request.raw_query:
        _blocking(request, options)
    return options


def consistency_options(request: Request, context: Context) -> Options:
    """How fresh the answer must be, and whether the agent's cache may give it."""
    options: Options = {}
    if request.raw_query:
        _consistency(request, context, options)
    if "cached" in request.query and context.settings.use_cache:
        options["use_cache"] = True
        if "require_consistent" in options:
            raise BadRequest("Cannot specify ?cached with ?consistent, conflicting semantics.")
    if b"cache-control" in request.headers:
        _cache_control(request.header(b"cache-control"), options)
    return options


def write_target(request: Request, context: Context) -> Options:
    """Datacenter and token of a write."""
    options: Options = {"datacenter": datacenter(request, context)}
    found = token(request, context)
    if found:
        options["token"] = found
    return options


def datacenter(request: Request, context: Context) -> str:
    local: str = context.settings.datacenter
    return (request.query.first("dc") or local) if request.raw_query else local


def token(request: Request, context: Context) -> str:
    """The token by query, header or `Authorization: Bearer`, in this order; an empty text without one."""
    if request.raw_query:
        given = request.query.first("token")
        if given:
            return given
    headers = request.headers
    if b"x-consul-token" in headers:
        given = request.header(b"x-consul-token")
        if given:
            return given
    if b"authorization" in headers:
        scheme, _, given = request.header(b"authorization").partition(" ")
        if scheme.lower() == "bearer" and given.strip():
            return given.strip()
    return ""


def _blocking(request: Request, options: Options) -> None:
    query = request.query
    wait = query.first("wait")
    if wait:
        try:
            options["max_query_time"] = parse_duration(wait)
        except InvalidDuration as error:
            raise BadRequest("Invalid wait time") from error
    index = query.first("index")
    if index:
        number = unsigned(index)
        if number is None:
            raise BadRequest("Invalid index")
        options["min_query_index"] = number


def unsigned(text: str) -> int | None:
    """The number of decimal digits that fits into 64 bits; None for any other text."""
    if not (text.isascii() and text.isdigit()):
        return None
    number = int(text[:32])
    return number if number <= LARGEST_INDEX and len(text) <= 32 else None


def parse_unsigned(text: str) -> int:
    """As `unsigned`; the error is the one of Go's strconv."""
    number = unsigned(text)
    if number is None:
        reason = "value out of range" if text.isascii() and text.isdigit() else "invalid syntax"
        raise InvalidNumber(f'strconv.ParseUint: parsing "{text}": {reason}')
    return number


class InvalidNumber(BadRequest):
    """A parameter is no number. The peers answer a plain 500."""

    http_status = 500


def _consistency(request: Request, context: Context, options: Options) -> None:
    query = request.query
    stale, consistent = "stale" in query, "consistent" in query
    maximum = query.first("max_stale")
    if not (stale or consistent or maximum):
        if context.settings.discovery_max_stale > 0:
            options["max_stale_duration"] = context.settings.discovery_max_stale
            options["allow_stale"] = True
        return
    if maximum:
        try:
            options["max_stale_duration"] = parse_duration(maximum)
        except InvalidDuration as error:
            raise BadRequest(f'Invalid max_stale value "{maximum}"') from error
        stale = True
    if stale and consistent:
        raise BadRequest("Cannot specify ?stale with ?consistent, conflicting semantics.")
    if stale:
        options["allow_stale"] = True
    if consistent:
        options["require_consistent"] = True


def _cache_control(value: str, options: Options) -> None:
    for directive in value.lower().split(","):
        name, given, seconds = directive.strip().partition("=")
        if name == "must-revalidate":
            options["must_revalidate"] = True
        if name in ("max-age", "stale-if-error") and given:
            if not seconds.isascii() or not seconds.isdigit():
                raise BadRequest("Invalid Cache-Control header.")
            options["max_age" if name == "max-age" else "stale_if_error"] = int(seconds[:9]) * SECOND


def source(request: Request, context: Context) -> QuerySource:
    """From where `near` sorts: a node, `_agent` for the asked agent, `_ip` for the asking host."""
    near = request.query.first("near") if request.raw_query else ""
    if not near:
        return _NOWHERE
    local = context.settings.datacenter
    if near == "_agent":
        return QuerySource(datacenter=local, node=context.settings.node_name)
    if near == "_ip":
        return QuerySource(datacenter=local, node=near, ip=client_address(request))
    return QuerySource(datacenter=local, node=near)


_NOWHERE = QuerySource()


def client_address(request: Request) -> str:
    """The asking host: as its proxy tells, or the other end of the connection."""
    forwarded = request.header(b"x-forwarded-for")
    return forwarded.partition(",")[0].strip() or request.header(b"x-real-ip") or request.remote


def node_meta(request: Request) -> tuple[tuple[str, str], ...]:
    """The pairs of `node-meta=key:value`; a later one of the same key counts."""
    if not request.raw_query:
        return ()
    values = request.query.get("node-meta")
    if not values:
        return ()
    pairs = {}
    for value in values:
        key, _, rest = value.partition(":")
        pairs[key] = rest
    return tuple(pairs.items())


def required(value: str, complaint: str) -> str:
    """The part of the path, or the peers' complaint that it is missing."""
    if not value:
        raise BadRequest(complaint)
    return value

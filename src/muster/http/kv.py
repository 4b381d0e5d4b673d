"""/v1/kv: keys and values."""

from collections.abc import Iterator
from typing import Any

from muster.http.answers import encode, is_pretty, meta, read_answer, then, truth
from muster.http.messages import JSON, Outcome, Request, Response
from muster.http.parameters import OPTION_HEADERS, parse_unsigned, read_options, required, write_target
from muster.http.routing import Context
from muster.http.views import entry_json, kv_entry
from muster.http.writing import GZIP_LINE, gzip_parts
from muster.model.errors import BadRequest
from muster.model.kv import KVEntry
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import KeyListRequest, KeyRequest

# a browser must not run the value as a script of this site
RAW = b"Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n"
LONG_LIST = 1000  # entries; more are sent in slices
SLICE = 500  # entries encoded at a time, about a millisecond


def read(request: Request, context: Context) -> Outcome:
    """GET: one entry, its raw value, all under a prefix, or their keys."""
    if not request.raw_query and request.rest and OPTION_HEADERS.isdisjoint(request.headers):
        question = KeyRequest(key=request.rest, datacenter=context.settings.datacenter)
        outcome = context.agent.call("KVS.Get", question)
        if type(outcome) is Reply:
            return _entry_answer(outcome, request, context)
        return then(outcome, _entry_answer, request, context)
    options = read_options(request, context)
    if request.raw_query:
        query = request.query
        if "keys" in query:
            return _keys(request, context, options)
        if "recurse" in query:
            return ask_without_meta(context, "KVS.List", KeyRequest(key=request.rest, **options), _list_answer, request, context)
    return ask_without_meta(
        context, "KVS.Get", KeyRequest(key=required(request.rest, "Missing key name"), **options), _entry_answer, request, context
    )


def ask_without_meta(context: Context, method: str, question: Any, answer: Any, *arguments: Any) -> Outcome:
    """Unlike most reads, these give no headers of a reply with an error."""
    return then(context.agent.call(method, question), answer, *arguments)


def _keys(request: Request, context: Context, options: dict[str, Any]) -> Outcome:
    query = request.query
    separator = query.first("separator") or query.first("seperator")  # the second spelling is older and still sent
    question = KeyListRequest(prefix=request.rest, separator=separator, **options)
    return ask_without_meta(context, "KVS.ListKeys", question, _keys_answer, request, context)


def _keys_answer(reply: Reply, request: Request, context: Context) -> Response:
    if not reply.value and request.rest:
        return Response(404, meta(reply))
    if len(reply.value or ()) > LONG_LIST * 10:
        return _stream(reply, request, context, _as_text)
    return read_answer(reply, request, context, _key_list)


def _key_list(keys: list[str] | None) -> list[str]:
    return keys or []


def _as_text(key: str, pretty: bool) -> bytes:
    return encode(key, False)


def _entry_answer(reply: Reply, request: Request, context: Context) -> Response:
    if request.raw_query and reply.value is not None and "raw" in request.query:
        return Response(200, RAW + meta(reply), reply.value.value or b"", encoded=True)
    pretty = is_pretty(request, context)
    made: Response | None = reply.encodings.get(pretty)
    if made is None:
        entry: KVEntry | None = reply.value
        made = Response(404, meta(reply)) if entry is None else context.recent.answer(entry, reply, pretty)
        reply.encodings[pretty] = made
    return made


def _list_answer(reply: Reply, request: Request, context: Context) -> Response:
    entries: list[KVEntry] = reply.value
    if not entries:
        return Response(404, meta(reply))
    if len(entries) > LONG_LIST:
        return _stream(reply, request, context, entry_json)
    return read_answer(reply, request, context, _entries)


def _entries(entries: list[KVEntry]) -> list[dict[str, Any]]:
    return [kv_entry(entry) for entry in entries]


def _stream(reply: Reply, request: Request, context: Context, show: Any) -> Response:
    """A long list in slices. The list is of the moment of the reply; records never change, so writes may go on."""
    parts = _parts(reply.value, is_pretty(request, context), show)
    if request.accepts_gzip:
        return Response(200, JSON + GZIP_LINE + meta(reply), gzip_parts(parts), encoded=True)
    return Response(200, JSON + meta(reply), parts, encoded=True)


def _parts(rows: list[Any], pretty: bool, show: Any) -> Iterator[bytes]:
    indent = b"    " if pretty and show is _as_text else b""
    between = b",\n" + indent if pretty else b","
    lead = b"[\n" + indent if pretty else b"["
    for start in range(0, len(rows), SLICE):
        yield lead + between.join([show(row, pretty) for row in rows[start : start + SLICE]])
        lead = between
    yield b"\n]\n" if pretty else b"]"


def write(request: Request, context: Context) -> Outcome:
    """PUT: sets a value, perhaps only under a condition, or takes or gives back a lock."""
    target = write_target(request, context)
    key = required(request.rest, "Missing key name")
    op, fields = "set", dict[str, Any]()
    if request.raw_query:
        query = request.query
        _conflict(request, "acquire", "cas", "release")
        if "flags" in query:
            fields["flags"] = parse_unsigned(query.first("flags"))
        if "cas" in query:
            op, fields["modify_index"] = "cas", parse_unsigned(query.first("cas"))
        if "acquire" in query:
            op, fields["session"] = "lock", query.first("acquire")
        if "release" in query:
            op, fields["session"] = "unlock", query.first("release")
    entry = KVEntry(key=key, value=request.body or None, **fields)
    return then(context.agent.call("KVS.Apply", KVSRequest(op=op, entry=entry, **target)), truth, request, context)


def delete(request: Request, context: Context) -> Outcome:
    """DELETE: one key, perhaps only under a condition, or a whole prefix."""
    target = write_target(request, context)
    op, fields = "delete", dict[str, Any]()
    if request.raw_query:
        query = request.query
        _conflict(request, "cas", "recurse")
        if "recurse" in query:
            op = "delete-tree"
        if "cas" in query:
            op, fields["modify_index"] = "delete-cas", parse_unsigned(query.first("cas"))
    if op != "delete-tree":
        required(request.rest, "Missing key name")
    entry = KVEntry(key=request.rest, **fields)
    return then(context.agent.call("KVS.Apply", KVSRequest(op=op, entry=entry, **target)), truth, request, context)


def _conflict(request: Request, *names: str) -> None:
    given = [name for name in names if name in request.query]
    if len(given) > 1:
        pairs = "&".join(f"{name}={request.query.first(name)}" for name in given)
        raise BadRequest(f"Conflicting flags: {pairs}")

"""/v1/kv: keys and values."""

from collections.abc import Iterator
from typing import Any

from muster.http.answers import is_pretty, meta, read_answer, success, then, truth
from muster.http.lists import ListView
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import OPTION_HEADERS, parse_unsigned, read_options, required
from muster.http.querystring import format_query
from muster.http.routing import Context
from muster.http.views import entry_json, kv_entry
from muster.model.errors import BadRequest
from muster.model.kv import KVEntry
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import KeyListRequest, KeyRequest

# a browser must not run the value as a script of this site
RAW = b"Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n"


class Entries(ListView):
    """Entries as the hottest list: written out by hand."""

    __slots__ = ()

    def parts(self, value: Any, pretty: bool) -> Iterator[bytes]:
        lead, between, end = (b"[\n", b",\n", b"\n]\n") if pretty else (b"[", b",", b"]")
        for start in range(0, len(value), self.slice):
            yield lead + between.join([entry_json(entry, pretty) for entry in value[start : start + self.slice]])
            lead = between
        yield end


def _itself(key: str) -> str:
    return key


ENTRIES = Entries(kv_entry, slice_rows=2000)
"""A slice takes about 2 ms, longer than the interpreter's switch interval on purpose. The interpreter makes the loop's thread hand
over only if it ran that long in one go: between shorter slices the disk's thread never got its turn, and writes stood still."""
KEYS = ListView(_itself, slice_rows=5000)


ANSWERS = {"set": success, "delete": success, "delete-tree": success}
"""The operations that can only succeed or fail; the others answer whether their condition held."""


def read(request: Request, context: Context) -> Outcome:
    """GET: one entry, its raw value, all under a prefix, or their keys.

    Unlike most reads, these give no headers of a reply with an error.
    """
    if request.question is None:
        request.question = _question(request, context)
    method, question, answer = request.question
    outcome = context.agent.call(method, question)
    if type(outcome) is Reply:
        made: Outcome = answer(outcome, request, context)
        return made
    return then(outcome, answer, request, context)


def _question(request: Request, context: Context) -> tuple[str, Any, Any]:
    """Method, its argument, and what makes the answer of the reply."""
    options = read_options(request, context)
    if request.raw_query:
        query = request.query
        if "keys" in query:
            separator = query.first("separator") or query.first("seperator")  # the second spelling is older and still sent
            return "KVS.ListKeys", KeyListRequest(prefix=request.rest, separator=separator, **options), _keys_answer
        if "recurse" in query:
            return "KVS.List", KeyRequest(key=request.rest, **options), _list_answer
    return "KVS.Get", KeyRequest(key=required(request.rest, "Missing key name"), **options), _entry_answer


def _keys_answer(reply: Reply, request: Request, context: Context) -> Response:
    if not reply.value and request.rest:
        return Response(404, meta(reply))
    return read_answer(reply, request, context, KEYS)


def _entry_answer(reply: Reply, request: Request, context: Context) -> Response:
    if request.raw_query and reply.value is not None and "raw" in request.query:
        return Response(200, RAW + meta(reply), reply.value.value or b"", encoded=True)
    pretty = is_pretty(request, context)
    of_leader = reply.known_leader and not reply.last_contact  # a follower's replies share encodings, but not how old they are
    made: Response | None = reply.encodings.get(pretty) if of_leader else None
    if made is None:
        entry: KVEntry | None = reply.value
        made = Response(404, meta(reply)) if entry is None else context.recent.answer(entry, reply, pretty)
        if of_leader:
            reply.encodings[pretty] = made
    return made


def _list_answer(reply: Reply, request: Request, context: Context) -> Response:
    if not reply.value:
        return Response(404, meta(reply))
    return read_answer(reply, request, context, ENTRIES)


def write(request: Request, context: Context) -> Outcome:
    """PUT: sets a value, perhaps only under a condition, or takes or gives back a lock."""
    if not request.raw_query and request.rest and OPTION_HEADERS.isdisjoint(request.headers):
        entry = KVEntry(key=request.rest, value=request.body or None)
        command = KVSRequest(op="set", entry=entry, datacenter=context.settings.datacenter)
        return then(context.agent.call("KVS.Apply", command), success, request, context)
    target = _target(request, context)
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
    return then(context.agent.call("KVS.Apply", KVSRequest(op=op, entry=entry, **target)), ANSWERS.get(op, truth), request, context)


def delete(request: Request, context: Context) -> Outcome:
    """DELETE: one key, perhaps only under a condition, or a whole prefix."""
    target = _target(request, context)
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
    return then(context.agent.call("KVS.Apply", KVSRequest(op=op, entry=entry, **target)), ANSWERS.get(op, truth), request, context)


def _conflict(request: Request, *names: str) -> None:
    """Only one of the flags may be given; the complaint shows the whole query, sorted."""
    if sum(name in request.query for name in names) > 1:
        raise BadRequest(f"Conflicting flags: {format_query(request.query)}")


def _target(request: Request, context: Context) -> dict[str, Any]:
    """Datacenter and token. The options of reads mean nothing here, but wrong ones are refused."""
    options = read_options(request, context)
    return {name: options[name] for name in ("datacenter", "token") if name in options}

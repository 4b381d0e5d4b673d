"""/v1/config: config entries, most of them for the mesh; kept and answered."""

from typing import Any

from muster.http import bodies
from muster.http.answers import json_answer, meta, read_answer, then, truth
from muster.http.bodies import WrongBody
from muster.http.dispatch import text
from muster.http.entry_kinds import KINDS, parse_entry, shown_entry
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import parse_unsigned, read_options, write_target
from muster.http.routing import Context
from muster.model.durations import InvalidDuration
from muster.model.errors import BadRequest, NotFound
from muster.model.operator import ConfigEntry
from muster.wire.commands import ConfigEntryRequest
from muster.wire.replies import Reply
from muster.wire.requests import ConfigEntryQuery


def apply(request: Request, context: Context) -> Outcome:
    """PUT: a new or changed entry, with `cas` only if the index is the current one."""
    target = write_target(request, context) | {"datacenter": context.settings.datacenter}  # entries are written in the primary only
    try:
        entry = parse_entry(bodies.read_json(request.body))
    except (WrongBody, InvalidDuration) as error:
        raise BadRequest(f"Bad request: Request decoding failed: {error}") from error
    op = "upsert"
    if "cas" in request.query:
        op = "upsert-cas"
        entry = ConfigEntry(kind=entry.kind, name=entry.name, fields=entry.fields, modify_index=parse_unsigned(request.query.first("cas")))
    command = ConfigEntryRequest(entry=entry, op=op, **target)
    return then(context.agent.call("ConfigEntry.Apply", command), truth, request, context)


def read(request: Request, context: Context) -> Outcome:
    """GET: one entry by kind and name, or all of a kind, or all."""
    options = read_options(request, context)
    kind, names_one, name = request.rest.partition("/")
    if names_one:  # also the entry without a name, which there never is
        return _ask(context, "ConfigEntry.Get", ConfigEntryQuery(kind=kind, name=name, **options), _one, request, context, kind, name)
    return _ask(context, "ConfigEntry.List", ConfigEntryQuery(kind=kind, **options), read_answer, request, context, _many)


def _ask(context: Context, method: str, question: ConfigEntryQuery, answer: Any, *arguments: Any) -> Outcome:
    return then(context.agent.call(method, question), answer, *arguments)


def _one(reply: Reply, request: Request, context: Context, kind: str, name: str) -> Response:
    if reply.value is None:
        return text(404, f'Config entry not found for "{kind}" / "{name}"', headers=meta(reply))
    return read_answer(reply, request, context, shown_entry)


def _many(rows: list[ConfigEntry] | None) -> list[Any]:
    return [shown_entry(row) for row in rows or ()]


def delete(request: Request, context: Context) -> Outcome:
    """DELETE: removes an entry; also if there is none."""
    target = write_target(request, context) | {"datacenter": context.settings.datacenter}  # entries are written in the primary only
    kind, names_one, name = request.rest.partition("/")
    if not names_one:
        raise NotFound("Must provide both a kind and name to delete")
    if kind not in KINDS:
        raise BadRequest(f"invalid config entry kind: {kind}")
    command = ConfigEntryRequest(entry=ConfigEntry(kind=kind, name=name, fields={}), op="delete", **target)
    return then(context.agent.call("ConfigEntry.Delete", command), _deleted, request, context)


def _deleted(reply: Reply, request: Request, context: Context) -> Response:
    return json_answer({}, request, context)

"""/v1/txn: many operations, all or none."""

from typing import Any

from msgspec.structs import replace

from muster.http import bodies
from muster.http.answers import json_answer, then
from muster.http.bodies import WrongBody
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import read_options, write_target
from muster.http.routing import Context
from muster.http.views import health_check, kv_entry, node_service
from muster.model.catalog import HealthCheck, Node, NodeService
from muster.model.durations import InvalidDuration
from muster.model.errors import BadRequest, TooLarge
from muster.model.kv import KVEntry
from muster.state.transactions import TxnResponse, TxnResult, is_read_only
from muster.wire.commands import TxnCheckOp, TxnKVOp, TxnNodeOp, TxnOp, TxnRequest, TxnServiceOp
from muster.wire.replies import Reply

MOST_OPERATIONS = 64
_OPERATIONS = frozenset(("kv", "node", "service", "check"))
_KV_FIELDS = frozenset(("verb", "key", "value", "flags", "index", "session", "namespace"))
_NODE_FIELDS = frozenset(("verb", "node"))
_SERVICE_FIELDS = frozenset(("verb", "node", "service"))
_CHECK_FIELDS = frozenset(("verb", "check"))
_META = b"X-Consul-Knownleader: %b\r\nX-Consul-Lastcontact: %d\r\n"


def apply(request: Request, context: Context) -> Outcome:
    """PUT: a list of operations. One that only reads is answered without a log entry."""
    operations, reads = _operations(request, context)
    command = TxnRequest(ops=operations, **write_target(request, context))
    if reads:
        read_options(request, context)  # refuses wrong ones
        return then(context.agent.call("Txn.Read", command), _read_answer, request, context)
    return then(context.agent.call("Txn.Apply", command), _applied, request, context)


def _operations(request: Request, context: Context) -> tuple[list[TxnOp], bool]:
    """The operations, and whether all of them only read."""
    try:
        value = bodies.read_json(request.body)
        if value is not None and not isinstance(value, list):
            raise WrongBody(bodies.mismatch(value, "api.TxnOps"))
        rows = [bodies.lower_names(row, _OPERATIONS) for row in value or ()]
        parsed = [_given(row, context.settings.datacenter) for row in rows]
    except (WrongBody, InvalidDuration) as error:
        raise BadRequest(f"Failed to parse body: {error}") from error
    if len(rows) > MOST_OPERATIONS:
        raise TooLarge(f"Transaction contains too many operations ({len(rows)} > {MOST_OPERATIONS})")
    operations = [operation for operation in parsed if operation is not None]
    limit = context.settings.kv_max_value_size
    for operation in operations:
        if operation.kv is not None and operation.kv.entry.value and len(operation.kv.entry.value) > limit:
            entry = operation.kv.entry
            raise TooLarge(f'Value for key "{entry.key}" is too large ({len(entry.value or b"")} > {limit} bytes)')
    return operations, is_read_only(operations)


def _given(row: dict[str, Any], datacenter: str) -> TxnOp | None:
    if row.get("kv") is not None:
        return TxnOp(kv=_kv(bodies.lower_names(row["kv"], _KV_FIELDS)))
    if row.get("node") is not None:
        fields = bodies.lower_names(row["node"], _NODE_FIELDS)
        node = bodies.from_json(Node, fields.get("node"))
        node = replace(node, datacenter=node.datacenter or datacenter)
        return TxnOp(node=TxnNodeOp(verb=bodies.text(fields.get("verb") or ""), node=node))
    if row.get("service") is not None:
        fields = bodies.lower_names(row["service"], _SERVICE_FIELDS)
        service = bodies.from_json(NodeService, fields.get("service"))
        return TxnOp(
            service=TxnServiceOp(verb=bodies.text(fields.get("verb") or ""), node=bodies.text(fields.get("node") or ""), service=service)
        )
    if row.get("check") is not None:
        fields = bodies.lower_names(row["check"], _CHECK_FIELDS)
        return TxnOp(check=TxnCheckOp(verb=bodies.text(fields.get("verb") or ""), check=bodies.from_json(HealthCheck, fields.get("check"))))
    return None


def _kv(fields: dict[str, Any]) -> TxnKVOp:
    entry = KVEntry(
        key=bodies.text(fields.get("key") or ""),
        value=bodies.base64_bytes(fields["value"]) if fields.get("value") is not None else None,
        flags=bodies.unsigned(fields.get("flags") or 0),
        session=bodies.text(fields.get("session") or ""),
        modify_index=bodies.unsigned(fields.get("index") or 0),
    )
    return TxnKVOp(verb=bodies.text(fields.get("verb") or ""), entry=entry)


def _applied(reply: Reply, request: Request, context: Context) -> Response:
    shown = _shown(reply.value)
    return json_answer(shown, request, context, status=409 if shown["Errors"] else 200)


def _read_answer(reply: Reply, request: Request, context: Context) -> Response:
    shown = _shown(reply.value)
    shown |= {"Index": 0, "LastContact": reply.last_contact, "KnownLeader": reply.known_leader, "ConsistencyLevel": ""}
    headers = _META % (b"true" if reply.known_leader else b"false", reply.last_contact // 1_000_000)
    return json_answer(shown, request, context, status=409 if shown["Errors"] else 200, headers=headers)


def _shown(result: TxnResponse) -> dict[str, Any]:
    """Results and errors; after an error there are no results."""
    if result.errors:
        return {"Results": None, "Errors": [{"OpIndex": one.op_index, "What": one.what} for one in result.errors]}
    return {"Results": [_result(one) for one in result.results or ()], "Errors": None}


def _result(one: TxnResult) -> dict[str, Any]:
    if one.kv is not None:
        return {"KV": kv_entry(one.kv)}
    if one.node is not None:
        return {"Node": one.node}
    if one.service is not None:
        return {"Service": node_service(one.service, null_tags=True)}
    return {"Check": health_check(one.check, null_tags=True)} if one.check is not None else {}

"""Txn: many operations, all of them or none."""

import asyncio

import msgspec

from muster.model.errors import Rejected
from muster.server.context import Context
from muster.server.endpoints import kv
from muster.server.methods import Methods, PlainRead, Write
from muster.server.registration import check_node, prepared_check, prepared_service
from muster.state.transactions import TxnError, TxnResponse
from muster.wire.commands import TxnCheckOp, TxnKVOp, TxnNodeOp, TxnOp, TxnRequest, TxnServiceOp
from muster.wire.replies import Reply

GET = "get"


def apply(context: Context, request: TxnRequest) -> "Reply | asyncio.Future[Reply]":
    """Applies the transaction; what is wrong on sight is answered without a log entry."""
    ops, errors = prepared(context, request.ops or [])
    if errors:
        return Reply(value=TxnResponse(errors=errors))
    return context.commit(msgspec.structs.replace(request, ops=ops))


def read(context: Context, request: TxnRequest) -> TxnResponse:
    """A transaction that only reads."""
    ops, errors = prepared(context, request.ops or [])
    return TxnResponse(errors=errors) if errors else context.store.read_transaction(ops)


def prepared(context: Context, ops: list[TxnOp]) -> tuple[list[TxnOp], list[TxnError]]:
    """The operations with their defaults filled in, and what is wrong with them."""
    ready: list[TxnOp] = []
    errors: list[TxnError] = []
    for place, op in enumerate(ops):
        try:
            ready.append(_prepared(context, op))
        except Rejected as error:
            errors.append(TxnError(op_index=place, what=str(error)))
    return ready, errors


def _prepared(context: Context, op: TxnOp) -> TxnOp:
    if op.kv is not None:
        _check_kv(context, op.kv)
    elif op.node is not None:
        _check_node(op.node)
        if not op.node.node.datacenter:
            node = msgspec.structs.replace(op.node.node, datacenter=context.settings.datacenter)
            return msgspec.structs.replace(op, node=msgspec.structs.replace(op.node, node=node))
    elif op.service is not None:
        return msgspec.structs.replace(op, service=_with_service(op.service))
    elif op.check is not None:
        return msgspec.structs.replace(op, check=_with_check(op.check))
    return op


def _check_kv(context: Context, op: TxnKVOp) -> None:
    if not kv.may_apply(context, op.verb, op.entry):
        raise Rejected(f'failed to lock key "{op.entry.key}" due to lock delay')


def _check_node(op: TxnNodeOp) -> None:
    if op.verb != GET:
        check_node(op.node.node, op.node.id)


def _with_service(op: TxnServiceOp) -> TxnServiceOp:
    return op if op.verb == GET else msgspec.structs.replace(op, service=prepared_service(op.service))


def _with_check(op: TxnCheckOp) -> TxnCheckOp:
    return op if op.verb == GET else msgspec.structs.replace(op, check=prepared_check(op.check, ""))


METHODS: Methods = {"Txn.Apply": Write(apply), "Txn.Read": PlainRead(read)}

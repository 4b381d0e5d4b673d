"""KVS: keys and values."""

import asyncio

from muster.model.errors import Rejected
from muster.model.kv import KVEntry
from muster.server.context import Context
from muster.server.methods import Methods, Read, Write
from muster.state.watches import WatchSet
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import KeyListRequest, KeyRequest


def apply(context: Context, request: KVSRequest) -> "Reply | asyncio.Future[Reply]":
    """Sets, locks or deletes. False without a log entry for a lock that its delay forbids."""
    if not may_apply(context, request.op, request.entry):
        return Reply(value=False)
    return context.commit(request)


def may_apply(context: Context, op: str, entry: KVEntry) -> bool:
    """Whether no lock delay is in the way. Raises Rejected for a missing key."""
    if not entry.key and op != "delete-tree":
        raise Rejected("Must provide key")
    return op != "lock" or not context.lock_delays.holds(entry.key)


def get(context: Context, request: KeyRequest, watch: WatchSet | None) -> tuple[int, KVEntry | None]:
    """One key."""
    return context.store.kv.get(request.key, watch)


def list_entries(context: Context, request: KeyRequest, watch: WatchSet | None) -> tuple[int, list[KVEntry]]:
    """All entries under a prefix."""
    return context.store.kv.list(request.key, watch)


def list_keys(context: Context, request: KeyListRequest, watch: WatchSet | None) -> tuple[int, list[str]]:
    """The keys under a prefix, cut after the first separator."""
    index, keys = context.store.kv.keys(request.prefix, request.separator, watch)
    return index, list(keys)


METHODS: Methods = {
    "KVS.Apply": Write(apply),
    "KVS.Get": Read(get, kept=False, cheap=True),
    "KVS.List": Read(list_entries, kept=False, cheap=True),
    "KVS.ListKeys": Read(list_keys, kept=False, cheap=True),
}

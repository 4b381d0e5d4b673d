"""KVS: keys and values."""

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter

from muster.model.errors import Rejected
from muster.model.kv import KVEntry
from muster.server.context import Context
from muster.server.methods import Methods, Read, Write
from muster.state.watches import WatchSet
from muster.wire.commands import KVSRequest
from muster.wire.replies import Reply
from muster.wire.requests import KeyListRequest, KeyRequest

LONG_BLOCKS = 16  # of some hundred keys each: a longer list is gathered over several turns of the loop
TURN = 0.004  # seconds of gathering in one turn
_key_of = attrgetter("key")


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


def list_slowly(context: Context, request: KeyRequest) -> "asyncio.Future[Reply] | None":
    """A long list, gathered over many turns of the loop: all as of now, whatever is written meanwhile."""
    if context.store.kv.blocks_under(request.key) < LONG_BLOCKS:
        return None
    return asyncio.ensure_future(_gathered(_Gathering(context, request.key)))


def list_keys_slowly(context: Context, request: KeyListRequest) -> "asyncio.Future[Reply] | None":
    """The same for the keys alone."""
    if context.store.kv.blocks_under(request.prefix) < LONG_BLOCKS:
        return None
    return asyncio.ensure_future(_gathered_keys(_Gathering(context, request.prefix), request.separator))


class _Gathering:
    """The entries under a prefix as of its making, slice by slice, with pauses for the loop."""

    def __init__(self, context: Context, prefix: str) -> None:
        kv = context.store.kv
        self.prefix = prefix
        self._now = context.clock.monotonic
        self._view = kv.view(prefix)
        next(self._view)
        self._index_of = kv.index_under(prefix)
        self._highest = 0

    def index(self) -> int:
        """The index of the list, once all of it has been seen."""
        return self._index_of(self._highest) or 1

    async def slices(self) -> AsyncIterator[Sequence[KVEntry]]:
        """Entries in order, but for those deleted meanwhile, which come last."""
        pause_at = self._now() + TURN
        for entries in self._view:
            if entries:
                self._highest = max(self._highest, max([entry.modify_index for entry in entries]))
                yield entries
            if self._now() >= pause_at:
                await asyncio.sleep(0)
                pause_at = self._now() + TURN


async def _gathered(gathering: _Gathering) -> Reply:
    found: list[KVEntry] = []
    async for entries in gathering.slices():
        if found and entries[0].key < found[-1].key:
            for entry in entries:
                insort(found, entry, key=_key_of)
        else:
            found += entries
    return Reply(value=found, index=gathering.index())


async def _gathered_keys(gathering: _Gathering, separator: str) -> Reply:
    found: list[str] = []
    begin = len(gathering.prefix)
    async for entries in gathering.slices():
        keys = [entry.key for entry in entries]
        if separator:
            keys = [key if (at := key.find(separator, begin)) < 0 else key[: at + len(separator)] for key in keys]
            keys = list(dict.fromkeys(keys))
            if found and keys[0] == found[-1]:
                del keys[0]
        if found and keys and keys[0] < found[-1]:
            for key in keys:
                place = bisect_left(found, key)
                if place == len(found) or found[place] != key:
                    found.insert(place, key)
        else:
            found += keys
    return Reply(value=found, index=gathering.index())


METHODS: Methods = {
    "KVS.Apply": Write(apply),
    "KVS.Get": Read(get, kept=False, cheap=True),
    "KVS.List": Read(list_entries, kept=False, cheap=True, slow=list_slowly),
    "KVS.ListKeys": Read(list_keys, kept=False, cheap=True, slow=list_keys_slowly),
}

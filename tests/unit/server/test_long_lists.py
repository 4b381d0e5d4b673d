"""Lists too long for one turn of the loop: the same answer as the short way, of one moment, whatever is written meanwhile."""

import asyncio
import random

import pytest

from muster.model.kv import KVEntry
from muster.program.clock import SystemClock
from muster.server.endpoints import kv as endpoint
from muster.state.store import Store
from muster.wire.commands import KVSRequest
from muster.wire.requests import KeyListRequest, KeyRequest

KEYS = 20_000


class Context:
    """As much of a server's context as listing needs."""

    def __init__(self) -> None:
        self.store, self.clock = Store(), SystemClock()
        for number in range(KEYS):
            key = f"long/{number % 100:03d}/{number:06d}"
            self.store.apply(number + 1, KVSRequest(op="set", entry=KVEntry(key=key, value=b"v")))
        self.store.apply(KEYS + 1, KVSRequest(op="set", entry=KVEntry(key="other", value=b"v")))


@pytest.fixture(scope="module")
def context() -> Context:
    return Context()


@pytest.mark.parametrize("prefix", ["", "long", "long/0"])
def test_a_long_list_is_the_short_one(context, prefix):
    reply = asyncio.run(_waited(endpoint.list_slowly, context, KeyRequest(key=prefix)))
    assert (reply.index, reply.value) == context.store.kv.list(prefix)


@pytest.mark.parametrize(("prefix", "separator"), [("", ""), ("long/", "/"), ("", "/"), ("long/", "9"), ("long", "0")])
def test_long_keys_are_the_short_ones(context, prefix, separator):
    reply = asyncio.run(_waited(endpoint.list_keys_slowly, context, KeyListRequest(prefix=prefix, separator=separator)))
    index, keys = context.store.kv.keys(prefix, separator)
    assert (reply.index, reply.value) == (index, list(keys))


def test_a_short_list_takes_the_short_way(context):
    assert endpoint.list_slowly(context, KeyRequest(key="other")) is None


async def _waited(function, context, request):
    return await function(context, request)


def test_what_is_written_and_deleted_meanwhile_does_not_show():
    context = Context()
    chance = random.Random(7)
    before = context.store.kv.list("long/")
    keys = [entry.key for entry in before[1]]

    async def both():
        later = endpoint.list_slowly(context, KeyRequest(key="long/"))
        index = KEYS + 10
        while not later.done():
            for key in chance.sample(keys, 40):
                index += 1
                op = chance.choice(["set", "delete"])
                context.store.apply(index, KVSRequest(op=op, entry=KVEntry(key=key, value=b"new" if op == "set" else None)))
            await asyncio.sleep(0)
        return later.result()

    reply = asyncio.run(both())
    assert (reply.index, reply.value) == before
    assert context.store.kv.list("long/") != before

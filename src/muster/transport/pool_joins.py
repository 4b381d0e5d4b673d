"""Joining by what people write, and joining again whom the snapshot knows. The texts are memberlist's and Serf's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

from muster.transport import endpoints
from muster.transport.lookup import LookupFailed, Resolver
from muster.wire.gossip import Endpoint

logger = logging.getLogger("muster.gossip")

JOINS_AT_ONCE = 8


class Joiner:
    """`join_endpoint` exchanges state with one member and returns why it failed, or an empty text."""

    def __init__(self, join_endpoint: Callable[[Endpoint], Awaitable[str]], resolver: Resolver, default_port: int, chance: Random) -> None:
        self._join_endpoint = join_endpoint
        self._resolver = resolver
        self._default_port = default_port
        self._chance = chance

    async def join(self, addresses: Sequence[str]) -> tuple[int, list[str]]:
        """How many answered, and a text for each that did not, in the order of the addresses."""
        gate = asyncio.Semaphore(JOINS_AT_ONCE)
        results = await asyncio.gather(*(self._join(address, gate) for address in addresses))
        return sum(count for count, _ in results), [fault for _, faults in results for fault in faults]

    async def _join(self, address: str, gate: asyncio.Semaphore) -> tuple[int, list[str]]:
        async with gate:
            try:
                found = await self._resolver.endpoints(address, self._default_port)
            except LookupFailed as error:
                return 0, [f"Failed to resolve {address}: {error}"]
            faults = [(to, await self._join_endpoint(to)) for to in found]
        failed = [f"Failed to join {endpoints.host(to)}: {fault}" for to, fault in faults if fault]
        return len(found) - len(failed), failed

    async def rejoin(self, previous: Mapping[str, str]) -> str:
        """Join one of those that were alive (address texts by name), in random order, as Serf does: the rest follow by gossip."""
        others = list(previous.items())
        self._chance.shuffle(others)
        for name, address in others:
            count, _ = await self.join([address])
            if count:
                logger.info("Re-joined to previously known node: %s: %s", name, address)
                return ""
        logger.warning("Failed to re-join any previously known node")
        return "nobody of the snapshot answers"

"""`bootstrap_expect`: so many servers found a datacenter together, once they have found each other.

Each of them writes the same first configuration for itself, so nobody needs to lead yet. A server with data never does,
nor one that has met a server which already takes part in something: the leader of that one will add it.

Source: reference of the Raft wire, section 6.
"""

import asyncio
import logging

from muster.model.errors import MusterError
from muster.raft.membership import NONVOTER, VOTER, Configuration
from muster.raft.membership import Member as ConfiguredServer
from muster.server.context import Context
from muster.server.server_members import Peer
from muster.wire.requests import DatacenterRequest

RETRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # seconds after each attempt to ask one server
ANSWER_SECONDS = 10.0  # for one answer
PEERS_METHOD = "Status.Peers"

logger = logging.getLogger("muster.server")


class Bootstrapping:
    """To be told by `look` that the pool may have grown, once consensus has started. `done`: nothing more will come of it."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self.done = context.settings.bootstrap_expect < 1

    def look(self) -> None:
        """Founds the datacenter if all are there. One attempt at a time; what changes meanwhile is seen by its end."""
        if self.done or (self._task is not None and not self._task.done()):
            return
        if not self._context.consensus.is_empty():
            logger.info("Raft data found, disabling bootstrap mode")
            self.done = True
            return
        servers = self._founders()
        if servers is not None:
            self._task = self._loop.create_task(self._found(servers))

    def stop(self) -> None:
        """The server stops."""
        self.done = True
        if self._task is not None:
            self._task.cancel()

    def _founders(self) -> list[Peer] | None:
        """All servers that are alive, if they are enough and of one mind."""
        expect = self._context.settings.bootstrap_expect
        servers = [peer for peer in self._context.servers.all() if peer.is_present]
        for peer in servers:
            if peer.expect and peer.expect != expect:
                logger.error("Member has a conflicting expect value. All nodes should expect the same number: member=%s", peer.name)
                return None
            if peer.bootstrap:
                logger.error("Member has bootstrap mode. Expect disabled: member=%s", peer.name)
                return None
        return servers if sum(peer.is_voter_candidate for peer in servers) >= expect else None

    async def _found(self, servers: list[Peer]) -> None:
        """Asks everyone, then writes the configuration of exactly those who were asked."""
        for peer in servers:
            if peer.identity == self._context.settings.node_id:
                continue
            known = await self._peers_of(peer)
            if known is None:  # it may be part of something: who is there now is looked at anew
                self._loop.call_soon(self._look_again)
                return
            if known:
                logger.info("Existing Raft peers reported by server, disabling bootstrap mode: server=%s", peer.name)
                self.done = True
                return
        await self._write(servers)

    def _look_again(self) -> None:
        self._task = None
        self.look()

    async def _peers_of(self, peer: Peer) -> list[str] | None:
        """What a server answers; None if it does not."""
        request = DatacenterRequest(datacenter=self._context.settings.datacenter)
        for pause in RETRIES:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    reply = await self._context.forwarding.call(peer.address, PEERS_METHOD, request)
            except (MusterError, TimeoutError) as error:
                why = error if isinstance(error, MusterError) else "no answer"
                logger.error("Failed to confirm peer status for server (will retry): server=%s retry=%ds error=%s", peer.name, pause, why)
                await asyncio.sleep(pause)
            else:
                return list(reply.value or ())
        return None

    async def _write(self, servers: list[Peer]) -> None:
        consensus = self._context.consensus
        self.done = True
        if not consensus.is_empty():  # a leader has found this server meanwhile
            return
        configuration = Configuration(tuple(_configured(peer) for peer in servers))
        logger.info("Found expected number of peers, attempting bootstrap: peers=%s", ",".join(peer.address for peer in servers))
        try:
            await consensus.bootstrap(configuration.checked())
        except MusterError as error:
            logger.error("Failed to bootstrap cluster: error=%s", error)


def _configured(peer: Peer) -> ConfiguredServer:
    return ConfiguredServer(peer.identity, peer.address, VOTER if peer.is_voter_candidate else NONVOTER)

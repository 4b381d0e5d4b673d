"""Who takes part in Raft, as the pool's servers come and go. Only the leader changes it, one change at a time.

Source: reference of the Raft wire, section 6.
"""

import asyncio
import logging

from muster.gossip.effects import Member
from muster.raft.membership import Configuration
from muster.raft.membership import Member as ConfiguredServer
from muster.server.replication import Replication
from muster.server.server_members import Peer, ServerMembers, peer_of

logger = logging.getLogger("muster.leader")


class RaftMembership:
    """The one place that changes the configuration: each change waits until the one before it is committed.

    Everything here raises NoLeader, or Rejected if consensus refuses the change.
    """

    def __init__(self, consensus: Replication, servers: ServerMembers) -> None:
        self._consensus = consensus
        self._servers = servers
        self._changing = asyncio.Lock()

    @property
    def configuration(self) -> Configuration:
        """Who takes part now."""
        return self._consensus.configuration

    def lacks(self, peer: Peer) -> bool:
        """Whether a living server of the pool takes no part yet, or under another address."""
        known = self.configuration.member(peer.identity)
        return bool(peer.identity) and (known is None or known.address != peer.address)

    async def join(self, peer: Peer) -> bool:
        """Brings in a living server, which listens until Autopilot lets it vote; whether anything was changed.

        Whoever had its address before, a host that was set up anew, is removed first. A known server that has moved keeps its
        vote: its address is changed in one step. (The peers remove it and add it again without a vote, by which a datacenter
        whose servers all move is left with a single voter.)
        """
        if not self.lacks(peer):
            return False
        if peer.bootstrap and (rival := self._rival(peer)) is not None:
            logger.error("Two nodes are in bootstrap mode, so this one is not added: node_to_add=%s other=%s", peer.name, rival.name)
            return False
        async with self._changing:
            for known in self.configuration.members:
                if known.address == peer.address and known.identity != peer.identity:
                    await self._consensus.remove_server(known.identity)
                    logger.info("removed server with duplicate address: address=%s", known.address)
            if self.configuration.is_voter(peer.identity):
                await self._consensus.add_voter(peer.identity, peer.address)
            else:
                await self._consensus.add_nonvoter(peer.identity, peer.address)
        return True

    def _rival(self, peer: Peer) -> Peer | None:
        return next((other for other in self._servers.all() if other.bootstrap and other.name != peer.name), None)

    def entry_of(self, member: Member) -> ConfiguredServer | None:
        """The part that a member of the pool takes: by its id, or by its address if it shows none."""
        peer = peer_of(member)
        if peer is None:
            return None
        if peer.identity:
            return self.configuration.member(peer.identity)
        if self._servers.reachable(peer.address):  # another server has come in its place
            return None
        return next((known for known in self.configuration.members if known.address == peer.address), None)

    async def promote(self, server: ConfiguredServer) -> None:
        """From now on it votes."""
        async with self._changing:
            await self._consensus.add_voter(server.identity, server.address)

    async def remove(self, identity: str) -> None:
        """It takes no part any more."""
        async with self._changing:
            if self.configuration.member(identity) is not None:
                await self._consensus.remove_server(identity)

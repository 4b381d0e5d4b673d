"""How a server goes: leadership is handed over first, so that no call fails; then the pools and Raft are left.

Source: reference of the Raft wire, section 6 ("Leave"). The peers do not hand over: there the others wait for an election.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from muster.gossip.effects import MemberStatus
from muster.model.errors import MusterError
from muster.server.context import Context
from muster.server.leader import LeaderDuties

TARGETS = 3  # servers that are asked to take over, one after another
HANDOVER_SECONDS = 6.0  # for one of them to do it: shorter than calls are held
GONE_SECONDS = 5.0  # until a follower that left must have been removed from Raft
POLL_SECONDS = 0.05
LEADER_POLL_SECONDS = 0.005

logger = logging.getLogger("muster.server")


class Departure:
    """`refuse` is called when this server shall answer nothing more: the pool knows then that it is gone."""

    def __init__(self, context: Context, duties: LeaderDuties, refuse: Callable[[], None]) -> None:
        self._context = context
        self._duties = duties
        self._refuse = refuse

    async def hand_over(self) -> bool:
        """Another server leads, and calls that were held meanwhile are on their way to it. False: there is none that could.

        No new call is taken up before: what has begun is carried out first, so that nobody loses an answer.
        """
        consensus = self._context.consensus
        targets = self._targets()
        if not consensus.is_leader() or not targets:
            return False
        self._duties.pause()
        try:
            async with asyncio.timeout(HANDOVER_SECONDS):
                for target in targets:
                    if await self._hand_to(target):
                        break
        except TimeoutError:
            logger.warning("failed to transfer leadership in time: targets=%s", ",".join(targets))
        self._duties.resume()
        return not consensus.is_leader()

    async def _hand_to(self, target: str) -> bool:
        consensus = self._context.consensus
        try:
            await consensus.barrier()
            await consensus.transfer_leadership(target)
        except MusterError as error:
            logger.warning("failed to transfer leadership: target=%s error=%s", target, error)
            if consensus.is_leader():
                return False
        while consensus.is_leader() or not consensus.leader_address():  # noqa: ASYNC110 - nothing tells of another's leadership
            await asyncio.sleep(LEADER_POLL_SECONDS)
        return True

    def _targets(self) -> list[str]:
        """Ids of other voters, the best first: those that the last round found healthy, then those that are at least alive."""
        context, own = self._context, self._context.settings.node_id
        alive = {peer.identity for peer in context.servers.all() if peer.status is MemberStatus.ALIVE}
        voters = [identity for identity in context.consensus.configuration.voters() if identity != own and identity in alive]

        def rank(identity: str) -> tuple[bool, int]:
            health = context.health.of(identity)
            return (health is not None and health.healthy, health.last_index if health is not None else 0)

        return sorted(voters, key=rank, reverse=True)[:TARGETS]

    async def leave(self, leave_pools: Callable[[], Awaitable[None]], drain: float) -> None:
        """Leaves for good: hands over, leaves the pools, answers `No cluster leader` for `drain` seconds, and sees itself removed.

        A leader that nobody can follow removes itself from Raft before it leaves the pool.
        """
        consensus, own = self._context.consensus, self._context.settings.node_id
        led = consensus.is_leader()
        if led and len(consensus.configuration.voters()) > 1 and not await self.hand_over():
            await self._remove_itself()
        await leave_pools()
        logger.info("Waiting to drain RPC traffic: drain_time=%gs", drain)
        self._refuse()
        await asyncio.sleep(drain)
        if not consensus.is_leader() and not await self._removed(own):
            logger.warning("failed to leave raft configuration gracefully, timeout")

    async def _remove_itself(self) -> None:
        try:
            await self._context.membership.remove(self._context.settings.node_id)
        except MusterError as error:
            logger.error("failed to remove ourself as a Raft peer: error=%s", error)

    async def _removed(self, own: str) -> bool:
        consensus = self._context.consensus
        until = self._context.clock.monotonic() + GONE_SECONDS
        while consensus.configuration.member(own) is not None:
            if self._context.clock.monotonic() >= until:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

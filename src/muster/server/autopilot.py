"""Autopilot: the leader looks after the set of servers.

Every 2 s each server is asked how it does. Every 10 s, and after each change of the set, healthy newcomers become voters
and dead servers are removed, but never so many that the others could not go on without them.

Source: reference of the Raft wire, section 6.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from muster.gossip.effects import MemberStatus
from muster.model.errors import MusterError, NoLeader
from muster.model.operator import AutopilotConfig
from muster.raft.membership import Configuration
from muster.raft.membership import Member as ConfiguredServer
from muster.server.context import Context
from muster.server.endpoints.status import raft_stats
from muster.server.health import NEVER, OperatorHealthReply, Round, Stats
from muster.server.periodic import Periodic
from muster.server.server_members import Peer
from muster.wire.requests import DatacenterRequest

STATS_PART = 0.5  # of the time between two rounds: so long a server may take to answer
STATS_METHOD = "Status.RaftStats"

logger = logging.getLogger("muster.autopilot")


STALE_GRACE = 60.0
"""Seconds that a server of Raft may be unknown to the pool: after a power cut nobody remembers who has not come back yet."""


class Removals(Struct, frozen=True):
    """What can go: `failed` servers are forced to leave the pool, `stale` ones, which no pool knows, leave Raft at once."""

    failed: list[Peer]
    stale: list[ConfiguredServer]
    refusal: str = ""
    """Why dead voters stay."""


def unknown(configuration: Configuration, peers: Sequence[Peer], own: str) -> list[ConfiguredServer]:
    """The servers of Raft that the pool knows nothing of. `own`: this server's id, which is always known."""
    known = {own, *(peer.identity for peer in peers)}
    return [member for member in configuration.members if member.identity not in known]


def removals(configuration: Configuration, peers: Sequence[Peer], stale: list[ConfiguredServer], minimum_quorum: int) -> Removals:
    """Which servers are dead and may go. `stale`: those that the pool has not known for long enough."""
    failed = [peer for peer in peers if peer.status is MemberStatus.FAILED]
    voting_failed = [peer for peer in failed if _may_vote(configuration, peer.identity)]
    voting_stale = [member for member in stale if configuration.is_voter(member.identity)]
    refusal = removal_refusal(len(configuration.voters()), len(voting_failed) + len(voting_stale), minimum_quorum)
    if not refusal:
        return Removals(failed, stale)
    return Removals(
        [peer for peer in failed if peer not in voting_failed], [member for member in stale if member not in voting_stale], refusal
    )


def _may_vote(configuration: Configuration, identity: str) -> bool:
    """A failed server counts unless it is known to have no vote."""
    member = configuration.member(identity)
    return member is None or configuration.is_voter(identity)


def removal_refusal(voters: int, dead: int, minimum_quorum: int) -> str:
    """Why so many dead voters may not be removed; empty if they may."""
    if voters - dead < minimum_quorum:
        return f"denied, because removing {dead}/{voters} servers would leave less then minimal allowed quorum of {minimum_quorum} servers"
    if dead > (voters - 1) // 2:
        return f"denied, because removing the majority of servers {dead}/{voters} is not safe"
    return ""


class Autopilot:
    """Runs from `start` to `stop`. `force_leave` tells the pools that a failed server has left."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop, force_leave: Callable[[str], None] | None) -> None:
        settings = context.settings
        self._context = context
        self._loop = loop
        self._force_leave = force_leave
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[str, asyncio.Task[Stats | None]] = {}
        self._stats_timeout = settings.health_interval * STATS_PART
        self._periodic = [
            Periodic(loop, settings.health_interval, lambda: self._run(self.look), at_once=True),
            Periodic(loop, settings.autopilot_interval, lambda: self._run(self.tend)),
        ]
        self._tending = asyncio.Lock()
        self._prune_due = False
        self._unknown_since: dict[str, float] = {}

    def start(self) -> None:
        """This server leads now."""
        for periodic in self._periodic:
            periodic.start()

    def stop(self) -> None:
        """This server leads no longer."""
        for periodic in self._periodic:
            periodic.stop()
        for task in [*self._tasks, *self._asked.values()]:
            task.cancel()
        self._asked.clear()
        self._unknown_since.clear()
        self._prune_due = False
        self._context.health.reset()

    def prune_soon(self) -> None:
        """The set of servers has changed: dead ones may be removable now."""
        if not self._prune_due:
            self._prune_due = True
            self._run(self._prune)

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        task = self._loop.create_task(_reported(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _config(self) -> AutopilotConfig | None:
        return self._context.store.autopilot.get()[1]

    # ---- how the servers do

    async def look(self) -> None:
        """One health round; nothing before the first leader has written the settings."""
        config = self._config
        if config is None:
            return
        context = self._context
        consensus = context.consensus
        configuration, term, index = consensus.configuration, consensus.term, consensus.last_index
        peers = {peer.identity: peer for peer in context.servers.all() if peer.status is not MemberStatus.LEFT}
        asked = [peers[member.identity] for member in configuration.members if member.identity in peers]
        stats = await self._ask(asked)
        if consensus.is_leader():
            before = {one.id: one.healthy for one in context.health.reply.servers or ()}
            context.health.take(Round(configuration, consensus.leader_address(), term, index, peers, stats), config)
            _tell_changes(before, context.health.reply)

    async def _ask(self, peers: Sequence[Peer]) -> dict[str, Stats]:
        """What those answer that do so in time. Who has not answered yet is not asked again."""
        own = self._context.settings.node_id
        peers = [peer for peer in peers if peer.identity != own]
        for peer in peers:
            before = self._asked.get(peer.identity)
            if before is None or before.done():
                self._asked[peer.identity] = self._loop.create_task(self._stats_of(peer))
        waiting = [self._asked[peer.identity] for peer in peers]
        if waiting:
            await asyncio.wait(waiting, timeout=self._stats_timeout)
        found: dict[str, Stats] = {own: raft_stats(self._context, None)}
        for peer in peers:
            task = self._asked.get(peer.identity)
            if task is not None and task.done() and not task.cancelled() and (answer := task.result()) is not None:
                found[peer.identity] = answer
        return found

    async def _stats_of(self, peer: Peer) -> Stats | None:
        request = DatacenterRequest(datacenter=self._context.settings.datacenter)
        try:
            reply = await self._context.forwarding.call(peer.address, STATS_METHOD, request)
        except MusterError as error:
            logger.warning("error getting server health: server=%s error=%s", peer.name, error)
            return None
        stats: Stats = reply.value
        return stats

    # ---- who votes, and who goes

    async def tend(self) -> None:
        """Promotes who has earned it, then removes who is dead."""
        async with self._tending:
            if await self._promote():
                self.prune_soon()
            else:
                await self._remove_dead()

    async def _promote(self) -> bool:
        config, context = self._config, self._context
        promoted = False
        for member in context.consensus.configuration.members if config is not None else ():
            if context.consensus.configuration.is_voter(member.identity) or not self._deserves_vote(member, config):
                continue
            logger.info("Promoting server to voter: id=%s address=%s", member.identity, member.address)
            await context.membership.promote(member)
            promoted = True
        return promoted

    def _deserves_vote(self, member: ConfiguredServer, config: AutopilotConfig | None) -> bool:
        peer = self._context.servers.of(member.identity)
        if config is None or peer is None or not peer.is_voter_candidate:
            return False
        return self._context.health.is_stable(member.identity, config)

    async def _prune(self) -> None:
        self._prune_due = False
        async with self._tending:
            await self._remove_dead()

    async def _remove_dead(self) -> None:
        config, context = self._config, self._context
        if config is None or not config.cleanup_dead_servers:
            return
        consensus = context.consensus
        peers = context.servers.all()
        going = removals(consensus.configuration, peers, self._stale(consensus.configuration, peers), config.min_quorum)
        if going.refusal:
            logger.debug("Failed to remove dead servers: error=%s", going.refusal)
        for peer in going.failed:
            if self._force_leave is not None:
                logger.info("Attempting removal of failed server node: name=%s", peer.name)
                self._force_leave(peer.name)
        for member in going.stale:
            logger.info("Attempting removal of stale server: id=%s address=%s", member.identity, member.address)
            await context.membership.remove(member.identity)

    def _stale(self, configuration: Configuration, peers: Sequence[Peer]) -> list[ConfiguredServer]:
        now = self._context.clock.monotonic()
        missing = unknown(configuration, peers, self._context.settings.node_id)
        self._unknown_since = {one.identity: self._unknown_since.get(one.identity, now) for one in missing}
        return [one for one in missing if now - self._unknown_since[one.identity] >= STALE_GRACE]


def _tell_changes(before: Mapping[str, bool], now: OperatorHealthReply) -> None:
    for server in now.servers or ():
        if not server.healthy and before.get(server.id, True):
            contact = server.last_contact or NEVER
            logger.warning("server is unhealthy: server=%s serf=%s last_contact=%s", server.name, server.serf_status, contact)
        elif server.healthy and not before.get(server.id, True):
            logger.info("server is healthy again: server=%s", server.name)


async def _reported(work: Callable[[], Awaitable[None]]) -> None:
    """What fails now is tried again the next time."""
    try:
        await work()
    except NoLeader:
        return
    except MusterError as error:
        logger.error("autopilot: error=%s", error)

"""Keeps the catalog and Raft true to the pool: on each change of a member, and all of them now and then. The leader's work.

Source: reference of the Raft wire, section 7.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from muster.gossip.effects import Member, MemberStatus
from muster.model.errors import MusterError, NoLeader
from muster.server import member_registration as registration
from muster.server.context import Context
from muster.server.server_members import CLIENT_ROLE, peer_of
from muster.wire.commands import DeregisterRequest, RegisterRequest

IN_FLIGHT = 64  # members that are written at a time
MOST_COMMANDS = 2  # for one member: of a host set up anew the old node fails before the new one takes its name
LOOKED_AT_PER_TURN = 200  # of the loop, while nothing needs to be written

logger = logging.getLogger("muster.leader")


class MemberReconciler:
    """Does nothing before the first `all`, and after `stop`. `servers_changed` is called when a server was added to Raft."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop, servers_changed: Callable[[], None]) -> None:
        self._context = context
        self._loop = loop
        self._servers_changed = servers_changed
        self._pending: dict[str, tuple[Member, bool]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._unknown_since: dict[str, float] = {}
        self._active = False

    def stop(self) -> None:
        """This server leads no longer."""
        self._active = False
        self._pending.clear()
        self._unknown_since.clear()
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def changed(self, member: Member, reaped: bool) -> None:
        """A member came, went or showed other tags; `reaped`: the pool has forgotten it. The newest word about each counts."""
        if not self._active:
            return
        self._pending.pop(member.name, None)
        self._pending[member.name] = member, reaped
        if self._worker is None or self._worker.done():
            self._worker = self._loop.create_task(self._work())

    async def all(self) -> None:
        """Looks at every member, and for nodes that no member stands for any more."""
        self._active = True
        members = self._context.servers.members()
        names = {member.name.lower() for member in members}
        if self._context.settings.node_name.lower() not in names:  # the pool is not open: it knows nothing
            return
        await self._reconcile((member, False) for member in members)
        await self._deregister_unknown(names)
        context = self._context
        applied = context.consensus.applied_index
        context.registered_after = {name: after for name, after in context.registered_after.items() if after >= applied}

    async def _work(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, {}
            await self._reconcile(batch.values())

    async def _reconcile(self, members: Iterable[tuple[Member, bool]]) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            for count, (member, reaped) in enumerate(members, 1):
                if count % LOOKED_AT_PER_TURN == 0:
                    await asyncio.sleep(0)
                if not self._is_due(member, reaped):
                    continue
                if len(running) >= IN_FLIGHT:
                    _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running.add(self._loop.create_task(self._write(member, reaped)))
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()

    def _is_ours(self, member: Member) -> bool:
        """Whether it is an agent of this datacenter."""
        peer, tags = peer_of(member), member.tags
        known = peer is not None or tags.get("role") == CLIENT_ROLE
        return known and tags.get("dc", "") == self._context.settings.datacenter and not tags.get("segment")

    def _is_due(self, member: Member, reaped: bool) -> bool:
        """Whether anything is to be written for a member; most of the time all is as it should be."""
        if not self._is_ours(member):
            logger.warning("skipping reconcile of node: member=%s", member.name)
            return False
        if self._command(member, reaped) is not None:
            return True
        peer, membership = peer_of(member), self._context.membership
        if member.status is MemberStatus.ALIVE and not reaped:
            return peer is not None and membership.lacks(peer)
        return self._has_left(member, reaped) and membership.entry_of(member) is not None

    def _has_left(self, member: Member, reaped: bool) -> bool:
        """Whether it is gone for good. This server itself never is: whoever leads after it sees to that."""
        return (reaped or member.status is MemberStatus.LEFT) and member.name != self._context.settings.node_name

    def _command(self, member: Member, reaped: bool) -> RegisterRequest | DeregisterRequest | None:
        store, datacenter = self._context.store, self._context.settings.datacenter
        if reaped or member.status is MemberStatus.LEFT:
            return registration.gone(store, datacenter, member.name) if self._has_left(member, reaped) else None
        if member.status is MemberStatus.ALIVE:
            return registration.alive(store, datacenter, member)
        return registration.failed(store, datacenter, member) if member.status is MemberStatus.FAILED else None

    async def _write(self, member: Member, reaped: bool) -> None:
        """What fails is tried again by the next full round."""
        try:
            await self._change_servers(member, reaped)
            await self._registrations_of(member.name.lower())
            for _ in range(MOST_COMMANDS):
                if (command := self._command(member, reaped)) is None:
                    break
                logger.info("%s: member=%s", _words(command), member.name)
                await self._context.commit(command)
        except NoLeader:
            return
        except MusterError as error:
            logger.error("failed to reconcile member: member=%s error=%s", member.name, error)

    async def _registrations_of(self, name: str) -> None:
        """Waits for what the node's own agent has just written of it: what is decided without that would wipe it out again."""
        context = self._context
        while context.registered_after.get(name, -1) >= context.consensus.applied_index:
            await context.consensus.barrier()
        context.registered_after.pop(name, None)

    async def _change_servers(self, member: Member, reaped: bool) -> None:
        """Raft first: a server that cannot be added or removed is not shown as if it had been."""
        peer, membership = peer_of(member), self._context.membership
        if member.status is MemberStatus.ALIVE and not reaped:
            if peer is not None and await membership.join(peer):
                self._servers_changed()
        elif self._has_left(member, reaped) and (entry := membership.entry_of(member)) is not None:
            logger.info("removing server by ID: id=%s", entry.identity)
            await membership.remove(entry.identity)

    # ---- nodes that the pool does not know

    async def _deregister_unknown(self, names: set[str]) -> None:
        """Nodes whose members were forgotten while nobody led.

        Not at once: after a restart of all servers nobody remembers those agents that have not come back yet.
        """
        now, settings = self._context.clock.monotonic(), self._context.settings
        unknown = {node.node: node for node in registration.watched_nodes(self._context.store) if node.node.lower() not in names}
        self._unknown_since = {name: self._unknown_since.get(name, now) for name in unknown}
        for name, since in self._unknown_since.items():
            command = registration.gone(self._context.store, settings.datacenter, name)
            if now - since >= settings.unknown_node_grace and command is not None:
                logger.info("deregistering member: member=%s reason=reaped", name)
                await self._context.commit(command)


def _words(command: RegisterRequest | DeregisterRequest) -> str:
    if isinstance(command, DeregisterRequest):
        return "deregistering member"
    return "member failed, marking health critical" if command.skip_node_update else "member joined, marking health alive"

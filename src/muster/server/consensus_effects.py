"""Carries out what the consensus core wants done, in order, over the disk's thread."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from muster.model.clock import Clock
from muster.model.errors import MusterError, NoLeader, Rejected, StorageFailed
from muster.raft.effects import (
    Append,
    Apply,
    BecameLeader,
    Effect,
    InstallSnapshot,
    LostLeadership,
    ReadEntries,
    ReceiveSnapshot,
    SaveVote,
    Send,
    SendSnapshot,
    TransferFailed,
    Verified,
)
from muster.raft.entries import Entry
from muster.raft.membership import Configuration
from muster.raft.messages import InstallSnapshotResponse, TimeoutNow
from muster.raft.node import Node
from muster.raft.roles import Role
from muster.server.applying import Applier
from muster.server.chunking import ChunkMap
from muster.server.commit_batch import CommitBatch, LeadershipLost
from muster.server.stalled_disk import LIMIT, StalledDisk
from muster.server.state_machine import StateMachine
from muster.storage.disk_thread import Worker
from muster.storage.raft_storage import RaftStorage

MAXIMUM_WRITE = 4 << 20  # bytes of entries that waited and are written at once
OVERTAKEN = frozenset({Append, SaveVote, Send})
"""What need not have happened before committed entries are applied."""

logger = logging.getLogger("muster.raft")


class Peers(Protocol):
    """The way to the other servers. A server that is alone has none."""

    def send(self, effect: Send) -> None:
        """Sends a message; its answer comes back by `Consensus.receive`."""
        ...

    def send_snapshot(self, peer: str) -> None:
        """Sends the newest snapshot."""
        ...

    def receive_snapshot(self, effect: ReceiveSnapshot) -> None:
        """Has `Consensus.receive_snapshot` take the bytes that follow this head."""
        ...


class EffectRunner:
    """The queue of effects, and what each one means. At most one write is under way at a time."""

    def __init__(self, node: Node, storage: RaftStorage, state: StateMachine, clock: Clock, worker: Worker, peers: Peers | None) -> None:
        self.batch = CommitBatch()
        self.applier = Applier(state, self.batch, clock, node.log.snapshot_index)
        self.tickets: dict[int, list[asyncio.Future[None]]] = {}
        self.leading = False
        self.accepts = False  # leading, and nothing failed: proposals are taken
        self.failed: StorageFailed | None = None
        self.failed_at = float("inf")
        self.on_applied: Callable[[int], None] | None = None
        self.on_leadership: Callable[[bool], None] | None = None
        self.on_idle: Callable[[], None] | None = None
        self.on_leader: Callable[[str], None] | None = None
        self.on_configuration: Callable[[Configuration, int], None] | None = None
        self.install: Callable[[InstallSnapshot], Awaitable[list[Effect]]]
        self.take_fresh: Callable[[], Awaitable[object]]
        self.transfer: asyncio.Future[None] | None = None
        """While leadership is handed over: nothing is proposed, and what arrives waits."""
        self._node, self._storage, self._clock = node, storage, clock
        self._worker, self._peers = worker, peers
        self._loop = asyncio.get_running_loop()
        self._effects: deque[Effect] = deque()
        self._advancing = self._writing = self._held = False
        self._replay: asyncio.Task[None] | None = None
        self._fresh: set[asyncio.Task[None]] = set()
        self._install: asyncio.Task[None] | None = None
        self._leader, self._configuration = "", node.configuration
        self._idle: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._disk = StalledDisk(self._loop, clock, self._disk_stalled)
        self._handlers: dict[type, Callable[..., None]] = {
            Append: self._append,
            SaveVote: self._save_vote,
            Apply: self._apply,
            BecameLeader: self._became_leader,
            LostLeadership: self._lost_leadership,
            Verified: self._verified,
            Send: self._send,
            ReadEntries: self._read_entries,
            SendSnapshot: self._send_snapshot,
            ReceiveSnapshot: self._receive_snapshot,
            InstallSnapshot: self._install_snapshot,
            TransferFailed: self._transfer_failed,
        }

    @property
    def applied_index(self) -> int:
        """The last index that the state machine holds."""
        return self.applier.applied_index

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Queues effects and does what can be done now."""
        in_the_way = self._effects or self._writing or self._replay is not None
        if (in_the_way or len(effects) > 1) and self._peers is not None:
            effects = self._urgent_first(effects)
        self._effects.extend(effects)
        if self._advancing:
            return  # whoever advances goes on with these, and then looks at the rest
        self._advance()
        self.arm_timer()
        node = self._node
        if node.contact.address != self._leader or node.configurations.latest is not self._configuration:
            self._tell_changes()

    def flush(self) -> None:
        """Proposes the next batch, if nothing is in its way."""
        blocked = self._writing or self._held or self._replay is not None or self.transfer is not None
        if blocked or not self.accepts or not self.batch.proposals or not self._node.takes_proposals():
            return
        now = self._clock.monotonic()
        self.carry_out(self._node.propose(now, self.batch.take(self._node.log.last_index + 1, now)))
        if self.batch.proposals and self.on_idle is not None and not self._writing:
            self._loop.call_soon(self.on_idle)

    async def caught_up(self) -> None:
        """Waits for the entries that a start finds committed. Raises StorageFailed."""
        while self._writing or self._replay is not None:
            if self._replay is not None:
                await self._replay
            else:
                await self._until_idle()
        if self.failed is not None:
            raise self.failed

    async def written(self) -> None:
        """Waits for the write under way, and those that are queued. Raises StorageFailed."""
        while self._writing:
            await self._until_idle()
        if self.failed is not None:
            raise self.failed

    async def hold(self) -> None:
        """Waits until all that was proposed is applied, and proposes nothing until `release`."""
        self._held = True
        if self._writing or self.batch.waiting:
            await self._until_idle()

    def release(self) -> None:
        """Ends `hold`."""
        self._held = False
        self.flush()

    def restored(self, index: int, term: int, chunks: ChunkMap) -> None:
        """A snapshot replaced the state and the log."""
        self._node.restored(index, term)
        self.replaced(index, chunks)

    def replaced(self, index: int, chunks: ChunkMap) -> None:
        """The state machine holds a snapshot's content."""
        self.applier.replaced(index, chunks)
        if self.on_applied is not None:
            self.on_applied(index)

    def fail(self, error: Exception) -> StorageFailed:
        """The disk failed: nothing is acknowledged from now on. Reads go on; peers may choose another leader."""
        path = getattr(error, "filename", None)
        text = f"{error}; nothing is acknowledged any more: mend the disk and start this server again"
        failure = StorageFailed(text if path is None or str(path) in text else f"{path}: {text}")
        if self.failed is None:
            self.failed, self.failed_at = failure, self._clock.monotonic()
            logger.error("%s", failure)
        self.accepts = False
        self._effects.clear()
        self.batch.fail(failure)
        self._wake_idle()
        if self._node.configuration.voters() != [self._node.identity]:
            self._resign("the disk failed")
        return failure

    def _disk_stalled(self) -> None:
        """The disk hangs: where the followers have what is under way, one of them leads from now on."""
        logger.error("the disk has not answered for %.0f s: last_index=%d", LIMIT, self._node.log.last_index)
        if self._node.is_replicated():
            self._resign("the disk does not answer")

    def _resign(self, reason: str) -> None:
        self.carry_out(self._node.resign(self._clock.monotonic(), reason))

    def disk_fault(self) -> str:
        """Why this server can acknowledge nothing now; empty while the disk does its work."""
        if self.failed is not None:
            return str(self.failed)
        return f"the disk has not answered for {LIMIT:g} s" if self._disk.is_stalled else ""

    def refusal(self) -> MusterError:
        """Why nothing can be proposed here."""
        return NoLeader() if self.failed is None else StorageFailed(str(self.failed))

    def stop(self) -> None:
        """Takes nothing more; what waits gets NoLeader."""
        self.accepts = self.leading = False
        self._effects.clear()
        self.batch.fail(NoLeader(), LeadershipLost())
        self._fail_tickets()
        self._end_transfer(None)
        self._disk.close()
        if self._timer is not None:
            self._timer.cancel()
        for task in (self._replay, self._install, *self._fresh):
            if task is not None:
                task.cancel()

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._effects and not self._writing and self._replay is None:
                effect = self._effects.popleft()
                if self.failed is None or _needs_no_disk(effect):
                    self._handlers[type(effect)](effect)
        finally:
            self._advancing = False

    def _urgent_first(self, effects: Sequence[Effect]) -> Sequence[Effect]:
        """Does what need not wait for the disk; returns the rest."""
        rest: list[Effect] = []
        blocked = self._replay is not None or self._install is not None or self.failed is not None
        for effect in effects:
            if isinstance(effect, Send) and not effect.after_writes:
                self._send(effect)
            elif isinstance(effect, LostLeadership) and self.leading:
                self._lost_leadership(effect)  # those who wait for this leader must not wait for its disk
            elif isinstance(effect, Apply) and not blocked and (entries := self._overtaking(effect)) is not None:
                self._apply_entries(entries)
            else:
                rest.append(effect)
                blocked = blocked or type(effect) not in OVERTAKEN
        return rest

    def _overtaking(self, effect: Apply) -> list[Entry] | None:
        """The entries to be applied, if nothing that is queued must come before them and memory has them."""
        if self._effects and not OVERTAKEN.issuperset(map(type, self._effects)):
            return None
        return self._node.log.recent(effect.first, effect.last)

    def _append(self, effect: Append) -> None:
        entries = effect.entries
        if self._effects:
            entries = self._with_those_that_follow(entries)
        self._writing = True
        self._disk.began()
        self._worker.submit(partial(self._storage.log.append, entries), partial(self._appended, entries[-1].index))

    def _with_those_that_follow(self, entries: list[Entry]) -> list[Entry]:
        """The entries, and those of all writes that wait behind them: one sync for all. The answers in between come after it."""
        size, last = sum(len(entry.data) for entry in entries), entries[-1].index
        queued, kept = self._effects, deque[Effect]()
        while queued and size < MAXIMUM_WRITE:
            effect = queued[0]
            if isinstance(effect, Append):
                if effect.entries[0].index != last + 1:
                    break
                entries = entries + effect.entries
                size, last = size + sum(len(entry.data) for entry in effect.entries), entries[-1].index
                queued.popleft()
            elif isinstance(effect, Send | Apply):
                kept.append(queued.popleft())
            else:
                break
        queued.extendleft(reversed(kept))
        return entries

    def _appended(self, index: int, _: object, error: Exception | None) -> None:
        self._writing = False
        self._disk.ended()
        if error is not None:
            self.fail(error)
            return
        if self.failed is not None:
            return
        effects = self._node.persisted(self._clock.monotonic(), index)
        if self._effects or self._advancing or not self.batch.proposals:
            self.carry_out(effects)
        else:  # the disk works on the next batch while this one is applied
            self.flush()
            for effect in effects:
                self._handlers[type(effect)](effect)
        self._when_idle()

    def _when_idle(self) -> None:
        if self._writing:
            return
        if self.batch.proposals and not self._advancing:
            self.flush()
        if self._idle is not None and not self.batch.waiting:
            self._wake_idle()

    def _save_vote(self, effect: SaveVote) -> None:
        self._writing = True
        self._disk.began()
        self._worker.submit(partial(self._storage.vote.save, effect.term, effect.candidate), self._vote_saved)

    def _vote_saved(self, _: object, error: Exception | None) -> None:
        self._writing = False
        self._disk.ended()
        if error is not None:
            self.fail(error)
            return
        self.carry_out(())
        self._when_idle()

    def _apply(self, effect: Apply) -> None:
        entries = self._node.log.recent(effect.first, effect.last)
        if entries is None:
            self._replay = self._loop.create_task(self._run_replay(effect.first, effect.last))
            return
        self._apply_entries(entries)

    def _apply_entries(self, entries: list[Entry]) -> None:
        self.applier.apply(entries)
        applied = entries[-1].index
        self._node.log.trim(applied)
        if self.on_applied is not None:
            self.on_applied(applied)

    async def _run_replay(self, first: int, last: int) -> None:
        try:
            await self.applier.replay(self._storage.log, first, last)
        except OSError as error:
            self.fail(error)
        self._replay = None
        if self.on_applied is not None:
            self.on_applied(self.applied_index)
        self.carry_out(())
        self._when_idle()

    def _became_leader(self, effect: BecameLeader) -> None:
        if self._node.role is not Role.LEADER or self._node.term != effect.term:
            return  # it ceased to while the disk was busy
        logger.info("leading term %d", effect.term)
        self.leading, self.accepts = True, self.failed is None
        if self.on_leadership is not None:
            self.on_leadership(True)

    def _lost_leadership(self, effect: LostLeadership) -> None:
        if not self.leading:
            return
        logger.warning("no longer leading: %s", effect.reason)
        self.leading = self.accepts = False
        self.batch.fail(NoLeader(), LeadershipLost())
        self._fail_tickets()
        self._end_transfer(None)
        if self.on_leadership is not None:
            self.on_leadership(False)

    def _verified(self, effect: Verified) -> None:
        for future in self.tickets.pop(effect.ticket, ()):
            if not future.done():
                future.set_result(None)

    def _transfer_failed(self, effect: TransferFailed) -> None:
        logger.warning("leadership was not taken over: target=%s", effect.target)
        self._end_transfer(Rejected("leadership transfer timeout"))
        self.flush()

    def _end_transfer(self, error: Exception | None) -> None:
        transfer, self.transfer = self.transfer, None
        if transfer is None or transfer.done():
            return
        if error is None:
            transfer.set_result(None)
        else:
            transfer.set_exception(error)

    def _tell_changes(self) -> None:
        """Another leader, or another configuration."""
        node = self._node
        if node.leader_address != self._leader:
            self._leader = node.leader_address
            if self.on_leader is not None:
                self.on_leader(self._leader)
        if node.configuration is not self._configuration:
            self._configuration = node.configuration
            if self.on_configuration is not None:
                self.on_configuration(node.configuration, node.configuration_index)

    def _send(self, effect: Send) -> None:
        if self._peers is not None and (self.failed is None or _needs_no_disk(effect)):
            self._peers.send(effect)

    def _send_snapshot(self, effect: SendSnapshot) -> None:
        if self._peers is None:
            return
        newest = self._storage.newest
        if effect.fresh and (newest is None or newest.term < self._node.term):
            task = self._loop.create_task(self._send_fresh(self._peers, effect.peer))
            self._fresh.add(task)
            task.add_done_callback(self._fresh.discard)
        else:
            self._peers.send_snapshot(effect.peer)

    async def _send_fresh(self, peers: Peers, peer: str) -> None:
        """Takes a snapshot first, so that it ends in this term."""
        try:
            await self.take_fresh()
        except StorageFailed as error:
            logger.error("no snapshot for a follower that needs one: peer=%s error=%s", peer, error)
            self.carry_out(self._node.receive(self._clock.monotonic(), peer, InstallSnapshotResponse(0, False)))
        else:
            peers.send_snapshot(peer)

    def _receive_snapshot(self, effect: ReceiveSnapshot) -> None:
        if self._peers is not None:
            self._peers.receive_snapshot(effect)

    def _install_snapshot(self, effect: InstallSnapshot) -> None:
        self._writing = True
        self._install = self._loop.create_task(self._run_install(effect))

    async def _run_install(self, effect: InstallSnapshot) -> None:
        effects: list[Effect] = []
        try:
            effects = await self.install(effect)
        except StorageFailed:
            return  # `fail` was called
        finally:
            self._install, self._writing = None, False
        self.carry_out(effects)
        self._when_idle()

    def _read_entries(self, effect: ReadEntries) -> None:
        def read(_: object, error: Exception | None) -> None:
            if error is not None:
                self.fail(error)
            else:
                self.carry_out(self._node.entries_read(self._clock.monotonic(), effect.peer, found))

        found: list[Entry] = []
        self._worker.submit(lambda: found.extend(self._storage.log.read(effect.first, effect.last)), read)

    def arm_timer(self) -> None:
        """Sees to it that `tick` comes in time. A deadline that moved away leaves the timer: it looks again then."""
        deadline = self._node.next_deadline()
        if self._timer is not None and self._timer_at <= deadline != float("inf"):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline != float("inf"):
            self._timer = self._loop.call_later(max(0.0, deadline - self._clock.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        now = self._clock.monotonic()
        if (self.failed is not None or self._disk.is_stalled) and self._node.role is not Role.LEADER:
            self._node.contact.wait(now)  # who cannot even save its own vote does not stand
        self.carry_out(self._node.tick(now))

    def _until_idle(self) -> asyncio.Future[None]:
        if self._idle is None or self._idle.done():
            self._idle = self._loop.create_future()
        return self._idle

    def _wake_idle(self) -> None:
        if self._idle is not None:
            if not self._idle.done():  # whoever waited may have been cancelled
                self._idle.set_result(None)
            self._idle = None

    def _fail_tickets(self) -> None:
        for future in [future for waiting in self.tickets.values() for future in waiting]:
            if not future.done():
                future.set_exception(NoLeader())
        self.tickets.clear()


def _needs_no_disk(effect: Effect) -> bool:
    """Whether a server whose disk failed may do it.

    It must not acknowledge what it only remembers, nor apply it: what is before may be missing.
    Nor does it answer heartbeats: a leader that is heard by such servers only would hold on to a lease without being able to commit.
    """
    if isinstance(effect, Send):
        return isinstance(effect.message, TimeoutNow)
    return isinstance(effect, LostLeadership | Verified | TransferFailed)

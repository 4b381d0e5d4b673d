"""Carries out what the consensus core wants done, in order, over the disk's thread."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from muster.model.clock import Clock
from muster.model.errors import CommandFailed, MusterError, NoLeader, StorageFailed
from muster.raft.effects import (
    Append,
    Apply,
    BecameLeader,
    Effect,
    InstallSnapshot,
    LostLeadership,
    ReadEntries,
    SaveVote,
    Send,
    SendSnapshot,
    Verified,
)
from muster.raft.entries import COMMAND, Entry
from muster.raft.messages import Message
from muster.raft.node import Node
from muster.server.chunking import Assembler, ChunkMap
from muster.server.commit_batch import CommitBatch
from muster.server.state_machine import StateMachine
from muster.storage.disk_thread import Worker
from muster.storage.raft_storage import RaftStorage

REPLAY_SLICE = 0.005  # seconds of applying between two turns of the loop

logger = logging.getLogger("muster.raft")


class Peers(Protocol):
    """The way to the other servers. A server that is alone has none."""

    def send(self, effect: Send) -> None:
        """Sends a message; its answer comes back by `EffectRunner.receive`."""
        ...

    def send_snapshot(self, peer: str) -> None:
        """Sends the newest snapshot."""
        ...

    def receive_snapshot(self, effect: InstallSnapshot) -> None:
        """Stores and restores the snapshot that follows its head."""
        ...


class EffectRunner:
    """The queue of effects, and what each one means. At most one write is under way at a time."""

    def __init__(self, node: Node, storage: RaftStorage, state: StateMachine, clock: Clock, worker: Worker, peers: Peers | None) -> None:
        self.batch = CommitBatch()
        self.assembler = Assembler()
        self.tickets: dict[int, asyncio.Future[None]] = {}
        self.applied_index = node.log.snapshot_index
        self.leading = False
        self.accepts = False  # leading, and nothing failed: proposals are taken
        self.failed: StorageFailed | None = None
        self.on_applied: Callable[[int], None] | None = None
        self.on_leadership: Callable[[bool], None] | None = None
        self.on_idle: Callable[[], None] | None = None
        self._node, self._storage, self._state, self._clock = node, storage, state, clock
        self._worker, self._peers = worker, peers
        self._loop = asyncio.get_running_loop()
        self._effects: deque[Effect] = deque()
        self._advancing = self._writing = self._held = False
        self._replay: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
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
            InstallSnapshot: self._install_snapshot,
        }

    def receive(self, sender: str, message: Message) -> None:
        """A message from another server."""
        self.carry_out(self._node.receive(self._clock.monotonic(), sender, message))

    def carry_out(self, effects: Sequence[Effect]) -> None:
        """Queues effects and does what can be done now."""
        if self._peers is not None:
            effects = [effect for effect in effects if not self._sent_at_once(effect)]
        self._effects.extend(effects)
        self._advance()
        self._arm_timer()

    def flush(self) -> None:
        """Proposes the next batch, if nothing is in its way."""
        if self._writing or self._held or self._replay is not None or not self.accepts or not len(self.batch):
            return
        try:
            effects = self._node.propose(self._clock.monotonic(), self.batch.take(self._node.log.last_index + 1))
        except NoLeader as error:  # it hands over to another server
            self.batch.fail(error)
            return
        self.carry_out(effects)
        if len(self.batch) and self.on_idle is not None and not self._writing:
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
        self.assembler.restore(chunks)
        self.applied_index = index
        if self.on_applied is not None:
            self.on_applied(index)

    def fail(self, error: Exception) -> StorageFailed:
        """The disk failed: nothing is acknowledged from now on. Reads go on; peers may choose another leader."""
        path = getattr(error, "filename", None)
        text = f"{error}; nothing is acknowledged any more: mend the disk and start this server again"
        failure = StorageFailed(text if path is None or str(path) in text else f"{path}: {text}")
        if self.failed is None:
            self.failed = failure
            logger.error("%s", failure)
        self.accepts = False
        self._effects.clear()
        self.batch.fail(failure)
        self._wake_idle()
        if self._node.configuration.voters() != [self._node.identity]:
            self._effects.extend(self._node.resign(self._clock.monotonic(), "the disk failed"))
            self._advance()
        return failure

    def stop(self) -> None:
        """Takes nothing more; what waits gets NoLeader."""
        self.accepts = self.leading = False
        self._effects.clear()
        self.batch.fail(NoLeader())
        self._fail_tickets()
        if self._timer is not None:
            self._timer.cancel()
        if self._replay is not None:
            self._replay.cancel()

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._effects and not self._writing and self._replay is None:
                effect = self._effects.popleft()
                self._handlers[type(effect)](effect)
        finally:
            self._advancing = False

    def _append(self, effect: Append) -> None:
        self._writing = True
        self._worker.submit(partial(self._storage.log.append, effect.entries), partial(self._appended, effect.entries[-1].index))

    def _appended(self, index: int, _: object, error: Exception | None) -> None:
        self._writing = False
        if error is not None:
            self.fail(error)
            return
        if self.failed is not None:
            return
        effects = self._node.persisted(self._clock.monotonic(), index)
        if self._effects or self._advancing or len(self.batch) == 0:
            self.carry_out(effects)
        else:  # the disk works on the next batch while this one is applied
            self.flush()
            for effect in effects:
                self._handlers[type(effect)](effect)
        self._when_idle()

    def _when_idle(self) -> None:
        if self._writing:
            return
        if len(self.batch) and not self._advancing:
            self.flush()
        if self._idle is not None and not self.batch.waiting:
            self._wake_idle()

    def _save_vote(self, effect: SaveVote) -> None:
        self._writing = True
        self._worker.submit(partial(self._storage.vote.save, effect.term, effect.candidate), self._vote_saved)

    def _vote_saved(self, _: object, error: Exception | None) -> None:
        self._writing = False
        if error is not None:
            self.fail(error)
            return
        self._advance()
        self._when_idle()

    def _apply(self, effect: Apply) -> None:
        entries = self._node.log.recent(effect.first, effect.last)
        if entries is None:
            self._replay = self._loop.create_task(self._replay_from_disk(effect.first, effect.last))
            return
        self._apply_entries(entries)
        self._node.log.trim(self.applied_index)
        if self.on_applied is not None:
            self.on_applied(self.applied_index)

    def _apply_entries(self, entries: Sequence[Entry]) -> None:
        apply, waiting = self._state.apply, self.batch.waiting
        for entry in entries:
            result: object = None
            if entry.type == COMMAND:
                try:
                    result = apply(entry.index, entry.data, entry.command) if not entry.extensions else self._apply_piece(entry)
                except Exception as error:
                    # It fails alike on every server, so the log goes on; stopping would fail again at every start.
                    logger.exception("applying entry %d", entry.index)
                    result = CommandFailed(f"internal error: {error!r}")
                entry.command = None  # the state has what it keeps of it
            if waiting and waiting[0][0] == entry.index:
                future = waiting.popleft()[1]
                if not future.done():
                    if isinstance(result, MusterError):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        self.applied_index = entries[-1].index

    def _apply_piece(self, entry: Entry) -> object:
        data = self.assembler.add(entry)
        return self._state.apply(entry.index, data, entry.command) if isinstance(data, bytes) else data

    async def _replay_from_disk(self, first: int, last: int) -> None:
        """A start's backlog, in slices. Nothing else uses the log meanwhile."""
        until = self._clock.monotonic() + REPLAY_SLICE
        some: list[Entry] = []
        try:
            for entry in self._storage.log.read(first, last):
                some.append(entry)
                if len(some) >= 64 or len(entry.data) > 4096:
                    self._apply_entries(some)
                    some.clear()
                    if self._clock.monotonic() >= until:
                        await asyncio.sleep(0)
                        until = self._clock.monotonic() + REPLAY_SLICE
            if some:
                self._apply_entries(some)
        except OSError as error:
            self.fail(error)
        self._replay = None
        if self.on_applied is not None:
            self.on_applied(self.applied_index)
        self._advance()
        self._when_idle()

    def _became_leader(self, effect: BecameLeader) -> None:
        logger.info("leading term %d", effect.term)
        self.leading = self.accepts = True
        if self.on_leadership is not None:
            self.on_leadership(True)

    def _lost_leadership(self, effect: LostLeadership) -> None:
        logger.warning("no longer leading: %s", effect.reason)
        self.leading = self.accepts = False
        self.batch.fail(NoLeader())
        self._fail_tickets()
        if self.on_leadership is not None:
            self.on_leadership(False)

    def _verified(self, effect: Verified) -> None:
        future = self.tickets.pop(effect.ticket, None)
        if future is not None and not future.done():
            future.set_result(None)

    def _sent_at_once(self, effect: Effect) -> bool:
        if isinstance(effect, Send) and not effect.after_writes:
            self._send(effect)
            return True
        return False

    def _send(self, effect: Send) -> None:
        if self._peers is not None:
            self._peers.send(effect)

    def _send_snapshot(self, effect: SendSnapshot) -> None:
        if self._peers is not None:
            self._peers.send_snapshot(effect.peer)

    def _install_snapshot(self, effect: InstallSnapshot) -> None:
        if self._peers is not None:
            self._peers.receive_snapshot(effect)

    def _read_entries(self, effect: ReadEntries) -> None:
        def read(_: object, error: Exception | None) -> None:
            if error is not None:
                self.fail(error)
            else:
                self.carry_out(self._node.entries_read(self._clock.monotonic(), effect.peer, found))

        found: list[Entry] = []
        self._worker.submit(lambda: found.extend(self._storage.log.read(effect.first, effect.last)), read)

    def _arm_timer(self) -> None:
        deadline = self._node.next_deadline()
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline != float("inf"):
            self._timer = self._loop.call_later(max(0.0, deadline - self._clock.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self.carry_out(self._node.tick(self._clock.monotonic()))

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
        for future in self.tickets.values():
            if not future.done():
                future.set_exception(NoLeader())
        self.tickets.clear()

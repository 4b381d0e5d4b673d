"""Drives the consensus core over a disk and the event loop.

One turn of the loop gathers all proposals; they become one batch, one write and one sync in the disk's thread. What
arrives meanwhile is the next batch. When a batch is durable its entries are applied in one go and their futures
completed. The loop never waits for the disk.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import BinaryIO

from muster.model.clock import Clock
from muster.model.errors import NoLeader, StorageFailed
from muster.raft.entries import BARRIER, COMMAND, NOOP, Proposal
from muster.raft.membership import Configuration, Member
from muster.raft.node import Node
from muster.raft.timing import Timing
from muster.server import chunking, raft_snapshots
from muster.server.consensus_effects import EffectRunner, Peers
from muster.server.consensus_start import bootstrap, make_node
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.state_machine import StateMachine
from muster.storage.disk_thread import DiskThread, InlineWorker, Worker, run
from muster.storage.raft_storage import RaftStorage
from muster.storage.snapshots import SnapshotMeta

KVS = 2  # message type of key/value commands, the only ones that are cut into pieces

logger = logging.getLogger("muster.raft")


class Consensus:
    """One server's replicated log. Made and used on one event loop; `start` before anything else.

    `on_applied(index)` is called after each batch that was applied; `on_leadership(leads)` when this server begins or
    ceases to lead. `failed` is the error that stopped it from acknowledging anything, None while all is well.
    """

    def __init__(
        self,
        *,
        identity: str,
        address: str,
        storage: RaftStorage,
        state: StateMachine,
        clock: Clock,
        chance: random.Random,
        timing: Timing | None = None,
        policy: SnapshotPolicy | None = None,
        bootstrap: bool = True,
        on_applied: Callable[[int], None] | None = None,
        on_leadership: Callable[[bool], None] | None = None,
        peers: Peers | None = None,
        worker: Worker | None = None,
    ) -> None:
        """`identity`: the node's UUID; `address`: the advertised "ip:port". `bootstrap`: an empty server founds a
        datacenter of its own. `worker` runs the disk's work, by default a thread if the storage blocks."""
        self._identity, self._address, self._bootstrap = identity, address, bootstrap
        self._storage, self._state, self._clock, self._random = storage, state, clock, chance
        self._timing, self._policy = timing or Timing(), policy or SnapshotPolicy()
        self._on_applied, self._on_leadership, self._peers = on_applied, on_leadership, peers
        self._given_worker = worker
        self._loop: asyncio.AbstractEventLoop
        self._runner: EffectRunner
        self._node: Node
        self._flush_due = False
        self._snapshot_lock = asyncio.Lock()
        self._snapshot_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._bytes_at_snapshot = 0
        self._tickets = 0
        self._stopped = True

    async def start(self) -> None:
        """Restores the state, and returns once all that a sole voter's log holds is applied.

        Raises StorageFailed, CorruptFile or DecodeError.
        """
        self._loop = asyncio.get_running_loop()
        try:
            if self._bootstrap and self._storage.is_empty():
                bootstrap(self._storage, Configuration((Member(self._identity, self._address),)))
            self._node = make_node(self._identity, self._address, self._timing, self._random, self._storage)
            if self._storage.newest is None:
                chunks = {}
            else:
                with self._storage.snapshots.open(self._storage.newest) as stream:
                    chunks = self._state.restore(stream)
        except OSError as error:
            raise StorageFailed(f"cannot read the Raft log or snapshot: {error}") from error
        self._worker = self._given_worker or (DiskThread("raft-log") if self._storage.blocking else InlineWorker())
        self._snapshot_worker = self._given_worker or (DiskThread("raft-snapshot") if self._storage.blocking else InlineWorker())
        self._runner = EffectRunner(self._node, self._storage, self._state, self._clock, self._worker, self._peers)
        self._runner.on_applied, self._runner.on_leadership, self._runner.on_idle = self._on_applied, self._on_leadership, self._flush
        self._runner.assembler.restore(chunks)
        self._stopped = False
        self._runner.carry_out(self._node.start(self._clock.monotonic()))
        await self._runner.caught_up()
        self._schedule_snapshot_check()

    async def stop(self) -> None:
        """Ends after the write under way; what waits gets NoLeader. Closes the storage."""
        if self._stopped:
            return
        self._stopped = True
        if self._snapshot_timer is not None:
            self._snapshot_timer.cancel()
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._runner.stop()
        await self._snapshot_worker.close()
        if self._worker is not self._snapshot_worker:
            await self._worker.close()
        self._storage.log.close()

    @property
    def failed(self) -> StorageFailed | None:
        """Why nothing is acknowledged any more; None while all is well."""
        return self._runner.failed

    @property
    def term(self) -> int:
        """The current term."""
        return self._node.term

    @property
    def last_index(self) -> int:
        """The last index of the log."""
        return self._node.log.last_index

    @property
    def commit_index(self) -> int:
        """The last index that is committed."""
        return self._node.commit_index

    @property
    def applied_index(self) -> int:
        """The last index that the state machine holds."""
        return self._runner.applied_index

    @property
    def configuration(self) -> Configuration:
        """Who takes part, as of the last entry of the log."""
        return self._node.configuration

    @property
    def configuration_index(self) -> int:
        """The index of that configuration."""
        return self._node.configuration_index

    @property
    def newest_snapshot(self) -> SnapshotMeta | None:
        """The last snapshot that was taken or found."""
        return self._storage.newest

    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""
        return self._runner.leading

    def leader_address(self) -> str:
        """The leader's "ip:port"; empty if there is none."""
        return self._node.leader_address

    def commit(self, message_type: int, data: bytes, command: object) -> asyncio.Future[object]:
        """Has a command written, committed and applied; the future is its result.

        `data` is the whole entry: the type's byte and the body. A result that is a MusterError is raised by the
        future, as are NoLeader (it may or may not have been written) and StorageFailed.
        """
        future: asyncio.Future[object] = self._loop.create_future()
        if not self._runner.accepts:
            future.set_exception(self._refusal())
        elif message_type == KVS and len(data) > chunking.CHUNK_BYTES:
            pieces = chunking.split(data, command, self._random)
            for piece in pieces[:-1]:
                self._runner.batch.add(piece, None)
            self._propose(pieces[-1], future)
        else:
            self._runner.batch.add(Proposal(COMMAND, data, b"", command), future)
            if not self._flush_due:
                self._flush_due = True
                self._loop.call_soon(self._flush)
        return future

    def barrier(self) -> asyncio.Future[object]:
        """Completes when everything committed before it is applied here."""
        future: asyncio.Future[object] = self._loop.create_future()
        if self._runner.accepts:
            self._propose(Proposal(BARRIER), future)
        else:
            future.set_exception(self._refusal())
        return future

    def verify_leader(self) -> asyncio.Future[None]:
        """Completes when a quorum has confirmed that this server leads: at once for a sole voter. Else NoLeader."""
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._runner.leading or self._stopped:
            future.set_exception(NoLeader())
            return future
        self._tickets += 1
        self._runner.tickets[self._tickets] = future
        self._runner.carry_out(self._node.verify(self._clock.monotonic(), self._tickets))
        return future

    def snapshot_now(self) -> asyncio.Future[SnapshotMeta]:
        """Takes a snapshot of what is applied now, and shortens the log. Raises StorageFailed."""
        return self._start(self._take_snapshot())

    def open_snapshot(self, meta: SnapshotMeta) -> BinaryIO:
        """The state.bin of a snapshot, to read. Raises OSError once newer ones have replaced it."""
        return self._storage.snapshots.open(meta)

    def install(self, content: Iterable[bytes], index: int) -> asyncio.Future[int]:
        """Replaces the state by an operator's snapshot, the bytes of a state.bin, for all servers.

        Returns the index at which it holds, which is past the log's and past `index`, the archive's. Raises
        DecodeError if the content is bad, NoLeader or StorageFailed; then the state is as it was. Meanwhile commits wait.
        """
        return self._start(self._install(content, index))

    def _propose(self, proposal: Proposal, future: asyncio.Future[object]) -> None:
        self._runner.batch.add(proposal, future)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Proposes what has gathered, unless a write is under way: then its end does."""
        self._flush_due = False
        self._runner.flush()

    def _refusal(self) -> Exception:
        if self._runner.failed is not None:
            return StorageFailed(str(self._runner.failed))
        return NoLeader()

    def _start(self, work: Awaitable[SnapshotMeta] | Awaitable[int]) -> asyncio.Future:  # type: ignore[type-arg]
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _schedule_snapshot_check(self) -> None:
        delay = self._policy.interval * (1 + self._random.random())
        self._snapshot_timer = self._loop.call_later(delay, self._check_snapshot)

    def _check_snapshot(self) -> None:
        self._schedule_snapshot_check()
        newest = self._storage.newest
        entries = self.applied_index - (newest.index if newest else 0)
        log_bytes = self._storage.log.appended_bytes - self._bytes_at_snapshot
        if not self._snapshot_lock.locked() and self.failed is None and self._policy.due(entries, log_bytes, newest.size if newest else 0):
            self.snapshot_now().add_done_callback(_report)

    def _meta(self, index: int, term: int) -> SnapshotMeta:
        node = self._node
        milliseconds = int(self._clock.wall() * 1000)
        return SnapshotMeta(term, index, milliseconds, node.committed_configuration, node.committed_configuration_index)

    async def _take_snapshot(self) -> SnapshotMeta:
        async with self._snapshot_lock:
            index, newest = self.applied_index, self._storage.newest
            if newest is not None and newest.index == index:
                return newest
            appended = self._storage.log.appended_bytes
            meta = self._meta(index, self._node.log.term(index) or 0)
            try:
                content = self._state.snapshot(self._runner.assembler.state())
                writer = await raft_snapshots.write(self._snapshot_worker, self._clock, self._storage.snapshots, meta, content)
                meta = await run(self._snapshot_worker, writer.commit)
                self._storage.newest, self._bytes_at_snapshot = meta, appended
                await run(self._worker, partial(self._storage.log.compact, index - self._policy.trailing))
            except OSError as error:
                raise StorageFailed(f"snapshot at index {index} failed: {error}") from error
            self._node.log.compacted(index, meta.term, self._storage.log.first_index)
            return meta

    async def _install(self, content: Iterable[bytes], index: int) -> int:
        async with self._snapshot_lock:
            if not self._runner.accepts:
                raise self._refusal()
            await self._runner.hold()
            try:
                index = max(self.last_index, index) + 1
                await self._replace_state(content, self._meta(index, self.term))
            finally:
                self._runner.release()
        # As after an election: the first entry behind the snapshot tells the followers that they need it.
        done: asyncio.Future[object] = self._loop.create_future()
        self._propose(Proposal(NOOP), done)
        await done
        return index

    async def _replace_state(self, content: Iterable[bytes], meta: SnapshotMeta) -> None:
        """The state first, since it refuses bad content; then the disk, on which all further acknowledgement depends."""
        try:
            writer = await raft_snapshots.write(self._snapshot_worker, self._clock, self._storage.snapshots, meta, content)
        except OSError as error:
            raise StorageFailed(f"cannot store the snapshot: {error}") from error
        try:
            with writer.stream() as stream:
                chunks = self._state.restore(stream)
        except BaseException:
            await run(self._snapshot_worker, writer.discard)
            raise
        try:
            self._storage.newest = await run(self._snapshot_worker, writer.commit)
            await run(self._worker, partial(self._storage.log.restart, meta.index + 1))
        except OSError as error:
            raise self._runner.fail(error) from error
        self._bytes_at_snapshot = self._storage.log.appended_bytes
        self._runner.restored(meta.index, meta.term, chunks)


def _report(task: asyncio.Future[SnapshotMeta]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("automatic snapshot: %s", error)

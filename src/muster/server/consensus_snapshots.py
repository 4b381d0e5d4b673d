"""The snapshots of a server: its own, a leader's that it is sent, an operator's. One at a time is written.

A leader's is first stored beside the log while everything else goes on; it replaces state and log only when all its bytes are here and it
is still news. One whose sender vanishes leaves nothing behind.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import BinaryIO

from muster.model.clock import Clock
from muster.model.errors import DecodeError, StorageFailed
from muster.raft.effects import Effect, InstallSnapshot
from muster.raft.membership import decode_configuration
from muster.raft.messages import InstallSnapshot as InstallSnapshotMessage
from muster.raft.node import Node
from muster.server import raft_snapshots
from muster.server.chunking import ChunkMap
from muster.server.consensus_effects import EffectRunner
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.state_machine import StateMachine
from muster.storage.disk_thread import Worker, run
from muster.storage.raft_storage import RaftStorage
from muster.storage.snapshots import SnapshotMeta, SnapshotWriter

READ_BYTES = 256 << 10
MOST_KEPT = 1 << 20  # entries that are kept beyond the policy's for followers that lag or are being sent a snapshot

logger = logging.getLogger("muster.raft")


class Snapshots:
    """Made at the start of consensus. `worker` does the log's writes, `snapshot_worker` those of snapshots."""

    def __init__(
        self,
        node: Node,
        storage: RaftStorage,
        state: StateMachine,
        clock: Clock,
        runner: EffectRunner,
        policy: SnapshotPolicy,
        worker: Worker,
        snapshot_worker: Worker,
    ) -> None:
        self._node, self._storage, self._state, self._clock, self._runner = node, storage, state, clock, runner
        self._policy, self._worker, self._snapshot_worker = policy, worker, snapshot_worker
        self._lock = asyncio.Lock()
        self._bytes_at_last = 0
        self._streaming: asyncio.Task[object] | None = None
        self._received: tuple[SnapshotWriter, asyncio.Future[None]] | None = None
        runner.install = self._install_received
        runner.take_fresh = self.take

    def is_due(self) -> bool:
        """Whether one should be taken now, by the policy."""
        newest = self._storage.newest
        entries = self._runner.applied_index - (newest.index if newest else 0)
        log_bytes = self._storage.log.appended_bytes - self._bytes_at_last
        return not self._lock.locked() and self._policy.due(entries, log_bytes, newest.size if newest else 0)

    async def take(self) -> SnapshotMeta:
        """A snapshot of what is applied now; the log gets shorter. Raises StorageFailed."""
        async with self._lock:
            index, newest = self._runner.applied_index, self._storage.newest
            if newest is not None and newest.index == index:
                return newest
            appended = self._storage.log.appended_bytes
            meta = self._meta(index, self._node.log.term(index) or 0)
            try:
                content = self._state.snapshot(self._runner.applier.assembler.state())
                writer = await raft_snapshots.write(self._snapshot_worker, self._clock, self._storage.snapshots, meta, content)
                meta = await run(self._snapshot_worker, writer.commit)
                self._storage.newest, self._bytes_at_last = meta, appended
                await run(self._worker, partial(self._storage.log.compact, self._compacts_through(index)))
            except OSError as error:
                raise StorageFailed(f"snapshot at index {index} failed: {error}") from error
            self._node.log.compacted(index, meta.term, self._storage.log.first_index)
            return meta

    async def install(self, content: Iterable[bytes], index: int) -> int:
        """Replaces the state by an operator's snapshot; see `Consensus.install`. The caller proposes the first entry behind it."""
        runner = self._runner
        async with self._lock:
            await runner.hold()
            try:
                index = max(self._node.log.last_index, index) + 1
                meta = self._meta(index, self._node.term)
                try:
                    writer = await raft_snapshots.write(self._snapshot_worker, self._clock, self._storage.snapshots, meta, content)
                except OSError as error:
                    raise StorageFailed(f"cannot store the snapshot: {error}") from error
                if not runner.accepts or self._node.term != meta.term:
                    await run(self._snapshot_worker, writer.discard)
                    raise runner.refusal()
                chunks = await self._replace_state(writer, index)
                runner.restored(index, meta.term, chunks)
            finally:
                runner.release()
        return index

    async def receive(self, sender: str, head: InstallSnapshotMessage, body: AsyncIterator[bytes]) -> None:
        """Stores what a leader sends and has it installed. A later one takes an unfinished one's place.

        Raises what `body` raises, StorageFailed, or CancelledError when a later one came.
        """
        if self._streaming is not None:
            self._streaming.cancel()
        self._streaming = task = asyncio.current_task()
        try:
            async with self._lock:
                writer = await self._store(head, body)
                self._streaming = None
                await self._hand_in(sender, head, writer)
        finally:
            if self._streaming is task:
                self._streaming = None

    def to_send(self, leader: str) -> "OpenSnapshot | None":
        """The newest one, opened for a follower. Raises OSError."""
        meta = self._storage.newest
        if meta is None:
            return None
        configuration = meta.configuration.encode()
        head = InstallSnapshotMessage(self._node.term, leader, meta.index, meta.term, configuration, meta.configuration_index, meta.size)
        return OpenSnapshot(head, self._storage.snapshots.open(meta), self._snapshot_worker)

    def _meta(self, index: int, term: int) -> SnapshotMeta:
        known = self._node.configurations
        return SnapshotMeta(term, index, int(self._clock.wall() * 1000), known.committed, known.committed_index)

    def _compacts_through(self, index: int) -> int:
        """What a living follower will ask for next is kept: one that was sent a snapshot would need another, and another.

        But no more than the policy's bytes: they are in proportion to the snapshot, so that it can be sent meanwhile.
        """
        through = index - self._policy.trailing
        needed = self._node.needed_from()
        if needed is None:
            return through
        newest = self._storage.newest
        within = self._storage.log.first_index_within(self._policy.kept_for_lag(newest.size if newest else 0))
        return min(through, max(needed - 1, through - MOST_KEPT, within - 1))

    async def _store(self, head: InstallSnapshotMessage, body: AsyncIterator[bytes]) -> SnapshotWriter:
        configuration = decode_configuration(head.configuration)
        milliseconds = int(self._clock.wall() * 1000)
        meta = SnapshotMeta(head.last_term, head.last_index, milliseconds, configuration, head.configuration_index)
        try:
            writer = await run(self._snapshot_worker, partial(self._storage.snapshots.begin, meta))
        except OSError as error:
            raise StorageFailed(f"cannot store a leader's snapshot: {error}") from error
        size = 0
        try:
            async for piece in body:
                await run(self._snapshot_worker, partial(writer.write, piece))
                size += len(piece)
            if size != head.size:
                raise DecodeError(f"snapshot at index {head.last_index} has {size} of {head.size} bytes")
        except BaseException:  # cancelled too: no half snapshot stays on the disk
            await run(self._snapshot_worker, writer.discard)
            raise
        return writer

    async def _hand_in(self, sender: str, head: InstallSnapshotMessage, writer: SnapshotWriter) -> None:
        """All bytes are here: consensus decides whether they are news, and installs them behind the writes under way."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        effects = self._node.snapshot_received(self._clock.monotonic(), sender, head)
        if any(isinstance(effect, InstallSnapshot) for effect in effects):
            self._received = writer, done
            self._runner.carry_out(effects)
            await done
        else:
            self._runner.carry_out(effects)
            await run(self._snapshot_worker, writer.discard)

    async def _install_received(self, effect: InstallSnapshot) -> list[Effect]:
        assert self._received is not None
        head, (writer, done) = effect.message, self._received
        try:
            chunks = await self._replace_state(writer, head.last_index)
        except DecodeError as error:
            logger.error("a leader's snapshot cannot be installed: index=%d error=%s", head.last_index, error)
            return self._node.snapshot_refused(effect.sender, head)
        finally:
            self._received = None
            if not done.done():
                done.set_result(None)
        effects = self._node.snapshot_installed(self._clock.monotonic(), effect.sender, head)
        self._runner.replaced(head.last_index, chunks)
        logger.info("installed a leader's snapshot: index=%d", head.last_index)
        return effects

    async def _replace_state(self, writer: SnapshotWriter, index: int) -> ChunkMap:
        """The state first, since it refuses bad content; then the disk, on which all further acknowledgement depends."""
        try:
            with writer.stream() as stream:
                chunks = self._state.restore(stream)
        except BaseException:  # cancelled too: no half snapshot stays on the disk
            await run(self._snapshot_worker, writer.discard)
            raise
        try:
            self._storage.newest = await run(self._snapshot_worker, writer.commit)
            await run(self._worker, partial(self._storage.log.restart, index + 1))
        except OSError as error:
            raise self._runner.fail(error) from error
        self._bytes_at_last = self._storage.log.appended_bytes
        return chunks


class OpenSnapshot:
    """A snapshot that is being sent. Newer ones do not disturb it."""

    def __init__(self, head: InstallSnapshotMessage, stream: BinaryIO, worker: Worker) -> None:
        self.head = head
        self._stream, self._worker = stream, worker

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises OSError."""
        return await run(self._worker, partial(self._stream.read, READ_BYTES))

    def close(self) -> None:
        """Gives the file back, behind a read that may be under way."""
        self._worker.submit(self._stream.close, lambda _result, _error: None)

"""Drives the consensus core over a disk and the event loop.

One turn of the loop gathers all proposals; they become one batch, one write and one sync in the disk's thread. What
arrives meanwhile is the next batch. When a batch is durable its entries are applied in one go and their futures
completed. The loop never waits for the disk.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, BinaryIO

from muster.model.clock import Clock
from muster.model.errors import NoLeader, Rejected, StorageFailed
from muster.raft.entries import BARRIER, COMMAND, NOOP, Proposal
from muster.raft.membership import Configuration, Member
from muster.raft.messages import AppendEntries, InstallSnapshot, Message
from muster.raft.node import Node
from muster.raft.timing import Timing
from muster.server import chunking
from muster.server.commit_batch import LeadershipLost
from muster.server.consensus_effects import EffectRunner, Peers
from muster.server.consensus_snapshots import OpenSnapshot, Snapshots
from muster.server.consensus_start import found, make_node
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.state_machine import StateMachine
from muster.storage.disk_thread import DiskThread, InlineWorker, Worker
from muster.storage.raft_storage import RaftStorage
from muster.storage.snapshots import SnapshotMeta

KVS = 2  # message type of key/value commands, the only ones that are cut into pieces

logger = logging.getLogger("muster.raft")


class Consensus:
    """One server's replicated log. Made and used on one event loop; `start` before anything else.

    `on_applied(index)` is called after each batch that was applied; `on_leadership(leads)` when this server begins or
    ceases to lead; `on_leader(address)` when another leader is known, or none any more (empty); `on_configuration(configuration,
    index)` when the log's last configuration is another one, committed or not. `failed` is the error that stopped it from
    acknowledging anything, None while all is well.
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
        on_leader: Callable[[str], None] | None = None,
        on_configuration: Callable[[Configuration, int], None] | None = None,
        peers: Peers | None = None,
        worker: Worker | None = None,
    ) -> None:
        """`identity`: the node's UUID; `address`: the advertised "ip:port". `bootstrap`: an empty server founds a
        datacenter of its own. `worker` runs the disk's work, by default a thread if the storage blocks."""
        self._identity, self._address, self._bootstrap = identity, address, bootstrap
        self._storage, self._state, self._clock, self._random = storage, state, clock, chance
        self._timing, self._policy = timing or Timing(), policy or SnapshotPolicy()
        self._on_applied, self._on_leadership, self._peers = on_applied, on_leadership, peers
        self._on_leader, self._on_configuration = on_leader, on_configuration
        self._given_worker = worker
        self._loop: asyncio.AbstractEventLoop
        self._runner: EffectRunner
        self._node: Node
        self._flush_due = False
        self._snapshots: Snapshots
        self._changing = asyncio.Lock()
        self._snapshot_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._tickets = 0
        self._to_verify: list[asyncio.Future[None]] = []
        self._stopped = True

    async def start(self) -> None:
        """Restores the state, and returns once all that a sole voter's log holds is applied.

        Raises StorageFailed, CorruptFile or DecodeError.
        """
        self._loop = asyncio.get_running_loop()
        try:
            if self._bootstrap and self._storage.is_empty():
                found(self._storage, Configuration((Member(self._identity, self._address),)))
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
        self._runner.on_leader, self._runner.on_configuration = self._on_leader, self._on_configuration
        self._runner.applier.assembler.restore(chunks)
        self._snapshots = Snapshots(
            self._node, self._storage, self._state, self._clock, self._runner, self._policy, self._worker, self._snapshot_worker
        )
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
    def disk_fault(self) -> str:
        """Why this server can acknowledge nothing now: its disk failed, or a write has been under way for too long. Empty if it can."""
        return self._runner.disk_fault()

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

    def is_empty(self) -> bool:
        """Whether this server has no entry, no snapshot and no vote: only then may it found a datacenter."""
        return self._node.log.last_index == 0 and self._node.term <= 1 and self._storage.is_empty()

    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""
        return self._runner.leading

    def lease_valid(self) -> bool:
        """Whether surely no other server leads by now, so that what is applied here is the newest."""
        return self._runner.leading and self._node.lease_valid(self._clock.monotonic())

    def last_contact(self) -> float | None:
        """Seconds since the leader was last heard; 0.0 on the leader itself, None if none was heard since the start.

        A server whose disk failed learns nothing new, so that is when it heard it last.
        """
        if self._runner.leading:
            return 0.0
        heard = min(self._node.contact.heard_at, self._runner.failed_at)
        return None if heard == float("-inf") else max(0.0, self._clock.monotonic() - heard)

    def committed(self, index: int) -> tuple[int, float] | None:
        """Of this leader's proposals that were applied up to `index` since the last call: how many entries, and since when."""
        return self._runner.batch.applied(index)

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
            future.set_exception(self._runner.refusal())
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
            future.set_exception(self._runner.refusal())
        return future

    def verify_leader(self) -> asyncio.Future[None]:
        """Completes when a quorum has confirmed that this server leads: at once for a sole voter. Else NoLeader.

        All that ask in one turn of the loop share one round of messages.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._runner.leading or self._stopped:
            future.set_exception(NoLeader())
            return future
        self._to_verify.append(future)
        if self._node.configuration.voters() == [self._identity]:
            self._verify()
        elif len(self._to_verify) == 1:
            self._loop.call_soon(self._verify)
        return future

    def snapshot_now(self) -> asyncio.Future[SnapshotMeta]:
        """Takes a snapshot of what is applied now, and shortens the log. Raises StorageFailed."""
        return self._start(self._snapshots.take())

    def open_snapshot(self, meta: SnapshotMeta) -> BinaryIO:
        """The state.bin of a snapshot, to read. Raises OSError once newer ones have replaced it."""
        return self._storage.snapshots.open(meta)

    def install(self, content: Iterable[bytes], index: int) -> asyncio.Future[int]:
        """Replaces the state by an operator's snapshot, the bytes of a state.bin, for all servers.

        Returns the index at which it holds, which is past the log's and past `index`, the archive's. Raises
        DecodeError if the content is bad, NoLeader or StorageFailed; then the state is as it was. Meanwhile commits wait.
        """
        return self._start(self._install(content, index))

    # ---- who takes part

    def bootstrap(self, configuration: Configuration) -> asyncio.Future[None]:
        """Founds a datacenter with these servers, as each of them must with the same ones; done when written. Rejected if not empty."""
        return self._start(self._bootstrap_now(configuration))

    def add_voter(self, identity: str, address: str) -> asyncio.Future[None]:
        """Adds a voter, promotes a non-voter, or gives a voter a new address; done when committed. Raises NoLeader or Rejected.

        A change waits for the one before it. One that changes nothing writes nothing.
        """
        return self._start(self._change(lambda known: known.with_voter(identity, address)))

    def add_nonvoter(self, identity: str, address: str) -> asyncio.Future[None]:
        """Adds a server that only listens, or gives a known one a new address. As `add_voter`."""
        return self._start(self._change(lambda known: known.with_nonvoter(identity, address)))

    def remove_server(self, identity: str) -> asyncio.Future[None]:
        """Removes a server; one that is unknown is no error. As `add_voter`. A leader that removes itself ceases to lead."""
        return self._start(self._change(lambda known: known.without(identity)))

    def transfer_leadership(self, target: str = "") -> asyncio.Future[None]:
        """Hands over to the voter of that id, by default the best; done when this server no longer leads. Meanwhile commits wait.

        Raises NoLeader, or Rejected if it stays the leader: after an election timeout it takes commits again.
        """
        return self._start(self._transfer(target))

    def know_pre_votes(self, identities: Iterable[str]) -> None:
        """These servers answer pre-votes. By default none: a server of Consul's would close the connection."""
        self._node.pre_voters = frozenset(identities)

    # ---- what the transport tells

    def receive(self, sender: str, message: Message) -> None:
        """A message from another server. Raises DecodeError if its content is bad."""
        if not self._stopped:
            self._runner.carry_out(self._node.receive(self._clock.monotonic(), sender, message))

    def unreachable(self, peer: str, request: AppendEntries) -> None:
        """A request to a follower, or its answer, got lost."""
        if not self._stopped:
            self._node.unreachable(self._clock.monotonic(), peer, request)
            self._runner.arm_timer()

    def disconnected(self, peer: str) -> None:
        """A connection broke on which this peer replicated to this server."""
        if not self._stopped:
            self._node.disconnected(self._clock.monotonic(), peer)
            self._runner.arm_timer()

    def snapshot_to_send(self) -> OpenSnapshot | None:
        """The newest snapshot, opened for a follower. Raises OSError."""
        return self._snapshots.to_send(self._address)

    async def receive_snapshot(self, sender: str, head: InstallSnapshot, body: AsyncIterator[bytes]) -> None:
        """Stores what `body` gives and installs it; the answer is sent as a message. Raises what `body` raised, or a MusterError."""
        await self._snapshots.receive(sender, head, body)

    # ----

    def _propose(self, proposal: Proposal, future: asyncio.Future[object]) -> None:
        self._runner.batch.add(proposal, future)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Proposes what has gathered, unless a write is under way: then its end does."""
        self._flush_due = False
        self._runner.flush()

    def _verify(self) -> None:
        waiting, self._to_verify = self._to_verify, []
        if not self._runner.leading or self._stopped:
            for future in waiting:
                if not future.done():
                    future.set_exception(NoLeader())
            return
        self._tickets += 1
        self._runner.tickets[self._tickets] = waiting
        try:
            effects = self._node.verify(self._clock.monotonic(), self._tickets)
        except NoLeader:
            return  # the tickets fail when word of it, which waits behind a write, comes here
        self._runner.carry_out(effects)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future:  # type: ignore[type-arg]
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _schedule_snapshot_check(self) -> None:
        delay = self._policy.interval * (1 + self._random.random())
        self._snapshot_timer = self._loop.call_later(delay, self._check_snapshot)

    def _check_snapshot(self) -> None:
        self._schedule_snapshot_check()
        if self.failed is None and self._snapshots.is_due():
            self.snapshot_now().add_done_callback(_report)

    async def _install(self, content: Iterable[bytes], index: int) -> int:
        async with self._changing:  # a change of the configuration must not fall into what is replaced
            if not self._runner.accepts:
                raise self._runner.refusal()
            index = await self._snapshots.install(content, index)
        if not self._runner.accepts:  # nothing would ever complete what is proposed now
            raise LeadershipLost if self.failed is None else self._runner.refusal()
        # As after an election: the first entry behind the snapshot tells the followers that they need it.
        done: asyncio.Future[object] = self._loop.create_future()
        self._propose(Proposal(NOOP), done)
        await done
        return index

    async def _bootstrap_now(self, configuration: Configuration) -> None:
        if not self.is_empty():
            raise Rejected("bootstrap only works on new clusters")
        self._runner.carry_out(self._node.bootstrap(self._clock.monotonic(), configuration))
        await self._runner.written()

    async def _change(self, change: Callable[[Configuration], Configuration]) -> None:
        async with self._changing:
            if not self._runner.accepts:
                raise self._runner.refusal()
            while not self._node.may_reconfigure():
                await self.barrier()
            changed = change(self._node.configuration)
            if changed == self._node.configuration:
                return
            future: asyncio.Future[object] = self._loop.create_future()
            effects = self._node.propose_configuration(self._clock.monotonic(), changed)
            self._runner.batch.waiting.append((self._node.log.last_index, future))
            self._runner.carry_out(effects)
            await future

    async def _transfer(self, target: str) -> None:
        if not self._runner.accepts:
            raise self._runner.refusal()
        if self._runner.transfer is not None:  # it may have failed for the core, and word of it wait for the disk
            raise Rejected("leadership transfer already in progress")
        now = self._clock.monotonic()
        effects = self._node.transfer_leadership(now, target or self._node.transfer_target(now))
        self._runner.transfer = transfer = self._loop.create_future()
        self._runner.carry_out(effects)
        await transfer


def _report(task: asyncio.Future[SnapshotMeta]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("automatic snapshot: %s", error)

"""A simulated server: the real consensus driver, storage and state machine, on a host's clock, network and disk."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from muster.model.errors import CorruptFile, MusterError, NoLeader
from muster.raft.membership import Configuration
from muster.raft.roles import Role
from muster.raft.timing import Timing
from muster.server.consensus import Consensus
from muster.server.consensus_start import found
from muster.server.raft_snapshots import SnapshotPolicy
from muster.server.replicated_state import ReplicatedState
from muster.state.store import Store
from muster.storage.log import LogStorage
from muster.storage.raft_storage import RaftStorage, open_on_disk
from muster.testing.simulation.event_loop import HostLoop
from muster.testing.simulation.host import Host
from muster.testing.simulation.process import Address, Packet
from muster.testing.simulation.raft_network import ANSWER, CALL, REPLY, REQUEST, Letter, Post, SimulatedPeers
from muster.testing.simulation.slow_disk import DiskWorker, MachineDisk
from muster.testing.simulation.watched import WatchedLog, WatchedState
from muster.wire.commands import MessageType, encode_command
from muster.wire.replies import Reply

if TYPE_CHECKING:
    from muster.testing.simulation.raft_invariants import RaftInvariants

DATA = "/data"
SEGMENT_BYTES = 20_000  # small, so that logs are compacted within a simulated minute


class Read(msgspec.Struct, frozen=True):
    """A client asks for a key: by the leader's lease, or with leadership verified."""

    key: str
    consistent: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What a server told a client. `done`: it happened, with this result; else it did not, or (`unknown`) nobody can say."""

    done: bool
    result: Any = None
    unknown: bool = False
    leader: str = ""


class Machine:
    """What outlives a server's process: its host, its disk, and how it is set up."""

    def __init__(self, host: Host, chance: random.Random, timing: Timing, policy: SnapshotPolicy) -> None:
        self.host = host
        self.timing, self.policy = timing, policy
        self.disk = MachineDisk(random.Random(chance.getrandbits(64)))
        self.chance = chance
        self.founders: Configuration | None = None
        self.calls: set[int] = set()  # of clients, that came: what the network repeats is done once, as over TCP

    @property
    def name(self) -> str:
        """The server's id."""
        return self.host.name

    @property
    def address(self) -> str:
        """Its "ip:port" now."""
        address = self.host.address
        assert isinstance(address, tuple)
        return f"{address[0]}:{address[1]}"

    def open(self) -> RaftStorage:
        """What is on its disk. Raises CorruptFile or OSError."""
        storage = open_on_disk(self.disk.files, DATA, random.Random(self.chance.getrandbits(64)), SEGMENT_BYTES)
        if storage.is_empty() and self.founders is not None and storage.log.last_index == 0:
            found(storage, self.founders)
        return storage


class SimulatedServer:
    """One life of a server: a `Process` of its host. `failed_to_start`: its disk was damaged or broken."""

    def __init__(
        self,
        machine: Machine,
        post: Post,
        invariants: "RaftInvariants",
        address_of: Callable[[str], Address | None],
        pre_voters: Callable[[], list[str]],
    ) -> None:
        self.machine, self.invariants, self.address_of = machine, invariants, address_of
        self._post = post
        self.loop = HostLoop(machine.host.clock.monotonic)
        self.consensus: Consensus
        self.peers: SimulatedPeers
        self.started = self.ready = False
        self.failed_to_start: Exception | None = None
        self.changing = 0
        """How many changes of membership, or transfers of leadership, an operator waits for here."""
        try:
            self._make(pre_voters())
        except (CorruptFile, OSError) as error:
            self.failed_to_start = error

    @property
    def name(self) -> str:
        """The server's id."""
        return self.machine.name

    @property
    def role(self) -> Role:
        """What it is now."""
        return self.consensus._node.role

    def _make(self, pre_voters: list[str]) -> None:
        machine = self.machine
        storage = machine.open()
        self.invariants.opened(self.name, storage)
        storage.log = cast("LogStorage", WatchedLog(storage.log, self.name, self.invariants))
        starts_at = storage.newest.index if storage.newest is not None else 0
        self.state = WatchedState(ReplicatedState(Store()), self.name, self.invariants, starts_at)
        self.loop.run(self._start, storage, pre_voters)

    def _start(self, storage: RaftStorage, pre_voters: list[str]) -> None:
        machine = self.machine
        self.peers = SimulatedPeers(self, self._post)
        self.consensus = Consensus(
            identity=self.name,
            address=machine.address,
            storage=storage,
            state=self.state,
            clock=machine.host.clock,
            chance=random.Random(machine.chance.getrandbits(64)),
            timing=machine.timing,
            policy=machine.policy,
            bootstrap=False,
            on_applied=self.state.reached,
            on_leadership=self._leads,
            peers=self.peers,
            worker=DiskWorker(self.loop, machine.disk),
        )
        self.loop.create_task(self._run(pre_voters))

    async def _run(self, pre_voters: list[str]) -> None:
        try:
            await self.consensus.start()
        except (MusterError, OSError) as error:
            self.failed_to_start = error
            return
        self.started = True
        self.consensus.know_pre_votes(pre_voters)
        self.invariants.started(self)

    # ---- the host's Process

    def receive(self, now: float, sender: Address, packet: Packet) -> None:
        """See Process."""
        if self.started:
            self._do(self._received, packet)

    def answer(self, now: float, sender: Address, request: bytes) -> bytes | None:
        """See Process: no streams are used."""
        return None

    def tick(self, now: float) -> None:
        """See Process."""
        self.loop.run_due()
        self._after()

    def next_deadline(self) -> float:
        """See Process."""
        return self.loop.next_deadline()

    def do(self, action: Callable[..., object], *arguments: object) -> None:
        """Something that is asked of the process from outside; to be followed by its host's `reschedule`."""
        if self.started:
            self._do(action, *arguments)
            self.machine.host.reschedule()

    def end(self) -> None:
        """The process is gone."""
        self.started = self.ready = False
        self.loop.end()

    # ----

    def _do(self, action: Callable[..., object], *arguments: object) -> None:
        self.loop.run(action, *arguments)
        self._after()

    def _after(self) -> None:
        if self.loop.errors:
            raise self.loop.errors[0]
        if self.started:
            self.invariants.stepped(self)

    def _received(self, packet: Packet) -> None:
        kind, number, letter = self._post.open(packet)
        if kind == REQUEST:
            self.peers.request(number, letter)
        elif kind == ANSWER and letter.life == self.machine.host.life:
            self.peers.answer(letter)
        elif kind == CALL and number not in self.machine.calls:
            self.machine.calls.add(number)
            self._called(number, letter)

    def _leads(self, leads: bool) -> None:
        self.ready = False
        if leads:
            self.invariants.elected(self)
            self.loop.create_task(self._become_ready(self.consensus.term))

    async def _become_ready(self, term: int) -> None:
        """As a leader's duties begin: what was committed before is applied first."""
        try:
            await self.consensus.barrier()
        except MusterError:
            return
        self.ready = self.consensus.is_leader() and self.consensus.term == term

    # ---- clients

    def _called(self, number: int, letter: Letter) -> None:
        reply = self._reply_to(number, letter)
        if not self.ready:
            reply(Answer(False, leader=self.consensus.leader_address()))
        elif isinstance(letter.content, Read):
            self._read(letter.content, reply)
        else:
            future = self.consensus.commit(*_entry(letter.content))
            future.add_done_callback(lambda future: reply(self._written(future, letter.content)))

    def _read(self, read: Read, reply: Callable[[Answer], None]) -> None:
        if not read.consistent and self.consensus.lease_valid():
            reply(self._value(read.key))
            return
        verified = self.consensus.verify_leader()
        verified.add_done_callback(
            lambda future: reply(Answer(False) if future.cancelled() or future.exception() is not None else self._value(read.key))
        )

    def _value(self, key: str) -> Answer:
        return Answer(True, self.state.value(key))

    def _written(self, future: "asyncio.Future[object]", command: object) -> Answer:
        if future.cancelled():
            return Answer(False, unknown=True)
        error = future.exception()
        if error is None:
            result = future.result()
            assert isinstance(result, Reply)
            self.invariants.acknowledged(self, command, result.value)
            return Answer(True, True if result.value is None else result.value)
        return Answer(False, unknown=not isinstance(error, NoLeader))

    def _reply_to(self, number: int, letter: Letter) -> Callable[[Answer], None]:
        host = self.machine.host

        def reply(answer: Answer) -> None:
            address = self.address_of(letter.sender)
            if self.started and address is not None:
                self._post.send(host, address, REPLY, Letter(self.name, letter.life, answer, number))

        return reply


def _entry(command: Any) -> tuple[int, bytes, object]:
    data = encode_command(command)
    return MessageType(data[0] & 0x7F), data, command

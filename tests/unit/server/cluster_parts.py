"""Servers that agree over real sockets, in one loop: consensus, transport and listener, with storage in memory."""

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from consensus_parts import Remembering

from muster.model.errors import MusterError
from muster.program.clock import SystemClock
from muster.raft.membership import Configuration, Member
from muster.raft.timing import Timing
from muster.server.consensus import Consensus
from muster.server.raft_snapshots import SnapshotPolicy
from muster.storage.raft_storage import RaftStorage, in_memory
from muster.transport.listener import RpcListener
from muster.transport.raft import RaftTransport

QUICK = Timing(heartbeat_timeout=0.8, election_timeout=0.8, lease_timeout=0.4, commit_timeout=0.02)
PATIENT = Timing(heartbeat_timeout=4.0, election_timeout=4.0, lease_timeout=2.0, commit_timeout=0.02)
"""For tests in which a busy machine must not cost the leader its office."""
HOST = "127.0.0.1"


class Peer:
    """One server. `stop` leaves what its storage holds; `start` goes on from there at the same address."""

    def __init__(self, cluster: "Cluster", name: str, storage: RaftStorage | None = None, timing: Timing = QUICK) -> None:
        self.cluster, self.name, self.timing = cluster, name, timing
        self.storage = storage or in_memory()
        self.address = ""
        self.events: list[object] = []
        self.policy = SnapshotPolicy(trailing=5)

    async def start(self) -> None:
        clock = SystemClock()
        host, port = (HOST, 0) if not self.address else (HOST, int(self.address.rpartition(":")[2]))
        self.listener = RpcListener(clock)
        await self.listener.listen(host, port, {0x01: lambda: self.transport.connection()})
        self.address = f"{HOST}:{self.listener.ports[0]}"
        self.transport = RaftTransport(self.address, clock, address_of=self._address_of, identity_of=self._identity_of)
        self.state = Remembering()
        self.consensus = Consensus(
            identity=self.name,
            address=self.address,
            storage=self.storage,
            state=self.state,
            clock=clock,
            chance=random.Random(self.name),
            timing=self.timing,
            policy=self.policy,
            bootstrap=False,
            on_applied=lambda index: self.cluster.changed(),
            on_leadership=lambda leads: self._event(("leads", leads)),
            on_leader=lambda address: self._event(("leader", address)),
            on_configuration=lambda configuration, index: self._event(("configuration", index)),
            peers=self.transport,
        )
        self.transport.attach(self.consensus)
        await self.consensus.start()
        if self.cluster.pre_vote:
            self.consensus.know_pre_votes(self.cluster.peers)

    async def stop(self) -> None:
        """All connections end at once, as when the process is killed."""
        self.transport.close()
        self.listener.close()
        await self.consensus.stop()

    def put(self, text: str) -> "asyncio.Future[object]":
        return self.consensus.commit(2, b"\x02" + text.encode(), None)

    def _event(self, event: object) -> None:
        self.events.append(event)
        self.cluster.changed()

    def _address_of(self, identity: str) -> str:
        peer = self.cluster.peers.get(identity)
        return peer.address if peer else ""

    def _identity_of(self, address: str) -> str:
        return next((name for name, peer in self.cluster.peers.items() if peer.address == address), "")


class Cluster:
    """Servers by name. `async with` starts them; they found a datacenter together."""

    def __init__(self, *names: str, pre_vote: bool = True, timing: Timing = QUICK) -> None:
        self.pre_vote = pre_vote
        self.peers: dict[str, Peer] = {}
        for name in names:
            self.peers[name] = Peer(self, name, timing=timing)
        self._timing = timing
        self._changed = asyncio.Event()
        self.running: set[str] = set()

    async def __aenter__(self) -> "Cluster":
        for name in list(self.peers):
            await self.start(name)
        configuration = self.configuration()
        for peer in self.peers.values():
            await peer.consensus.bootstrap(configuration)
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self.running):
            await self.stop(name)

    def configuration(self) -> Configuration:
        return Configuration(tuple(Member(peer.name, peer.address) for peer in self.peers.values()))

    async def start(self, name: str) -> Peer:
        await self.peers[name].start()
        self.running.add(name)
        return self.peers[name]

    async def add(self, name: str) -> Peer:
        self.peers[name] = Peer(self, name, timing=self._timing)
        return await self.start(name)

    async def stop(self, name: str) -> None:
        self.running.discard(name)
        await self.peers[name].stop()

    def changed(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Waits for what some server's applying, leading or learning brings about."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    def live(self) -> list[Peer]:
        return [self.peers[name] for name in sorted(self.running)]

    def leaders(self) -> list[Peer]:
        return [peer for peer in self.live() if peer.consensus.is_leader()]

    async def leader(self) -> Peer:
        """The one that leads and has committed an entry of its term."""
        async with asyncio.timeout(20.0):
            while True:
                await self.until(lambda: bool(self.leaders()))
                peer = max(self.leaders(), key=lambda peer: peer.consensus.term)
                try:
                    await peer.consensus.barrier()
                except MusterError:
                    continue
                return peer

    async def level(self) -> None:
        """Until every running server has applied the same."""
        await self.until(lambda: len({tuple(peer.state.applied.items()) for peer in self.live()}) == 1 and self._all_applied())

    def _all_applied(self) -> bool:
        return len({peer.consensus.applied_index for peer in self.live()}) == 1

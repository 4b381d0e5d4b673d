"""Several whole servers in one process on virtual time: real consensus and state, a network and a pool of plain calls."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace
from pool_parts import address, identity, server
from server_parts import LoopClock, VirtualLoop

from muster.gossip.effects import Effect, Member, MemberFailed, MemberJoined, MemberLeft, MemberStatus, MemberUpdated
from muster.model.errors import MusterError
from muster.raft.effects import ReceiveSnapshot, Send
from muster.raft.messages import AppendEntries, AppendEntriesResponse
from muster.raft.timing import Timing
from muster.server.consensus import Consensus
from muster.server.replicated_state import ReplicatedState
from muster.server.server import Server
from muster.server.settings import ServerSettings
from muster.state.store import Store
from muster.storage.disk_thread import Worker
from muster.storage.raft_storage import RaftStorage, in_memory
from muster.transport.rpc_errors import CannotConnect, ConnectionLost, RemoteError
from muster.wire.replies import Reply

LATENCY = 0.001  # seconds one way
TOLD = 0.2  # seconds until the others hear of a member
NOTICED = 3.0  # seconds until the others notice that it is gone


class One:
    """One server. What its storage holds outlives a crash."""

    def __init__(self, cluster: "Cluster", number: int, expect: int) -> None:
        self.cluster, self.number, self.expect = cluster, number, expect
        self.at = f"127.0.0.{number}"
        self.storage: RaftStorage = in_memory()
        self.worker = cluster.workers.get(number)
        self.up = False
        self.consensus: Consensus
        self.server: Server

    @property
    def address(self) -> str:
        return f"{self.at}:8300"

    def member(self, status: MemberStatus) -> Member:
        return server(self.number, status, at=self.at, expect=str(self.expect) if self.expect else "", muster_prevote="1")

    async def start(self) -> None:
        cluster, loop = self.cluster, self.cluster.loop
        clock, chance = LoopClock(loop), random.Random(cluster.chance.random())
        state = ReplicatedState(Store())
        self.consensus = Consensus(
            identity=identity(self.number),
            address=self.address,
            storage=self.storage,
            state=state,
            clock=clock,
            chance=chance,
            timing=Timing.scaled(1),
            bootstrap=False,
            on_leadership=lambda leads: self.server.leadership(leads),
            on_leader=lambda leader: self.server.leader_changed(leader),
            peers=self,
            worker=self.worker,
        )
        settings = ServerSettings(
            datacenter="dc1",
            node_name=f"n{self.number}",
            node_id=identity(self.number),
            address=self.at,
            bootstrap_expect=self.expect,
        )
        self.server = Server(
            settings, state, self.consensus, clock, chance, loop, members=self.members, forwarding=self, force_leave=cluster.left
        )
        self.up = True
        await self.consensus.start()
        self.server.start()
        cluster.tell(MemberJoined(self.member(MemberStatus.ALIVE)))

    async def stop(self) -> None:
        """As a killed process: nobody is told."""
        self.up = False
        self.server.stop()
        await self.consensus.stop()

    async def crash(self) -> None:
        """Gone; the pool notices."""
        await self.stop()
        self.cluster.tell(MemberFailed(self.member(MemberStatus.FAILED)), NOTICED)

    async def leave(self) -> None:
        """Goes for good."""

        async def leave_pools() -> None:
            self.cluster.left(f"n{self.number}")
            await asyncio.sleep(TOLD)

        await self.server.leave(leave_pools, 5.0)
        await self.stop()

    def members(self) -> list[Member]:
        return list(self.cluster.members.values())

    # ---- the way to the others, for RPC

    def call(self, at: str, method: str, request: Any) -> asyncio.Future[Reply]:
        loop = self.cluster.loop
        future: asyncio.Future[Reply] = loop.create_future()
        loop.call_later(LATENCY, self._arrive, at, method, request, future)
        return future

    def _arrive(self, at: str, method: str, request: Any, future: asyncio.Future[Reply]) -> None:
        if future.done():
            return
        other = self.cluster.at(at)
        if other is None:
            future.set_exception(CannotConnect(f"dial tcp {at}: connect: connection refused"))
            return
        try:
            outcome = other.server.call(method, request)
        except MusterError as error:
            future.set_exception(RemoteError(error.wire_text))
            return
        if isinstance(outcome, Reply):
            self._answer(other, outcome, future)
        else:
            outcome.add_done_callback(lambda done: self._done(other, method, done, future))

    def _done(self, other: "One", method: str, done: asyncio.Future[Reply], future: asyncio.Future[Reply]) -> None:
        if future.done():
            return
        if done.cancelled() or not other.up:
            future.set_exception(ConnectionLost(method))
        elif (error := done.exception()) is not None:
            assert isinstance(error, MusterError)
            future.set_exception(RemoteError(error.wire_text))
        else:
            self._answer(other, done.result(), future)

    def _answer(self, other: "One", reply: Reply, future: asyncio.Future[Reply]) -> None:
        self.cluster.loop.call_later(LATENCY, lambda: None if future.done() else future.set_result(reply))

    # ---- the way to the others, for Raft

    def send(self, effect: Send) -> None:
        self.cluster.loop.call_later(LATENCY, self._deliver, effect)

    def _deliver(self, effect: Send) -> None:
        other, message = self.cluster.by_identity(effect.to), effect.message
        if other is not None and self.up:
            other.consensus.receive(identity(self.number), message)
        elif other is not None and isinstance(message, AppendEntriesResponse) and message.request is not None:
            other.consensus.unreachable(identity(self.number), message.request)
        elif self.up and isinstance(message, AppendEntries):
            self.consensus.unreachable(effect.to, message)

    def send_snapshot(self, peer: str) -> None:
        raise NotImplementedError("no snapshot is taken here")

    def receive_snapshot(self, effect: ReceiveSnapshot) -> None:
        raise NotImplementedError("no snapshot is taken here")


class Cluster:
    """The servers by number, and the pool, in which all have the same view."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.chance = random.Random(seed)
        self.servers: dict[int, One] = {}
        self.workers: dict[int, Worker] = {}
        """What runs the disk's work of a server, by its number; at once where nothing is said."""
        self.members: dict[str, Member] = {}

    def __getitem__(self, number: int) -> One:
        return self.servers[number]

    async def start(self, *numbers: int, expect: int = 0, at: str = "") -> None:
        for number in numbers:
            self.servers[number] = one = One(self, number, expect)
            one.at = at or one.at
            await one.start()

    async def stop(self) -> None:
        for one in self.up():
            await one.stop()

    def up(self) -> list[One]:
        return [one for one in self.servers.values() if one.up]

    def at(self, at: str) -> One | None:
        return next((one for one in self.up() if one.address == at), None)

    def by_identity(self, wanted: str) -> One | None:
        return next((one for one in self.up() if identity(one.number) == wanted), None)

    # ---- the pool

    def tell(self, event: MemberJoined | MemberFailed | MemberLeft | MemberUpdated, after: float = TOLD) -> None:
        """All hear of a member."""
        self.loop.call_later(after, self._tell, event)

    def _tell(self, event: MemberJoined | MemberFailed | MemberLeft | MemberUpdated) -> None:
        number = int(event.member.name[1:])
        if isinstance(event, MemberFailed) and self.servers[number].up:
            return  # it came back before anybody noticed
        self.members[event.member.name] = event.member
        for one in self.up():
            told: Effect = event
            one.server.member_event(told)

    def left(self, name: str) -> None:
        """A member leaves, or is forced to."""
        self.tell(MemberLeft(replace(self.members[name], status=MemberStatus.LEFT)))

    # ---- what is looked at

    def leaders(self) -> list[One]:
        return [one for one in self.up() if one.server.is_ready()]

    def leader(self) -> One:
        (leader,) = self.leaders()
        return leader

    def followers(self) -> list[One]:
        return [one for one in self.up() if not one.consensus.is_leader()]

    def voters(self) -> set[int]:
        return self._numbers(self.leader().consensus.configuration.voters())

    def takes_part(self) -> set[int]:
        return self._numbers([member.identity for member in self.leader().consensus.configuration.members])

    def _numbers(self, identities: list[str]) -> set[int]:
        return {number for number in range(1, 12) if identity(number) in identities}

    def addresses(self) -> set[str]:
        return {member.address for member in self.leader().consensus.configuration.members}

    async def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> float:
        """Waits until it holds; how long that took."""
        start = self.loop.now
        while not holds():
            assert self.loop.now - start < seconds, "it never came true"
            await asyncio.sleep(0.01)
        return self.loop.now - start

    async def led(self) -> One:
        await self.until(lambda: len(self.leaders()) == 1)
        return self.leader()


def together(test: Callable[[Cluster], Awaitable[None]], seed: int = 1) -> None:
    """Runs the test on a loop of virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        cluster = Cluster(loop, seed)

        async def body() -> None:
            await test(cluster)
            await cluster.stop()
            await asyncio.sleep(0.1)

        loop.run_until_complete(body())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


__all__ = ["Cluster", "One", "address", "together"]

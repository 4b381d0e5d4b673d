"""Clients of a simulated cluster: they read, write, compare and lock, ask elsewhere when refused, and keep a history of all that."""

import asyncio
import math
import random
from typing import TYPE_CHECKING, Any, Final

from muster.model.kv import KVEntry
from muster.model.sessions import Session
from muster.testing.linearizability import CAS, GET, LOCK, SET, UNLOCK, Operation
from muster.testing.simulation.event_loop import HostLoop
from muster.testing.simulation.host import Host
from muster.testing.simulation.process import Address, Packet
from muster.testing.simulation.raft_network import CALL, Letter, Post
from muster.testing.simulation.raft_server import Answer, Read
from muster.wire.commands import KVSRequest, RegisterRequest, SessionRequest

if TYPE_CHECKING:
    from muster.testing.simulation.raft_cluster import RaftCluster

KEYS: Final = ("a", "b", "c", "d", "e", "f")
CLIENTS: Final = 5
PATIENCE: Final = 1.5  # seconds for one answer
LONGEST: Final = 5.0  # seconds until a client gives an operation up
PAUSE: Final = 0.1  # seconds until a refused client asks again, half to three halves of it
RETRIES: Final = 0.6  # probability that an operation whose outcome is unknown is tried again

KINDS: Final = (GET, GET, GET, SET, SET, CAS, CAS, LOCK, UNLOCK)
OPERATION_NAMES: Final = {SET: "set", CAS: "cas", LOCK: "lock", UNLOCK: "unlock"}


class Clients:
    """All clients, on one host: a `Process`. `rate`: operations a second of all together."""

    def __init__(self, host: Host, cluster: "RaftCluster", post: Post, chance: random.Random, rate: float) -> None:
        self.host, self.loop = host, HostLoop(host.clock.monotonic)
        self.history: list[Operation] = []
        self.until = math.inf
        """The clients begin nothing after this time of the world."""
        self._cluster, self._post, self._chance, self._rate = cluster, post, chance, rate
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._known: dict[str, tuple[str, int] | None] = {}
        self._believed: dict[str, str] = {}  # the leader's name, by client
        self._sessions: list[str] = []
        self._number = 0
        self.loop.run(self._begin)

    # ---- the host's Process

    def receive(self, now: float, sender: Address, packet: Packet) -> None:
        """See Process."""
        _, _, letter = self._post.open(packet)
        waiting = self._waiting.pop(letter.about, None)
        if waiting is not None and not waiting.done():
            self.loop.run(waiting.set_result, letter.content)

    def answer(self, now: float, sender: Address, request: bytes) -> bytes | None:
        """See Process: no streams are used."""
        return None

    def tick(self, now: float) -> None:
        """See Process."""
        self.loop.run_due()
        if self.loop.errors:
            raise self.loop.errors[0]

    def next_deadline(self) -> float:
        """See Process."""
        return self.loop.next_deadline()

    # ----

    def _begin(self) -> None:
        self.loop.create_task(self._make_sessions())
        for number in range(CLIENTS):
            self.loop.create_task(self._work(f"c{number}"))

    async def _make_sessions(self) -> None:
        await self._command(RegisterRequest(datacenter="dc1", node="clients", address="10.0.1.1"))
        for number in range(CLIENTS):
            session = f"00000000-0000-0000-0000-{number:012d}"
            await self._command(SessionRequest(datacenter="dc1", op="create", session=Session(id=session, node="clients", checks=[])))
            self._sessions.append(session)

    async def _command(self, command: Any) -> None:
        """Repeated until some leader has applied it, or says that it cannot be: then it was before."""
        while True:
            answer = await self._ask("operator", command)
            if answer is not None and (answer.done or answer.unknown):
                return
            await asyncio.sleep(PAUSE)

    async def _work(self, client: str) -> None:
        simulation = self._cluster.simulation
        while simulation.now < self.until:
            await asyncio.sleep(self._chance.expovariate(self._rate / CLIENTS))
            if simulation.now < self.until:
                await self._operate(client)

    async def _operate(self, client: str) -> None:
        """One operation; if its outcome is unknown it may be tried again, as one of its own."""
        key, kind = self._chance.choice(KEYS), self._chance.choice(KINDS)
        number = int(client[1:])
        if kind in (LOCK, UNLOCK) and number >= len(self._sessions):
            kind = SET
        session = self._sessions[number] if kind in (LOCK, UNLOCK) else ""
        again = True
        while again:
            self._number += 1
            known = self._known.get(key)
            value = None if kind == GET else f"{client}.{self._number}"
            expected = known[0] if known is not None and kind == CAS else None
            asked = Operation(client=client, key=key, kind=kind, began=0.0, value=value, expected=expected, session=session)
            again = await self._perform(asked, known[1] if known is not None else 0) and self._chance.random() < RETRIES

    async def _perform(self, asked: Operation, index: int) -> bool:
        """Asks one server after the other until one takes it. Whether its outcome is unknown."""
        content = Read(asked.key, self._chance.random() < 0.3) if asked.kind == GET else _command_of(asked, index)
        simulation, first = self._cluster.simulation, self._cluster.simulation.now
        while simulation.now < first + LONGEST:
            began = simulation.now
            answer = await self._ask(asked.client, content)
            if answer is not None and answer.done:
                self._note(asked, began, answer.result)
                return False
            if answer is None or answer.unknown:
                if asked.kind != GET:
                    self._keep(asked, began, math.inf, None)
                    return True
                self._believed.pop(asked.client, None)
            await asyncio.sleep(PAUSE * self._chance.uniform(0.5, 1.5))
        return False

    def _note(self, asked: Operation, began: float, result: Any) -> None:
        if asked.kind == GET:
            self._known[asked.key] = result
            result = None if result is None else result[0]
        self._keep(asked, began, self._cluster.simulation.now, result)

    def _keep(self, asked: Operation, began: float, ended: float, result: str | bool | None) -> None:
        self.history.append(
            Operation(
                client=asked.client,
                key=asked.key,
                kind=asked.kind,
                began=began,
                ended=ended,
                value=asked.value,
                expected=asked.expected,
                session=asked.session,
                result=result,
            )
        )

    async def _ask(self, client: str, content: Any) -> Answer | None:
        """What the server said that is believed to lead, or any; None if it said nothing in time."""
        names = self._cluster.servers_by_name()
        name = self._believed.get(client, "")
        if name not in names:
            name = self._chance.choice(names)
        address = self._cluster.address_of(name)
        assert address is not None
        number = self._post.send(self.host, address, CALL, Letter(self.host.name, self.host.life, content))
        self._waiting[number] = answered = self.loop.create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                answer: Answer = await answered
        except TimeoutError:
            self._waiting.pop(number, None)
            self._believed.pop(client, None)
            return None
        self._believed[client] = name if answer.done else self._cluster.name_at(answer.leader)
        return answer


def _command_of(asked: Operation, index: int) -> KVSRequest:
    value = (asked.value or "").encode()
    entry = KVEntry(key=asked.key, value=value, session=asked.session, modify_index=index if asked.kind == CAS else 0)
    return KVSRequest(datacenter="dc1", op=OPERATION_NAMES[asked.kind], entry=entry)

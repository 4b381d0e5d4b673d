"""Raft messages and clients' calls over the simulated network, and the `Peers` of a simulated server.

What travels is a number; its content lies in the `Post` and is copied at each arrival, so that no two servers share an object. Answers
find their requests as on a connection, and a request that stays without an answer is given back after a while.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from muster.model.errors import MusterError
from muster.raft.effects import ReceiveSnapshot, Send
from muster.raft.entries import Entry
from muster.raft.messages import AppendEntries, AppendEntriesResponse, InstallSnapshot, InstallSnapshotResponse, TimeoutNow
from muster.testing.simulation.host import Host
from muster.testing.simulation.process import Address, Packet

if TYPE_CHECKING:
    from muster.testing.simulation.raft_server import SimulatedServer

ANSWER_TIMEOUT: Final = 0.5  # seconds until a request counts as undelivered; TCP would find a broken way after about so long
SWEEP: Final = 0.2  # seconds between two looks for such requests
SNAPSHOT_TIMEOUT: Final = 6.0  # seconds for a whole snapshot and its installation
PIECE_BYTES: Final = 150  # of a snapshot on its way
SNAPSHOT_BREAKS: Final = 0.1  # probability that a snapshot's connection breaks in the middle

REQUEST: Final = b"q"
ANSWER: Final = b"a"
CALL: Final = b"c"
REPLY: Final = b"r"

_LINE = struct.Struct("<Q")


class Letter(msgspec.Struct):
    """Something on its way: who sent it in which of its lives, and what."""

    sender: str
    life: int
    content: Any
    about: int = 0  # the number of what it answers
    pieces: list[bytes] = []


class Post:
    """All letters of a simulation by number."""

    def __init__(self) -> None:
        self._letters: dict[int, Letter] = {}
        self._number = 0

    def send(self, host: Host, to: Address, kind: bytes, letter: Letter, size: int = 100) -> int:
        """Sends a letter from a host; returns its number."""
        self._number += 1
        self._letters[self._number] = letter
        host.send(to, (kind + _LINE.pack(self._number),), size)
        return self._number

    def open(self, packet: Packet) -> tuple[bytes, int, Letter]:
        """What arrived: its kind, number and content."""
        line = packet[0]
        number = _LINE.unpack_from(line, 1)[0]
        return line[:1], number, self._letters[number]


class SimulatedPeers:
    """See `muster.server.consensus_effects.Peers`; for one life of one server."""

    def __init__(self, server: "SimulatedServer", post: Post) -> None:
        self._server, self._post = server, post
        self._host = server.machine.host
        self._loop = server.loop
        self._requests: dict[int, tuple[float, str, Any]] = {}
        self._incoming: dict[int, tuple[Any, int, Letter]] = {}
        self._snapshots: dict[int, asyncio.Future[InstallSnapshotResponse]] = {}
        self._sending: set[str] = set()
        self.installing = 0
        """How many snapshots are on their way to this server now."""
        self._loop.call_later(SWEEP, self._sweep)

    # ---- what consensus wants sent

    def send(self, effect: Send) -> None:
        """See Peers."""
        message = effect.message
        answered = message.request if isinstance(message, AppendEntriesResponse) else effect.request
        if answered is not None:
            self._answer(answered, message)
        else:
            number = self._write(effect.to, message)
            if isinstance(message, AppendEntries) and number:
                self._requests[number] = (self._loop.time(), effect.to, message)
            elif number:
                self._requests[number] = (float("inf"), effect.to, message)

    def send_snapshot(self, peer: str) -> None:
        """See Peers."""
        if peer not in self._sending:
            self._sending.add(peer)
            self._loop.create_task(self._send_snapshot(peer))

    def receive_snapshot(self, effect: ReceiveSnapshot) -> None:
        """See Peers."""
        self._loop.create_task(self._receive_snapshot(effect))

    # ---- what arrives

    def request(self, number: int, letter: Letter) -> None:
        """A request of another server."""
        message = copy(letter.content)
        self._incoming[id(message)] = message, number, letter
        self._server.consensus.receive(letter.sender, message)
        if isinstance(message, TimeoutNow):
            del self._incoming[id(message)]

    def answer(self, letter: Letter) -> None:
        """An answer to a request of this life, unless it was given back already."""
        number = letter.about
        if number in self._snapshots:
            waiting = self._snapshots.pop(number)
            if not waiting.done():
                waiting.set_result(letter.content)
        elif number in self._requests:
            _, _, request = self._requests.pop(number)
            response = letter.content
            if isinstance(response, AppendEntriesResponse):
                response = msgspec.structs.replace(response, request=request)
            self._server.consensus.receive(letter.sender, response)

    # ----

    def _write(self, to: str, message: object, pieces: list[bytes] | None = None) -> int:
        """Puts a letter into the post; 0 if nobody knows where that server is."""
        address = self._server.address_of(to)
        if address is None:
            return 0
        return self._post.send(self._host, address, REQUEST, Letter(self._host.name, self._host.life, message, 0, pieces or []))

    def _answer(self, request: object, response: object) -> None:
        _, number, letter = self._incoming.pop(id(request), (None, 0, None))
        address = self._server.address_of(letter.sender) if letter is not None else None
        if letter is not None and address is not None:
            self._server.invariants.answered(self._server, letter.sender, request, response)
            if isinstance(response, AppendEntriesResponse):
                response = msgspec.structs.replace(response, request=None)
            self._post.send(self._host, address, ANSWER, Letter(self._host.name, letter.life, response, number))

    def _sweep(self) -> None:
        """Gives back what was not answered in time; the oldest come first."""
        self._loop.call_later(SWEEP, self._sweep)
        before = self._loop.time() - ANSWER_TIMEOUT
        late = [number for number, (sent_at, _, _) in self._requests.items() if sent_at <= before]
        for number in late:
            _, peer, request = self._requests.pop(number)
            self._server.consensus.unreachable(peer, request)

    async def _send_snapshot(self, peer: str) -> None:
        response = InstallSnapshotResponse(0, False)
        try:
            response = await self._snapshot_answer(peer) or response
        except (OSError, MusterError, TimeoutError):
            pass  # consensus is told by the answer that it failed, and tries again
        self._sending.discard(peer)
        self._server.consensus.receive(peer, response)

    async def _snapshot_answer(self, peer: str) -> InstallSnapshotResponse | None:
        snapshot = self._server.consensus.snapshot_to_send()
        if snapshot is None:
            return None
        pieces = []
        try:
            while data := await snapshot.read():
                pieces += [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
        finally:
            snapshot.close()
        number = self._write(peer, snapshot.head, pieces)
        self._snapshots[number] = answered = self._loop.create_future()
        try:
            async with asyncio.timeout(SNAPSHOT_TIMEOUT):
                response: InstallSnapshotResponse = await answered
                return response
        finally:
            self._snapshots.pop(number, None)

    async def _receive_snapshot(self, effect: ReceiveSnapshot) -> None:
        _, number, letter = self._incoming[id(effect.message)]
        self.installing += 1
        try:
            await self._server.consensus.receive_snapshot(effect.sender, effect.message, self._body(letter))
        except (OSError, MusterError, asyncio.CancelledError):
            failed = self._incoming.pop(id(effect.message), None)
            address = self._server.address_of(letter.sender)
            if failed is not None and address is not None:
                self._post.send(
                    self._host, address, ANSWER, Letter(self._host.name, letter.life, InstallSnapshotResponse(0, False), number)
                )
        finally:
            self.installing -= 1

    async def _body(self, letter: Letter) -> AsyncIterator[bytes]:
        chance = self._host.chance
        for piece in letter.pieces:
            await asyncio.sleep(chance.uniform(0.001, 0.1))
            if chance.random() < SNAPSHOT_BREAKS / len(letter.pieces):
                raise ConnectionError("the sender of a snapshot went away")
            yield piece


def copy(message: Any) -> Any:
    """As decoded by the receiver: own objects, and nothing that does not travel."""
    match message:
        case AppendEntries():
            entries = message.entries
            if entries:
                entries = tuple(Entry(e.index, e.term, e.type, e.data, e.extensions) for e in entries)
            return AppendEntries(message.term, message.leader, message.previous_index, message.previous_term, message.commit_index, entries)
        case TimeoutNow():
            return TimeoutNow()
        case InstallSnapshot():
            return msgspec.structs.replace(message)
        case _:
            return msgspec.structs.replace(message)

"""Connections on which other servers send Raft requests: each answer goes back on its connection, in the order of the requests.

A request waits in its connection until consensus answers it; an answer that comes too early waits for those before it. How many requests
may wait, and how many bytes of a snapshot, is bounded: the connection is not read meanwhile.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from muster.model.errors import DecodeError
from muster.raft.messages import AppendEntries, InstallSnapshot, Message, TimeoutNow
from muster.transport.raft_lane import without_delay
from muster.wire.raft import Request, RequestPreVote, RequestVote, TimeoutNowResponse
from muster.wire.raft_decoder import RequestReader, SnapshotPiece
from muster.wire.raft_encoder import encode_response

MOST_WAITING = 256  # requests of one connection; twice what a leader pipelines
MOST_SNAPSHOT_BYTES = 1 << 20  # of a snapshot, between the socket and the disk

logger = logging.getLogger("muster.raft")

_TIMEOUT_NOW_ANSWER = encode_response(TimeoutNowResponse())


class Receiver(Protocol):
    """What a connection asks of its transport."""

    slots: "dict[int, Slot]"
    connections: "set[IncomingRaft]"
    io_timeout: float

    def arrived(self, sender_address: str, message: Message) -> None:
        """A request came. May raise DecodeError."""
        ...

    def broken(self, sender_address: str) -> None:
        """The leader's connection ended."""
        ...


class Slot:
    """One request that is not answered yet, in its place."""

    __slots__ = ("answer", "body", "connection", "request")

    def __init__(self, connection: "IncomingRaft", request: Request, body: "SnapshotBody | None" = None) -> None:
        self.connection, self.request, self.body = connection, request, body
        self.answer: bytes | None = None

    def resolve(self, answer: bytes) -> None:
        """Answers it. What follows of a refused snapshot is still read, and only then the answer sent."""
        self.answer = answer
        if self.body is not None:
            self.body.discard()
        self.connection.flush()


class IncomingRaft(asyncio.Protocol):
    """A connection whose first byte was taken by the listener; `feed` takes what came behind that."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._reader = RequestReader()
        self._waiting: deque[Slot] = deque()
        self._body: SnapshotBody | None = None
        self._leader = ""
        self._paused: set[str] = set()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._receiver.connections.add(self)
        without_delay(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._receiver.connections.discard(self)
        self._drop()
        if self._leader:
            self._receiver.broken(self._leader)

    def abort(self) -> None:
        """Closes at once."""
        self._leader = ""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            for item in self._reader.feed(data):
                if isinstance(item, SnapshotPiece):
                    self._piece(item)
                else:
                    self._request(item)
        except DecodeError as error:
            peer = self.transport.get_extra_info("peername")
            logger.warning("bad Raft request: from=%s error=%s", peer, error)
            self._drop()
            self.transport.abort()

    feed = data_received

    def flush(self) -> None:
        """Sends the answers that are next."""
        ready: list[bytes] = []
        waiting = self._waiting
        while waiting and waiting[0].answer is not None and (waiting[0].body is None or waiting[0].body.complete):
            slot = waiting.popleft()
            self._receiver.slots.pop(id(slot.request), None)
            ready.append(slot.answer or b"")
        if ready and not self.transport.is_closing():
            self.transport.write(b"".join(ready))
        if len(waiting) < MOST_WAITING:
            self.resume("requests")

    def pause(self, reason: str) -> None:
        """Stops reading for a reason."""
        if not self._paused:
            self.transport.pause_reading()
        self._paused.add(reason)

    def resume(self, reason: str) -> None:
        """Reads again if no other reason is left."""
        if reason in self._paused:
            self._paused.discard(reason)
            if not self._paused and not self.transport.is_closing():
                self.transport.resume_reading()

    def _request(self, request: Request) -> None:
        slot = Slot(self, request)
        self._waiting.append(slot)
        self._receiver.slots[id(request)] = slot
        sender = ""
        if isinstance(request, AppendEntries):
            sender = self._leader = request.leader
        elif isinstance(request, InstallSnapshot):
            sender = request.leader
            self._body = slot.body = SnapshotBody(self, self._receiver.io_timeout)
        elif isinstance(request, RequestVote | RequestPreVote):
            sender = request.candidate
        self._receiver.arrived(sender, request)
        if isinstance(request, TimeoutNow):
            slot.resolve(_TIMEOUT_NOW_ANSWER)
        if len(self._waiting) >= MOST_WAITING:
            self.pause("requests")

    def _piece(self, piece: SnapshotPiece) -> None:
        body = self._body
        if body is None:
            return
        body.take(piece)
        if piece.last:
            self._body = None
            self.flush()

    def _drop(self) -> None:
        for slot in self._waiting:
            self._receiver.slots.pop(id(slot.request), None)
            if slot.body is not None:
                slot.body.broken()
        self._waiting.clear()
        self._body = None


class SnapshotBody:
    """The bytes of a snapshot as they arrive: an asynchronous iterator that raises ConnectionError if they end too soon."""

    def __init__(self, connection: IncomingRaft, patience: float) -> None:
        """`patience`: seconds in which the next bytes must come."""
        self.complete = False
        self._connection, self._patience = connection, patience
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._discarding = self._broken = False
        self._wake: asyncio.Future[None] | None = None

    def take(self, piece: SnapshotPiece) -> None:
        """The next bytes."""
        self.complete = piece.last
        if not self._discarding and piece.data:
            self._pieces.append(piece.data)
            self._held += len(piece.data)
            if self._held > MOST_SNAPSHOT_BYTES:
                self._connection.pause("snapshot")
        self._wake_up()

    def discard(self) -> None:
        """Nobody wants the rest: it is read and thrown away."""
        self._discarding = True
        self._pieces.clear()
        self._held = 0
        self._connection.resume("snapshot")

    def broken(self) -> None:
        """The connection is gone."""
        self._broken = True
        self._wake_up()

    def abort(self) -> None:
        """Ends the connection: what came of it cannot be installed."""
        self._connection.abort()

    def __aiter__(self) -> "SnapshotBody":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.complete or self._discarding:
                raise StopAsyncIteration
            if self._broken:
                raise ConnectionError("the sender of a snapshot went away")
            self._wake = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(self._patience):
                await self._wake
        data = self._pieces.popleft()
        self._held -= len(data)
        if self._held <= MOST_SNAPSHOT_BYTES // 2:
            self._connection.resume("snapshot")
        return data

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


Factory = Callable[[], IncomingRaft]

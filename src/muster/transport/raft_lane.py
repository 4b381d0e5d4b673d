"""One outgoing connection of the Raft transport: requests go out in order, answers come back in the same order.

A connection is made when the first request needs it and again after it broke; one that nobody uses is closed. Requests that cannot be
delivered, or whose answer gets lost, are given back at the next turn of the loop, never from within the call that sent them.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast

from muster.model.clock import Clock
from muster.model.errors import DecodeError, Rejected
from muster.transport.dialing import split_address
from muster.wire.raft import Request, RequestPreVote, RequestVote, Response
from muster.wire.raft_decoder import ResponseReader

FIRST_BYTE = b"\x01"  # says on the server port that Raft follows
DIAL_TIMEOUT = 2.0  # seconds; a lost SYN is sent again after one
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two attempts to connect
IDLE_SECONDS = 30.0
MOST_IN_FLIGHT = 512  # of requests of any kind; replication keeps to its own, smaller limit

Connect = Callable[[Callable[[], asyncio.Protocol], str, int], Awaitable[Any]]

logger = logging.getLogger("muster.raft")


class Owner(Protocol):
    """What a lane asks of the transport that it belongs to."""

    clock: Clock
    connect: Connect

    def address_of(self, peer: str) -> str:
        """The peer's "ip:port"; empty if it is unknown."""
        ...

    def encoded(self, request: Request) -> bytes:
        """The bytes of a request."""
        ...

    def answered(self, peer: str, request: Request, response: Response, seconds: float) -> None:
        """An answer came."""
        ...

    def undelivered(self, peer: str, requests: Sequence[Request]) -> None:
        """These will not be answered."""
        ...


class Lane:
    """Requests to one peer. `timeout`: seconds in which each must be answered; `on_timeout` is called when one was not.

    `newest_only`: while there is no connection, an earlier request that waits gives way to a later one (heartbeats, votes).
    """

    def __init__(self, owner: Owner, peer: str, timeout: float, *, newest_only: bool, on_timeout: Callable[[], None] | None = None) -> None:
        self.owner, self.peer, self.timeout = owner, peer, timeout
        self.on_timeout = on_timeout
        self._newest_only = newest_only
        self._loop = asyncio.get_running_loop()
        self._connection: _Connection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._waiting: list[Request] = []
        self._failures = 0
        self._retry_at = 0.0
        self._closed = False

    def send(self, request: Request) -> None:
        """Sends it, or has it wait for the connection, or gives it back."""
        connection = self._connection
        if connection is not None and isinstance(request, RequestVote | RequestPreVote) and connection.in_flight:
            connection.abort()  # a vote of an earlier term was never answered: the connection may be dead
            connection = None
        if connection is not None:
            if len(connection.in_flight) < MOST_IN_FLIGHT:
                connection.write([request])
            else:
                self._give_back([request])
        elif self._dialing is not None:
            if self._newest_only:
                self._waiting.clear()
            self._waiting.append(request)
        elif self._closed or self.owner.clock.monotonic() < self._retry_at:
            self._give_back([request])
        else:
            self._waiting.append(request)
            self._dialing = self._loop.create_task(self._dial())

    @property
    def is_connected(self) -> bool:
        """Whether a connection is there."""
        return self._connection is not None

    def reset(self) -> None:
        """Gives the connection up; the next request makes another."""
        if self._connection is not None:
            self._connection.abort()

    def close(self) -> None:
        """Ends for good; nothing is given back any more."""
        self._closed = True
        self._waiting.clear()
        if self._dialing is not None:
            self._dialing.cancel()
        if self._connection is not None:
            self._connection.in_flight.clear()
            self._connection.abort()

    def lost(self, connection: "_Connection", unanswered: list[Request]) -> None:
        """The connection is gone."""
        if self._connection is connection:
            self._connection = None
        self._give_back(unanswered)

    async def _dial(self) -> None:
        address = self.owner.address_of(self.peer)
        try:
            host, port = split_address(address)
            connection = _Connection(self, address)
            async with asyncio.timeout(DIAL_TIMEOUT):
                await self.owner.connect(lambda: connection, host, port)
        except (OSError, Rejected) as error:
            self._not_connected(address, error)
            return
        finally:
            self._dialing = None
        self._failures = 0
        waiting, self._waiting = self._waiting, []
        if connection.transport.is_closing():
            self._give_back(waiting)
            return
        self._connection = connection
        connection.write(waiting, FIRST_BYTE)

    def _not_connected(self, address: str, error: Exception) -> None:
        self._failures += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
        self._retry_at = self.owner.clock.monotonic() + pause
        log = logger.warning if self._failures == 1 else logger.debug
        log("cannot connect to server: peer=%s address=%s error=%s", self.peer, address, error or "i/o timeout")
        waiting, self._waiting = self._waiting, []
        self._give_back(waiting)

    def _give_back(self, requests: list[Request]) -> None:
        if requests and not self._closed:
            self._loop.call_soon(self.owner.undelivered, self.peer, requests)


class _Connection(asyncio.Protocol):
    """An open connection of a lane."""

    def __init__(self, lane: Lane, address: str) -> None:
        self.in_flight: deque[tuple[Request, float]] = deque()
        self.transport: asyncio.Transport
        self._lane, self._address = lane, address
        self._reader = ResponseReader()
        self._loop = asyncio.get_running_loop()
        self._now = lane.owner.clock.monotonic
        self._used_at = self._now()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        without_delay(transport)
        self._timer = self._loop.call_later(self._lane.timeout, self._check)

    def write(self, requests: Sequence[Request], first: bytes = b"") -> None:
        """Sends requests in one write."""
        self._used_at = now = self._now()
        parts = [first]
        for request in requests:
            self._reader.sent(request)
            self.in_flight.append((request, now))
            parts.append(self._lane.owner.encoded(request))
        self.transport.write(parts[1] if len(parts) == 2 and not first else b"".join(parts))

    def data_received(self, data: bytes) -> None:
        lane = self._lane
        try:
            for error, response in self._reader.feed(data):
                request, sent_at = self.in_flight.popleft()
                if error:
                    logger.warning("server refuses a Raft request: peer=%s error=%s", lane.peer, error)
                    lane.owner.undelivered(lane.peer, [request])
                else:
                    lane.owner.answered(lane.peer, request, response, self._now() - sent_at)
        except DecodeError as error:
            logger.warning("bad Raft answer: peer=%s error=%s", lane.peer, error)
            self.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        unanswered = [request for request, _ in self.in_flight]
        self.in_flight.clear()
        self._lane.lost(self, unanswered)

    def abort(self) -> None:
        """Closes at once; what is unanswered is given back."""
        self.transport.abort()
        self._lane.lost(self, [request for request, _ in self.in_flight])
        self.in_flight.clear()

    def _check(self) -> None:
        """Something waits too long for its answer, or nobody uses the connection, or the peer has moved."""
        lane, now = self._lane, self._now()
        waits = now - self.in_flight[0][1] if self.in_flight else 0.0
        if waits >= lane.timeout:
            logger.warning("server does not answer: peer=%s address=%s", lane.peer, self._address)
            self.abort()
            if lane.on_timeout is not None:
                lane.on_timeout()
        elif (now - self._used_at >= IDLE_SECONDS and not self.in_flight) or lane.owner.address_of(lane.peer) != self._address:
            self.abort()
        else:
            self._timer = self._loop.call_later(lane.timeout - waits, self._check)


def without_delay(transport: asyncio.BaseTransport) -> None:
    """Small messages leave at once, and a peer that vanished without a word is found out."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:
            return  # closed already: the loop will tell

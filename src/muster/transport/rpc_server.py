"""Calls that arrive at the server port: one stream of them on a plain connection, or many streams on a multiplexed one.

Nobody makes this process grow: what a connection may hold of requests that are not whole, and of answers that nobody reads, is bounded,
and a stream that is in the middle of something must go on with it.

Source: reference of the RPC wire, sections 1 to 3.
"""

import asyncio
from typing import cast

from muster.model.errors import Rejected
from muster.transport.rpc_calls import CallService, ServedCalls
from muster.transport.rpc_session import WRITE_TIMEOUT, SessionConnection

PATIENCE = 60.0  # seconds for a begun request to become whole, and for credit to come for an answer
CONNECTION_HOLDS = 64 << 20
"""Bytes of unfinished requests that all streams of a connection may hold together."""
SERVICE_HOLDS = 256 << 20
"""Bytes of unfinished requests of all connections; beyond, a connection that holds much is closed."""
SMALL_HOLD = 1 << 20
UNREAD = 16 << 20
"""Bytes of answers that wait for credit, of a connection, above which no further call of it is begun."""
ANSWERS_PER_TURN = 64  # of the loop, of a connection
PLAIN_QUEUE = 256 * 1024
"""Bytes of requests that wait for their turn on a plain connection before it is read no further; a window's worth."""

DRAIN_STEP = 0.01  # seconds between two looks at what is still under way


class RpcServer:
    """Makes the protocols of accepted connections, and ends them all together."""

    def __init__(self, service: CallService, *, patience: float = PATIENCE, write_timeout: float = WRITE_TIMEOUT) -> None:
        self.service = service
        self.patience, self.write_timeout = patience, write_timeout
        self.open: set[RpcConnection | MultiplexedConnection] = set()

    def plain(self) -> "RpcConnection":
        """For the listener: an accepted connection whose first byte was 0."""
        return RpcConnection(self)

    def multiplexed(self) -> "MultiplexedConnection":
        """For the listener: an accepted connection whose first byte was 4."""
        return MultiplexedConnection(self)

    async def drain(self, limit: float) -> None:
        """Begins no call any more, and waits up to `limit` seconds until those under way are answered. `close` comes next."""
        self.service.leaving = True
        loop = asyncio.get_running_loop()
        until = loop.time() + limit
        while self.service.answering and loop.time() < until:  # noqa: ASYNC110  # once in a server's life, for a moment
            await asyncio.sleep(DRAIN_STEP)
        await asyncio.sleep(DRAIN_STEP)  # what was answered last is written in the turns that follow

    def close(self) -> None:
        """Ends every connection; what waits on one is withdrawn."""
        for connection in list(self.open):
            connection.abort("the server is closed")

    def too_much(self, held: int) -> bool:
        """Whether a connection that holds so many bytes of unfinished requests must go."""
        return held > CONNECTION_HOLDS or (held > SMALL_HOLD and self.service.held > SERVICE_HOLDS)


class RpcConnection(asyncio.Protocol, ServedCalls):
    """One stream of calls directly on a connection."""

    def __init__(self, server: RpcServer) -> None:
        ServedCalls.__init__(self, server.service, "")
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._full = self._reading_rests = False
        self._overdue: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self.source = caller(transport)
        self._server.open.add(self)

    def feed(self, data: bytes) -> None:
        """What was read before this took over."""
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        self.take(data)
        if self.closed:
            return
        if self._queue and self.held > PLAIN_QUEUE and not self._reading_rests:
            self._reading_rests = True
            self._transport.pause_reading()
        self._expect()

    def eof_received(self) -> bool:
        self.end()
        return not self.closed

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.open.discard(self)
        for handle in (self._stall, self._overdue):
            if handle is not None:
                handle.cancel()
        self.lost()

    def pause_writing(self) -> None:
        self._full = True
        self._stall = self._loop.call_later(self._server.write_timeout, self._transport.abort)

    def resume_writing(self) -> None:
        self._full = False
        if self.closed:
            return
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        self.proceed()

    def abort(self, _reason: str) -> None:
        """Drops the connection."""
        self.lost()
        self._transport.abort()

    def blocked(self) -> bool:
        return self._full

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def finish(self) -> None:
        self._transport.close()
        if self._stall is None:
            self._stall = self._loop.call_later(self._server.write_timeout, self._transport.abort)

    def unburdened(self) -> None:
        if self._reading_rests and not self.closed:
            self._reading_rests = False
            self._transport.resume_reading()

    def _expect(self) -> None:
        if self._overdue is not None:
            if self.incomplete:
                return
            self._overdue.cancel()
            self._overdue = None
        elif self.incomplete:
            self._overdue = self._loop.call_later(self._server.patience, self.abort, "")


class _Stream(ServedCalls):
    """One stream of calls among others."""

    __slots__ = ("connection", "identity", "unconsumed", "waiting")

    def __init__(self, connection: "MultiplexedConnection", identity: int) -> None:
        super().__init__(connection.server.service, connection.source)
        self.connection, self.identity = connection, identity
        self.unconsumed = 0  # bytes for which the peer has no new credit
        self.waiting = 0  # bytes of answers for which the peer gave no credit

    def blocked(self) -> bool:
        return self.waiting > 0 or self.connection.blocks(self)

    def write(self, data: bytes) -> None:
        self.connection.say(self, data)

    def finish(self) -> None:
        self.connection.finished(self)

    def unburdened(self) -> None:
        if self.unconsumed and not self.closed:
            self.connection.session.consumed(self.identity, self.unconsumed)
            self.unconsumed = 0
            self.connection.flush_soon()

    def weighed(self, change: int) -> None:
        self.connection.weighed(change)


class MultiplexedConnection(SessionConnection):
    """Many streams of calls on one connection."""

    def __init__(self, server: RpcServer) -> None:
        super().__init__(is_client=False, write_timeout=server.write_timeout)
        self.server = server
        self.source = ""
        self._streams: dict[int, _Stream] = {}
        self._blocked: dict[_Stream, None] = {}
        self._held = 0  # bytes of unfinished requests
        self._unread = 0  # bytes of answers that wait for credit
        self._answers = 0  # in this turn of the loop
        self._expected: dict[_Stream, float] = {}
        """Streams in the middle of something, and when they must have gone on."""
        self._sweeper: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.source = caller(transport)
        self.server.open.add(self)
        super().connection_made(transport)

    # what happens

    def data_received(self, data: bytes) -> None:
        self._answers = 0
        super().data_received(data)

    def stream_opened(self, stream: int) -> None:
        self.session.accept(stream)
        self._streams[stream] = _Stream(self, stream)

    def stream_data(self, stream: int, data: bytes) -> None:
        calls = self._streams.get(stream)
        if calls is None or calls.closed:  # by this side: its peer has not heard of that yet
            self.session.consumed(stream, len(data))
            return
        calls.unconsumed += len(data)
        calls.take(data)
        if calls.held or calls in self._expected:
            self._expect(calls, renew=False)

    def stream_ended(self, stream: int) -> None:
        calls = self._streams.get(stream)
        if calls is not None and not calls.closed:
            calls.end()

    def stream_reset(self, stream: int) -> None:
        self._forget(stream)
        self._go_on()

    def stream_credit(self, stream: int, waiting: int) -> None:
        calls = self._streams.get(stream)
        if calls is None:
            return
        self._unread += waiting - calls.waiting
        calls.waiting = waiting
        self._expect(calls, renew=True)
        if not waiting:
            if calls.closed:
                self._forget(stream)
            else:
                self._blocked[calls] = None
            self._go_on()

    def room(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._go_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def lost(self, reason: str) -> None:
        self.server.open.discard(self)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for stream in list(self._streams):
            self._forget(stream)

    # what streams do

    def blocks(self, calls: _Stream) -> bool:
        """Whether a stream must wait before it says more; it will be told to proceed."""
        self._answers += 1
        if self.full or self._unread > UNREAD or self._answers > ANSWERS_PER_TURN:
            self._blocked[calls] = None
            if self._answers == ANSWERS_PER_TURN + 1:
                self._loop.call_soon(self._next_turn)
            return True
        return False

    def say(self, calls: _Stream, data: bytes) -> None:
        try:
            waiting = self.send(calls.identity, data)
        except Rejected:  # reset by the peer, as one of the next events will tell
            self._forget(calls.identity)
            return
        if waiting != calls.waiting:
            self._unread += waiting - calls.waiting
            calls.waiting = waiting
            self._expect(calls, renew=True)

    def finished(self, calls: _Stream) -> None:
        """Closes a stream behind what was said on it; what the peer still sends on it is passed over."""
        if not self.ended:
            self.session.close(calls.identity)
            self.flush_soon()
        if not calls.waiting:
            self._forget(calls.identity)

    def weighed(self, change: int) -> None:
        """Its streams hold so many bytes more of unfinished requests, or less."""
        self._held += change
        if change > 0 and not self.ended and self.server.too_much(self._held):
            self.server.service.warn.say("RPC connection from %s closed: %d bytes of unfinished requests", self.source, self._held)
            self.end("too many bytes in unfinished requests")

    # inside

    def _next_turn(self) -> None:
        self._answers = 0
        self._go_on()

    def _go_on(self) -> None:
        while self._blocked and not self.full and self._unread <= UNREAD and self._answers <= ANSWERS_PER_TURN:
            calls = next(iter(self._blocked))
            del self._blocked[calls]
            calls.proceed()

    def _forget(self, stream: int) -> None:
        calls = self._streams.pop(stream, None)
        if calls is None:
            return
        calls.lost()
        self._unread -= calls.waiting
        calls.waiting = 0
        self._blocked.pop(calls, None)
        self._expected.pop(calls, None)

    def _expect(self, calls: _Stream, renew: bool) -> None:
        if not calls.waiting and not calls.incomplete:
            self._expected.pop(calls, None)
            return
        if renew or calls not in self._expected:
            self._expected[calls] = self._loop.time() + self.server.patience
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self.server.patience, self._sweep)

    def _sweep(self) -> None:
        """Streams that stopped in the middle of something are reset."""
        now = self._loop.time()
        for calls in [one for one, deadline in self._expected.items() if deadline <= now]:
            self.session.reset(calls.identity)
            self._forget(calls.identity)
        self.flush()
        self._go_on()
        later = min(self._expected.values(), default=None)
        self._sweeper = None if later is None or self.ended else self._loop.call_at(later, self._sweep)


def caller(transport: asyncio.BaseTransport) -> str:
    """The other end as "ip:port"; empty if it is gone already."""
    remote = transport.get_extra_info("peername")
    return f"{remote[0]}:{remote[1]}" if remote else ""

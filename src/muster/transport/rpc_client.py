"""One connection to a server and the calls on it: each call has a stream for itself, and streams are used again.

A caller that cancels its call closes the stream, so that the server withdraws what it does for it. When the connection ends, all its calls
fail at once.

Source: reference of the RPC wire, sections 2 and 3.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from muster.model.errors import DecodeError, MusterError, Rejected
from muster.transport.rpc_errors import ConnectionLost, RemoteError
from muster.transport.rpc_readers import Reader, Readers, Responses
from muster.transport.rpc_session import SessionConnection
from muster.wire.replies import Reply
from muster.wire.rpc import FirstByte, Response, encode_request
from muster.wire.rpc_methods import decode_reply

LAST_STREAM = 1 << 30
"""Ids of streams are not used again: before they run out calls go to another connection."""
_FIRST_BYTE = bytes((FirstByte.YAMUX,))


class Call(asyncio.Future[Reply]):
    """A call on its way. Cancelling it closes its stream."""

    __slots__ = ("method", "stream")

    def __init__(self, method: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.method = method
        self.stream: ClientStream | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Nobody waits any more."""
        if not super().cancel(msg):
            return False
        if self.stream is not None:
            self.stream.connection.abandon(self.stream)
        return True

    def fail(self, error: MusterError) -> None:
        """The call ends with an error, unless it has ended already."""
        self.stream = None
        if not self.done():
            self.set_exception(error)


class ClientStream:
    """A stream that this side opened; `call` is the one under way on it."""

    __slots__ = ("call", "connection", "identity", "reader", "sequence")

    def __init__(self, connection: "ClientConnection", identity: int) -> None:
        self.connection, self.identity = connection, identity
        self.call: Call | None = None
        self.sequence = 0
        self.reader: Reader[Response] | None = None  # of a response that is not whole


class ClientConnection(SessionConnection):
    """A multiplexed connection to a server, from before it is made. `on_end` is called once, when no new call may be given to it."""

    def __init__(self, *, idle_streams: int, idle_time: float, write_timeout: float, on_end: Callable[["ClientConnection"], None]) -> None:
        """`idle_time`: seconds without calls after which it is closed."""
        super().__init__(is_client=True, write_timeout=write_timeout)
        self._idle_streams, self._idle_time, self._on_end = idle_streams, idle_time, on_end
        self._readers = Readers[Response](Responses)
        self._connected = False
        self._queue: deque[tuple[Call, bytes]] = deque()
        """Calls that have no stream yet: the connection is being made, or its server has not taken the last streams."""
        self._streams: dict[int, ClientStream] = {}
        self._idle: list[ClientStream] = []
        self._sequence = 0
        self._last_used = 0.0
        self._retiring = False
        self._idle_timer: asyncio.TimerHandle | None = None

    @property
    def calls(self) -> int:
        """How many are under way."""
        return len(self._streams) - len(self._idle) + len(self._queue)

    def start(self, call: Call, body: bytes) -> None:
        """Sends a call whose argument is encoded, or keeps it until it can be sent."""
        if not self._connected or self._queue or not self._begin(call, body):
            self._queue.append((call, body))

    def failed(self, error: MusterError) -> None:
        """No connection could be made."""
        self.ended = True
        self._on_end(self)
        queue, self._queue = self._queue, deque()
        for call, _ in queue:
            call.fail(error)

    def abort(self, reason: str) -> None:
        """Drops the connection, made or not; whoever waits is told at once."""
        if self._connected:
            super().abort(reason)
        elif not self.ended:
            self.ended = True
            self.lost(reason)

    def abandon(self, stream: ClientStream) -> None:
        """Closes a stream; what still comes on it is passed over."""
        stream.call = None
        if self._streams.pop(stream.identity, None) is not None and not self.ended:
            self.session.close(stream.identity)
            self.flush_soon()
            self._used()

    # what happens

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.ended:  # closed while it was being made
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._transport.write(_FIRST_BYTE)
        self._connected = True
        self._used()
        self._idle_timer = self._loop.call_later(self._idle_time, self._look_whether_idle)
        self._begin_waiting()

    def stream_accepted(self, stream: int) -> None:
        if self._queue:
            self._begin_waiting()

    def stream_data(self, stream: int, data: bytes) -> None:
        self.session.consumed(stream, len(data))
        known = self._streams.get(stream)
        if known is None:
            return
        try:
            responses, known.reader = self._readers.read(known.reader, data)
        except DecodeError as error:
            self.end(str(error))
            return
        for response in responses:
            self._answered(known, response)

    def stream_ended(self, stream: int) -> None:
        self.session.close(stream)
        self._gone(stream, "EOF")

    def stream_reset(self, stream: int) -> None:
        self._gone(stream, "connection reset")

    def gone_away(self) -> None:
        self._retire()
        self._used()

    def lost(self, reason: str) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._retiring = True
        self._on_end(self)
        streams, self._streams, self._idle = self._streams, {}, []
        queue, self._queue = self._queue, deque()
        calls = [stream.call for stream in streams.values() if stream.call is not None]
        for call in [*calls, *[call for call, _ in queue]]:
            call.fail(ConnectionLost(call.method))

    # inside

    def _begin(self, call: Call, body: bytes) -> bool:
        """False if no stream can be opened now."""
        if self._idle:
            stream = self._idle.pop()
        else:
            try:
                identity = self.session.open_stream()
            except Rejected:
                if self.session.gone_away or not self.session.alive:
                    self._retire()
                    call.fail(ConnectionLost(call.method, "session shutdown"))
                    return True
                return False
            stream = self._streams[identity] = ClientStream(self, identity)
            if identity >= LAST_STREAM:
                self._retire()
        self._sequence += 1
        stream.call, stream.sequence, call.stream = call, self._sequence, stream
        self._last_used = self._loop.time()
        self.send(stream.identity, encode_request(call.method, self._sequence, body))
        return True

    def _begin_waiting(self) -> None:
        while self._queue and not self.ended:
            call, body = self._queue[0]
            if not call.done() and not self._begin(call, body):
                return
            self._queue.popleft()

    def _answered(self, stream: ClientStream, response: Response) -> None:
        call = stream.call
        if call is None or response.sequence != stream.sequence:
            self.end("a response to no request")
            return
        stream.call = None
        call.stream = None
        if response.error:
            # Whether the server goes on with this stream is not known: after some errors it does not.
            self.abandon(stream)
            call.fail(RemoteError(response.error))
            return
        self._rest(stream)
        try:
            reply = decode_reply(call.method, response.body)
        except DecodeError as error:
            call.fail(ConnectionLost(call.method, str(error)))
            return
        if not call.done():
            call.set_result(reply)

    def _rest(self, stream: ClientStream) -> None:
        """The stream waits for its next call, unless enough do."""
        if self._retiring or len(self._idle) >= self._idle_streams:
            self.abandon(stream)
        else:
            self._idle.append(stream)
            self._last_used = self._loop.time()

    def _gone(self, stream: int, reason: str) -> None:
        known = self._streams.pop(stream, None)
        if known is None:
            return
        if known in self._idle:
            self._idle.remove(known)
        if known.call is not None:
            known.call.fail(ConnectionLost(known.call.method, reason))
        self._used()

    def _used(self) -> None:
        self._last_used = self._loop.time()
        if self._retiring and not self.calls:
            self._loop.call_soon(self.end, "retired")

    def _retire(self) -> None:
        if not self._retiring:
            self._retiring = True
            self._on_end(self)

    def _look_whether_idle(self) -> None:
        due = self._last_used + self._idle_time
        if self.calls:
            due = self._loop.time() + self._idle_time
        elif due <= self._loop.time():
            self.session.go_away()
            self.end("idle")
            return
        self._idle_timer = self._loop.call_at(due, self._look_whether_idle)

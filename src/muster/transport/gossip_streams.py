"""The streams of a pool: one message each way, then the end.

A stream that another member opens is answered within the loop's callbacks, without a task. How many are open, how long they last and how
many bytes they hold before they are whole is bounded over all of them, so that nobody can make this process grow.
"""

import asyncio
import os
from typing import TYPE_CHECKING, cast

from muster.model.errors import DecodeError, MusterError, Rejected
from muster.transport.endpoints import from_socket, text
from muster.wire.gossip import Endpoint, Message, StreamError
from muster.wire.gossip_codec import encode_message

if TYPE_CHECKING:
    from muster.transport.gossip import GossipSockets

MOST_STREAMS = 128
"""Streams of others that may be open at once, as many as memberlist's push-pulls."""
MOST_BYTES = 64 << 20
"""Bytes that all unfinished streams may hold together."""


class StreamFailed(MusterError):
    """A conversation by stream came to nothing; the text is in the peers' words."""


class StreamLimits:
    """What the streams of one pool use together."""

    def __init__(self, streams: int = MOST_STREAMS, held: int = MOST_BYTES) -> None:
        self.open: set[_Stream] = set()
        self.most_streams, self.most_bytes = streams, held
        self.incoming = 0
        self.bytes = 0


class _Stream(asyncio.Protocol):
    """What both directions share: the reading of one message within the limits."""

    def __init__(self, sockets: "GossipSockets") -> None:
        self.sockets = sockets
        self.limits = sockets.limits
        self.reader = sockets.envelope.reader()
        self.transport: asyncio.Transport | None = None
        self.remote: Endpoint = (b"\0\0\0\0", 0)
        self.name = ""
        self._held = 0
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self.limits.open.add(self)
        self.remote = from_socket(transport.get_extra_info("peername") or ("0.0.0.0", 0))
        local = transport.get_extra_info("sockname")
        self.name = f"{text(from_socket(local)) if local else ''}->{text(self.remote)}"

    def connection_lost(self, _error: Exception | None) -> None:
        self.limits.open.discard(self)
        self._release()

    def abort(self) -> None:
        """Drop the connection now."""
        if self.transport is not None:
            self.transport.abort()

    def write(self, message: bytes) -> None:
        """Send one encoded message."""
        assert self.transport is not None
        data = self.sockets.envelope.stream(message)
        self.sockets.metrics.increment("memberlist.tcp.sent", len(data))
        self.transport.write(data)

    def take(self, data: bytes) -> Message | None:
        """The message, once it is whole. `DecodeError` if it is none or does not fit the limits."""
        self._first = self._first or data[:1]
        self._held += len(data)
        self.limits.bytes += len(data)
        if self.limits.bytes > self.limits.most_bytes:
            raise DecodeError("too many bytes in unfinished streams")
        message = self.reader.feed(data)
        if message is not None:
            self._release()
        return message

    def _release(self) -> None:
        self.limits.bytes -= self._held
        self._held = 0


class IncomingStream(_Stream):
    """A stream that another member opened."""

    def __init__(self, sockets: "GossipSockets") -> None:
        super().__init__(sockets)
        self._timer: asyncio.TimerHandle | None = None
        self._done = False
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        sockets, limits = self.sockets, self.limits
        if not sockets.allowed.allow(self.remote[0]):
            self._refuse("a stream from %s, which is outside the allowed networks")
        elif limits.incoming >= limits.most_streams:
            self._refuse("a stream from %s: too many are open")
        else:
            limits.incoming += 1
            self._counted = True
            sockets.metrics.increment("memberlist.tcp.accept")
            self._timer = asyncio.get_running_loop().call_later(sockets.stream_timeout, self.abort)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._done = True
        if self._counted:
            self.limits.incoming -= 1
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._done:
            return
        try:
            message = self.take(data)
            if message is None:
                return
            answer = self._answer(message)
        except DecodeError as error:
            self.sockets.refuse(f"a stream from %s: {error}", self.remote)
            answer = encode_message(StreamError(text=str(error)))
        self._done = True
        if answer is not None:
            self.write(answer)
        assert self.transport is not None
        self.transport.close()

    def _answer(self, message: Message) -> bytes | None:
        receiver = self.sockets.receiver
        if receiver is None:
            return None
        try:
            return receiver.stream(self.remote, message)
        except Rejected as error:
            return encode_message(StreamError(text=str(error)))

    def _refuse(self, what: str) -> None:
        self._done = True
        self.sockets.refuse(what, self.remote)
        self.abort()


class OutgoingStream(_Stream):
    """A stream that this member opened; `answer` is what came back."""

    def __init__(self, sockets: "GossipSockets") -> None:
        super().__init__(sockets)
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        try:
            message = self.take(data)
        except DecodeError as error:
            self.answer.set_exception(StreamFailed(self._fault(error)))
            return
        if message is not None:
            self.answer.set_result(message)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self.answer.done():
            self.answer.set_exception(error if isinstance(error, OSError) else StreamFailed("EOF"))
            self.answer.exception()  # read here: nobody may be waiting any more

    def _fault(self, error: DecodeError) -> str:
        kind = self._first[0] if self._first else 0
        if 13 < kind < 244:
            return f"received invalid msgType ({kind}), expected pushPullMsg (6) from={text(self.remote)}"
        return str(error)


def dial_fault(to: Endpoint, error: Exception) -> str:
    """Why nobody could be reached, as Go says it."""
    return f"dial tcp {text(to)}: {_reason('connect', error)}"


def read_fault(name: str, error: Exception) -> str:
    """Why nothing came, as Go says it. `name` is `local->remote`."""
    return f"read tcp {name}: {_reason('read', error)}"


def _reason(call: str, error: Exception) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return "i/o timeout"
    number = error.errno if isinstance(error, OSError) else None
    return f"{call}: {os.strerror(number).lower()}" if number else f"{call}: {error}"

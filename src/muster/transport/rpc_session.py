"""A connection that carries many streams: moves bytes between a yamux session and the socket, and keeps time for it.

What a turn of the loop has to say is written once. A peer that does not read for ten seconds, or leaves a ping without an answer for as
long, is gone.
"""

import asyncio
import logging
import math
from typing import cast

from muster.wire.yamux import Session
from muster.wire.yamux_events import (
    CreditReceived,
    DataReceived,
    Event,
    GoneAway,
    SessionDied,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)

logger = logging.getLogger("muster.rpc")

WRITE_TIMEOUT = 10.0  # seconds that a peer may leave what was written to it unread
FAREWELL = 5.0  # seconds for the last words to go out
WRITTEN_AT_ONCE = 256 * 1024  # bytes gathered before they are handed to the socket


class SessionConnection(asyncio.Protocol):
    """What both ends share. Subclasses say what streams mean; each is told once of a stream's end.

    `full`: the socket takes no more for now, so that nothing should be said that can wait.
    """

    def __init__(self, is_client: bool, write_timeout: float = WRITE_TIMEOUT) -> None:
        self.full = False
        self.ended = False
        self.session: Session
        self._is_client = is_client
        self._write_timeout = write_timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._flush_due = False
        self._unwritten = 0  # bytes said since the last flush, heads not counted
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    # what subclasses say

    def stream_opened(self, stream: int) -> None:
        """The peer opened a stream; by default it may not."""
        self.session.reset(stream)

    def stream_data(self, stream: int, data: bytes) -> None:
        raise NotImplementedError

    def stream_ended(self, stream: int) -> None:
        """The peer sends no more on it."""
        raise NotImplementedError

    def stream_reset(self, stream: int) -> None:
        """It is gone."""
        raise NotImplementedError

    def stream_credit(self, stream: int, waiting: int) -> None:
        """The peer takes more of a stream, of which `waiting` bytes still wait."""

    def stream_accepted(self, stream: int) -> None:
        """The peer took a stream that this side opened."""

    def gone_away(self) -> None:
        """The peer takes no new streams."""

    def room(self) -> None:
        """The socket takes more again."""

    def lost(self, reason: str) -> None:
        """The connection ended, and every stream with it."""
        raise NotImplementedError

    # what subclasses do

    def send(self, stream: int, data: bytes) -> int:
        """Says something on a stream, within this turn of the loop; how many bytes wait for the peer's credit."""
        waiting = self.session.send(stream, data)
        self._unwritten += len(data)
        if self._unwritten > WRITTEN_AT_ONCE:
            self.flush()
        elif not self._flush_due:
            self.flush_soon()
        return waiting

    def flush_soon(self) -> None:
        """What the session has to say is written at the end of this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Writes what the session has to say."""
        self._flush_due, self._unwritten = False, 0
        output = self.session.data_to_send()
        if output and not self.ended:
            self._transport.writelines(output)

    def end(self, reason: str) -> None:
        """Says the last words and closes; whoever waits is told at once."""
        if self.ended:
            return
        self.flush()
        self._lost(reason)
        self._transport.close()
        self._stall = self._loop.call_later(FAREWELL, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Drops the connection; whoever waits is told at once."""
        if not self.ended:
            self._lost(reason)
            self._transport.abort()

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self.session = Session(self._is_client, self._loop.time())
        self._schedule()

    def feed(self, data: bytes) -> None:
        """What was read before this took over."""
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        self._flush_due = True  # at the end of this
        for event in self.session.receive_data(self._loop.time(), data):
            self._happened(event)
        if not self.ended:
            self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if not self.ended:
            self._lost("EOF" if error is None else str(error))

    def pause_writing(self) -> None:
        self.full = True
        self._stall = self._loop.call_later(self._write_timeout, self.abort, "the peer does not read")

    def resume_writing(self) -> None:
        self.full = False
        if self._stall is not None and not self.ended:
            self._stall.cancel()
            self._stall = None
        if not self.ended:
            self.room()

    # inside

    def _happened(self, event: Event) -> None:
        if self.ended:
            return
        match event:
            case DataReceived(stream, data):
                self.stream_data(stream, data)
            case StreamOpened(stream):
                self.stream_opened(stream)
            case StreamAccepted(stream):
                self.stream_accepted(stream)
            case StreamEnded(stream):
                self.stream_ended(stream)
            case StreamReset(stream):
                self.stream_reset(stream)
            case CreditReceived(stream, waiting):
                self.stream_credit(stream, waiting)
            case GoneAway():
                self.gone_away()
            case SessionDied(reason):
                self.end(reason)

    def _lost(self, reason: str) -> None:
        logger.debug("RPC connection with %s ended: %s", self._transport.get_extra_info("peername"), reason)
        self.ended = True
        for handle in (self._timer, self._stall):
            if handle is not None:
                handle.cancel()
        self._timer = self._stall = None
        self.session.connection_lost()
        self.lost(reason)

    def _schedule(self) -> None:
        due = self.session.next_deadline()
        self._timer = None if due == math.inf else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        for event in self.session.tick(self._loop.time()):
            self._happened(event)
        if not self.ended:
            self.flush()
            self._schedule()

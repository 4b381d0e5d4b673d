"""One side of a yamux session: many streams with flow control over one connection, without the connection.

The host feeds what it reads to `receive_data`, carries out the events, and writes what `data_to_send` holds after every call. Every buffer
has a bound: a stream takes no more than its window, and what waits for credit or for the host's writing no more than `maximum_waiting`.

Source: reference of the RPC wire, section 2.
"""

import math
from typing import Final

from muster.model.errors import DecodeError, Rejected, TooLarge
from muster.wire.yamux_events import (
    CreditReceived,
    DataReceived,
    Event,
    GoneAway,
    PingAnswered,
    SessionDied,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from muster.wire.yamux_frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER_SIZE,
    LARGEST,
    NORMAL,
    PING,
    PROTOCOL_ERROR,
    RST,
    SYN,
    WINDOW_UPDATE,
    FrameReader,
    Header,
    Part,
)
from muster.wire.yamux_streams import Stream

ACCEPT_BACKLOG: Final = 256
"""Streams that may be open and not yet accepted, of each side."""
KEEPALIVE: Final = 30.0  # seconds between pings
PING_TIMEOUT: Final = 10.0  # seconds until a ping without an answer means that the peer is gone
MAXIMUM_STREAMS: Final = 16_384
"""The most streams that the peer may hold open: each call that waits has its own."""
MAXIMUM_WAITING: Final = 1 << 28  # bytes of one stream that wait for credit
MAXIMUM_ANSWERS: Final = 1 << 20  # bytes of answers that wait because the host does not write


class Session:
    """Streams are named by their ids. All times are seconds on one monotonic clock of the host's."""

    def __init__(
        self, is_client: bool, now: float, *, maximum_streams: int = MAXIMUM_STREAMS, maximum_waiting: int = MAXIMUM_WAITING
    ) -> None:
        """`is_client`: this side dialed. The first ping goes out after `KEEPALIVE`."""
        self.alive = True
        self.gone_away = False  # the peer takes no new streams
        self._is_client = is_client
        self._maximum_streams = maximum_streams
        self._maximum_waiting = maximum_waiting
        self._next_stream = 1 if is_client else 2
        self._streams: dict[int, Stream] = {}
        self._unaccepted: set[int] = set()  # opened by the peer
        self._unanswered: set[int] = set()  # opened by this side
        self._reader = FrameReader()
        self._output: list[bytes | memoryview] = []
        self._answers = 0  # bytes of the output that the peer made this side write
        self._next_ping = now + KEEPALIVE
        self._ping_value = 0
        self._pings: dict[int, float] = {}  # value -> sent at

    # what the host does

    def open_stream(self) -> int:
        """A new stream's id. Rejected if the session is over, or the peer has not answered the last 256."""
        if not self.alive or self.gone_away:
            raise Rejected("session shutdown")
        if len(self._unanswered) >= ACCEPT_BACKLOG or self._next_stream > LARGEST:
            raise Rejected("streams exhausted")
        stream = self._next_stream
        self._next_stream += 2
        self._streams[stream] = Stream(stream)
        self._unanswered.add(stream)
        self._control(WINDOW_UPDATE, SYN, stream)
        return stream

    def accept(self, stream: int) -> None:
        """Takes a stream that the peer opened."""
        if stream in self._unaccepted:
            self._unaccepted.discard(stream)
            self._control(WINDOW_UPDATE, ACK, stream)

    def send(self, stream: int, data: bytes | memoryview) -> int:
        """Sends what the peer's window allows and keeps the rest; how many bytes wait now.

        Rejected for a stream that is closed or gone, TooLarge (and nothing sent) for more than may wait.
        """
        known = self._streams.get(stream)
        if known is None or known.closing:
            raise Rejected("stream closed")
        if known.waiting + len(data) > self._maximum_waiting + known.send_window:
            raise TooLarge(f"more than {self._maximum_waiting} bytes wait for the peer")
        known.queue(data)
        self._flush(known)
        return known.waiting

    def waiting(self, stream: int) -> int:
        """Bytes of a stream that wait for credit."""
        known = self._streams.get(stream)
        return 0 if known is None else known.waiting

    def consumed(self, stream: int, count: int) -> None:
        """The host is done with `count` bytes that it got; the peer may send as many more, told once half the window is free."""
        known = self._streams.get(stream)
        if known is not None and (credit := known.consume(count)):
            self._control(WINDOW_UPDATE, 0, stream, credit)

    def close(self, stream: int) -> None:
        """Sends no more on a stream after what waits. It is forgotten once the peer has closed it too."""
        known = self._streams.get(stream)
        if known is not None and not known.closing:
            known.closing = True
            self._flush(known)

    def reset(self, stream: int) -> None:
        """Ends a stream both ways at once."""
        if self._streams.get(stream) is not None:
            self._forget(stream)
            self._control(WINDOW_UPDATE, RST, stream)

    def ping(self, now: float) -> int:
        """Asks whether the peer is there; the value that `PingAnswered` will bring."""
        value = self._ping_value
        self._ping_value = (value + 1) & LARGEST
        self._pings[value] = now
        self._control(PING, SYN, 0, value)
        return value

    def go_away(self, reason: int = NORMAL) -> None:
        """Tells the peer to open no more streams."""
        self._control(GO_AWAY, 0, 0, reason)

    def data_to_send(self) -> list[bytes | memoryview]:
        """What the connection is to carry next, for `writelines`. It is handed out once."""
        output, self._output, self._answers = self._output, [], 0
        return output

    @property
    def streams(self) -> list[int]:
        """The open streams."""
        return list(self._streams)

    # what time and the peer do

    def next_deadline(self) -> float:
        """When `tick` is due."""
        if not self.alive:
            return math.inf
        return min(self._next_ping, min(self._pings.values(), default=math.inf) + PING_TIMEOUT)

    def tick(self, now: float) -> list[Event]:
        """Sends the ping that is due; the session dies of one that was not answered in time."""
        if not self.alive:
            return []
        if self._pings and now >= min(self._pings.values()) + PING_TIMEOUT:
            return self._die("keepalive timeout")
        if now >= self._next_ping:
            self._next_ping = now + KEEPALIVE
            self.ping(now)
        return []

    def receive_data(self, now: float, data: bytes) -> list[Event]:
        """What bytes from the connection mean. Bytes that mean nothing end the session; it raises nothing."""
        events: list[Event] = []
        if not self.alive:
            return events
        try:
            for part in self._reader.feed(data):
                self._part_received(now, part, events)
                if self._answers > MAXIMUM_ANSWERS:
                    raise DecodeError("yamux: the peer asks and does not read")
        except DecodeError as error:
            self._output.append(Header(GO_AWAY, 0, 0, PROTOCOL_ERROR).encode())
            events += self._die(str(error))
        return events

    def connection_lost(self) -> list[Event]:
        """The connection ended."""
        return self._die("connection lost") if self.alive else []

    def _part_received(self, now: float, part: Part, events: list[Event]) -> None:
        header = part.header
        if header.type == PING:
            return self._ping_received(now, header, events)
        if header.type == GO_AWAY:
            self.gone_away = True
            events.append(GoneAway(header.length))
            return None
        if part.first and header.flags:
            self._flags_received(header, events)
        known = self._streams.get(header.stream)
        if known is None:  # a stream that is gone: what still comes is passed over
            return None
        if header.type == WINDOW_UPDATE:
            self._credit_received(known, header.length, events)
        elif part.first:
            known.receive(header.length)
        if part.payload:
            events.append(DataReceived(known.identity, part.payload))
        if header.flags & FIN and not part.left:
            self._end_received(known, events)
        return None

    def _ping_received(self, now: float, header: Header, events: list[Event]) -> None:
        if header.flags & SYN:
            self._answer(PING, ACK, 0, header.length)
        elif (sent := self._pings.pop(header.length, None)) is not None:
            events.append(PingAnswered(header.length, now - sent))

    def _flags_received(self, header: Header, events: list[Event]) -> None:
        stream, flags = header.stream, header.flags
        if flags & SYN:
            self._opened_by_peer(stream, events)
        if flags & ACK and stream in self._unanswered:
            self._unanswered.discard(stream)
            events.append(StreamAccepted(stream))
        if flags & RST and stream in self._streams:
            self._forget(stream)
            events.append(StreamReset(stream))

    def _opened_by_peer(self, stream: int, events: list[Event]) -> None:
        if stream == 0 or stream % 2 == self._next_stream % 2 or stream in self._streams:
            raise DecodeError(f"yamux: stream {stream} cannot be opened")
        if len(self._unaccepted) >= ACCEPT_BACKLOG or len(self._streams) >= self._maximum_streams:
            self._answer(WINDOW_UPDATE, RST, stream)
            return
        self._streams[stream] = Stream(stream)
        self._unaccepted.add(stream)
        events.append(StreamOpened(stream))

    def _credit_received(self, known: Stream, amount: int, events: list[Event]) -> None:
        known.credit(amount)
        if known.waiting and amount:
            self._flush(known)
            events.append(CreditReceived(known.identity, known.waiting))

    def _end_received(self, known: Stream, events: list[Event]) -> None:
        if not known.ended_there:
            known.ended_there = True
            events.append(StreamEnded(known.identity))
            if known.ended_here:
                self._forget(known.identity)

    # what both do

    def _flush(self, known: Stream) -> None:
        """Writes what the window allows, and the end behind the last of it."""
        while (payload := known.next_payload()) is not None:
            self._control(DATA, 0, known.identity, len(payload))
            self._output.append(payload)
        if known.closing and not known.waiting and not known.ended_here:
            known.ended_here = True
            self._control(WINDOW_UPDATE, FIN, known.identity)
            if known.ended_there:
                self._forget(known.identity)

    def _control(self, kind: int, flags: int, stream: int, length: int = 0) -> None:
        if self.alive:
            self._output.append(Header(kind, flags, stream, length).encode())

    def _answer(self, kind: int, flags: int, stream: int, length: int = 0) -> None:
        self._control(kind, flags, stream, length)
        self._answers += HEADER_SIZE

    def _forget(self, stream: int) -> None:
        self._streams.pop(stream, None)
        self._unaccepted.discard(stream)
        self._unanswered.discard(stream)

    def _die(self, reason: str) -> list[Event]:
        self.alive = False
        self._streams.clear()
        self._unaccepted.clear()
        self._unanswered.clear()
        self._pings.clear()
        return [SessionDied(reason)]

"""One stream of a yamux session: its windows, and what waits for the peer's.

Source: reference of the RPC wire, section 2.
"""

from collections import deque

from muster.model.errors import DecodeError
from muster.wire.yamux_frames import INITIAL_WINDOW, LARGEST


class Stream:
    """Both directions of a stream. A side that has ended sends no more data."""

    def __init__(self, identity: int) -> None:
        self.identity = identity
        self.send_window = INITIAL_WINDOW
        self.receive_window = INITIAL_WINDOW
        self.closing = False  # the host sends no more
        self.ended_here = False  # and the peer was told
        self.ended_there = False
        self.waiting = 0  # bytes
        self._consumed = 0  # bytes that the host is done with and the peer does not know of
        self._queue: deque[memoryview] = deque()

    def queue(self, data: bytes | memoryview) -> None:
        """More bytes wait."""
        if data:
            self._queue.append(memoryview(data))
            self.waiting += len(data)

    def next_payload(self) -> memoryview | None:
        """The payload of the next frame that the window allows."""
        if not self.waiting or not self.send_window:
            return None
        data = self._queue.popleft()
        if len(data) > self.send_window:
            self._queue.appendleft(data[self.send_window :])
            data = data[: self.send_window]
        self.waiting -= len(data)
        self.send_window -= len(data)
        return data

    def credit(self, amount: int) -> None:
        """The peer takes so many bytes more."""
        if self.send_window + amount > LARGEST:
            raise DecodeError("yamux: more credit than a window holds")
        self.send_window += amount

    def receive(self, length: int) -> None:
        """A data frame begins."""
        if length > self.receive_window or (length and self.ended_there):
            raise DecodeError(f"yamux: {length} bytes where {0 if self.ended_there else self.receive_window} may come")
        self.receive_window -= length

    def consume(self, count: int) -> int:
        """The host is done with so many bytes; the credit to grant now, 0 while it is less than half a window."""
        self._consumed = min(self._consumed + count, INITIAL_WINDOW - self.receive_window)
        if self._consumed < INITIAL_WINDOW // 2 or self.ended_there:
            return 0
        credit, self._consumed = self._consumed, 0
        self.receive_window += credit
        return credit

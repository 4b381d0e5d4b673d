"""What a yamux session tells its host."""

from msgspec import Struct


class StreamOpened(Struct, frozen=True, gc=False):
    """The peer opened a stream. The host answers with `accept`, or `reset`s it."""

    stream: int


class StreamAccepted(Struct, frozen=True, gc=False):
    """The peer took a stream that this side opened; data may be sent before."""

    stream: int


class DataReceived(Struct, frozen=True, gc=False):
    """Bytes of a stream, in order. The host says with `consumed` when it is done with them."""

    stream: int
    data: bytes


class StreamEnded(Struct, frozen=True, gc=False):
    """The peer sends no more on a stream. This side may still, until it closes it."""

    stream: int


class StreamReset(Struct, frozen=True, gc=False):
    """A stream is gone both ways; what waited on it is dropped."""

    stream: int


class CreditReceived(Struct, frozen=True, gc=False):
    """The peer lets a stream go on; `waiting` bytes still wait for more credit."""

    stream: int
    waiting: int


class PingAnswered(Struct, frozen=True, gc=False):
    """The peer answered a ping after so many seconds."""

    value: int
    seconds: float


class GoneAway(Struct, frozen=True, gc=False):
    """The peer takes no new streams; those that are open go on. `reason` 0 is normal, 1 a protocol error, 2 an internal error."""

    reason: int


class SessionDied(Struct, frozen=True, gc=False):
    """The session is over, and every stream with it: send what there is to send, then close the connection."""

    reason: str


Event = StreamOpened | StreamAccepted | DataReceived | StreamEnded | StreamReset | CreditReceived | PingAnswered | GoneAway | SessionDied

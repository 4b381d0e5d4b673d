"""What a member of a pool wants done, and what it has to tell. The driver carries effects out in the order in which they were returned.

`Send`, `Exchange` and `PingByStream` are for the network. The rest tells the host what happened; a simulation reads the same.
"""

import enum

from msgspec import Struct

from muster.wire.gossip import Endpoint


class MemberStatus(enum.StrEnum):
    """How a member stands, in the words of the peers."""

    ALIVE = "alive"
    LEAVING = "leaving"
    LEFT = "left"
    FAILED = "failed"


class Send(Struct, frozen=True, gc=False):
    """Send these encoded messages in one packet. `node` is the receiver's name, empty if unknown; `checksum`: it reads them."""

    to: Endpoint
    messages: tuple[bytes, ...]
    node: str = ""
    checksum: bool = False


class Exchange(Struct, frozen=True, gc=False):
    """Open a stream, send `message` (an encoded push-pull), read one back, then call `Serf.exchanged` or `Serf.exchange_failed`.

    `join` is the ticket that the host's `join` returned, or 0 for a periodic exchange or a reconnect.
    """

    to: Endpoint
    message: bytes
    node: str = ""
    join: int = 0


class PingByStream(Struct, frozen=True, gc=False):
    """Open a stream, send `message` (an encoded ping), read one message back by `deadline`, and give it to `receive`."""

    to: Endpoint
    message: bytes
    node: str
    deadline: float


class Member(Struct, frozen=True, gc=False):
    """What the host is told of a member. `versions`: protocol min, max, current, Serf's min, max, current."""

    name: str
    endpoint: Endpoint
    tags: dict[str, str]
    status: MemberStatus
    versions: bytes


class MemberJoined(Struct, frozen=True, gc=False):
    member: Member


class MemberLeft(Struct, frozen=True, gc=False):
    """It left of its own will, or an operator said so of a failed one."""

    member: Member


class MemberFailed(Struct, frozen=True, gc=False):
    member: Member


class MemberUpdated(Struct, frozen=True, gc=False):
    """Its tags or its address changed."""

    member: Member


class MemberReaped(Struct, frozen=True, gc=False):
    """It is forgotten: failed or left for long enough, or pruned."""

    member: Member


class MemberConflict(Struct, frozen=True, gc=False):
    """Another host claims this member's name from another address; told once per claimant, nothing was changed."""

    member: Member
    claimed_from: Endpoint


class EventReceived(Struct, frozen=True, gc=False):
    """A user event, each once; `coalesce` as its sender said."""

    time: int
    name: str
    payload: bytes
    coalesce: bool


class QueryReceived(Struct, frozen=True, gc=False):
    """A query for this member. The host may answer it once with `Serf.respond(now, identity, time, payload)` before `deadline`."""

    time: int
    identity: int
    name: str
    payload: bytes
    source_node: str
    deadline: float


class QueryAcknowledged(Struct, frozen=True, gc=False):
    """A member has received our query `ticket`."""

    ticket: int
    node: str


class QueryAnswered(Struct, frozen=True, gc=False):
    """A member's answer to our query `ticket`, each member once."""

    ticket: int
    node: str
    payload: bytes


class QueryEnded(Struct, frozen=True, gc=False):
    """The time of our query `ticket` is over."""

    ticket: int


class KeyringChanged(Struct, frozen=True, gc=False):
    """Keys were installed, used or removed by a query: the host saves the keyring's file."""


class LeaveDone(Struct, frozen=True, gc=False):
    """Our leave was told to others for long enough: the host may shut the pool down."""


class CoordinateUpdated(Struct, frozen=True, gc=False):
    """Our own coordinate moved after a probe of `node` that took `rtt` seconds."""

    node: str
    rtt: float


Effect = (
    Send
    | Exchange
    | PingByStream
    | MemberJoined
    | MemberLeft
    | MemberFailed
    | MemberUpdated
    | MemberReaped
    | MemberConflict
    | EventReceived
    | QueryReceived
    | QueryAcknowledged
    | QueryAnswered
    | QueryEnded
    | KeyringChanged
    | LeaveDone
    | CoordinateUpdated
)

"""What the failure detector tells Serf beside what goes to the network (`Send`, `Exchange` and `PingByStream` of `effects`)."""

from msgspec import Struct

from muster.gossip.effects import Exchange, PingByStream, Send
from muster.wire.gossip import Endpoint


class NodeJoined(Struct, frozen=True, gc=False):
    """A node is alive that was unknown, dead or had left."""

    name: str
    endpoint: Endpoint
    meta: bytes
    versions: bytes


class NodeUpdated(Struct, frozen=True, gc=False):
    """An alive node says other tags or another address of itself."""

    name: str
    endpoint: Endpoint
    meta: bytes
    versions: bytes


class NodeDied(Struct, frozen=True, gc=False):
    """A node is dead; `left` if it said so itself."""

    name: str
    left: bool


class NodeConflict(Struct, frozen=True, gc=False):
    """Somebody at another address claims a living node's name; told once per claimant."""

    name: str
    claimed_from: Endpoint


class UserMessage(Struct, frozen=True, gc=False):
    """A message of the layer above arrived."""

    sender: Endpoint
    payload: bytes


class UserState(Struct, frozen=True, gc=False):
    """The other side's state of the layer above arrived in a push-pull."""

    state: bytes
    join: bool


class ProbeSucceeded(Struct, frozen=True, gc=False):
    """A direct ack by packet: `rtt` seconds, and the payload it carried."""

    node: str
    rtt: float
    payload: bytes


class LeftPool(Struct, frozen=True, gc=False):
    """Our own death was told often enough."""


SwimEffect = (
    Send
    | Exchange
    | PingByStream
    | NodeJoined
    | NodeUpdated
    | NodeDied
    | NodeConflict
    | UserMessage
    | UserState
    | ProbeSucceeded
    | LeftPool
)

"""The messages of memberlist: what the members of a pool say to each other, in packets and in streams.

Addresses are packed: 4 bytes for IPv4, 16 for IPv6 (an IPv4-mapped one may come; `Endpoint`s never hold one).

Source: reference of the gossip wire, section 1.
"""

from msgspec import Struct, field

Endpoint = tuple[bytes, int]
"""Where a member listens: packed address and port."""


class Ping(Struct, frozen=True, gc=False, kw_only=True):
    """Are you there? To be ignored unless `node` is the receiver's own name."""

    sequence: int = field(name="SeqNo", default=0)
    node: str = field(name="Node", default="")
    source_address: bytes = field(name="SourceAddr", default=b"")
    source_port: int = field(name="SourcePort", default=0)
    source_node: str = field(name="SourceNode", default="")


class IndirectPing(Struct, frozen=True, gc=False, kw_only=True):
    """Ping `target` for me; with `nack`, say so if it does not answer you."""

    sequence: int = field(name="SeqNo", default=0)
    target: bytes = field(name="Target", default=b"")
    port: int = field(name="Port", default=0)
    node: str = field(name="Node", default="")
    nack: bool = field(name="Nack", default=False)
    source_address: bytes = field(name="SourceAddr", default=b"")
    source_port: int = field(name="SourcePort", default=0)
    source_node: str = field(name="SourceNode", default="")


class Ack(Struct, frozen=True, gc=False, kw_only=True):
    """I am there; the payload is Serf's (a network coordinate)."""

    sequence: int = field(name="SeqNo", default=0)
    payload: bytes = field(name="Payload", default=b"")


class Nack(Struct, frozen=True, gc=False, kw_only=True):
    """I am there and asked for you, but the target did not answer me."""

    sequence: int = field(name="SeqNo", default=0)


class Suspect(Struct, frozen=True, gc=False, kw_only=True):
    """`accuser` got no answer from `node`."""

    incarnation: int = field(name="Incarnation", default=0)
    node: str = field(name="Node", default="")
    accuser: str = field(name="From", default="")


class Alive(Struct, frozen=True, gc=False, kw_only=True):
    """`node` lives at this address; `meta` are its tags, `versions` the six protocol numbers."""

    incarnation: int = field(name="Incarnation", default=0)
    node: str = field(name="Node", default="")
    address: bytes = field(name="Addr", default=b"")
    port: int = field(name="Port", default=0)
    meta: bytes = field(name="Meta", default=b"")
    versions: bytes = field(name="Vsn", default=b"")


class Dead(Struct, frozen=True, gc=False, kw_only=True):
    """`node` has failed; it has left if it says so itself (`accuser` is `node`)."""

    incarnation: int = field(name="Incarnation", default=0)
    node: str = field(name="Node", default="")
    accuser: str = field(name="From", default="")


class NodeState(Struct, frozen=True, gc=False, kw_only=True):
    """One line of a member's table in a push-pull; `state` is 0 alive, 1 suspect, 2 dead, 3 left."""

    name: str = field(name="Name", default="")
    address: bytes = field(name="Addr", default=b"")
    port: int = field(name="Port", default=0)
    meta: bytes = field(name="Meta", default=b"")
    incarnation: int = field(name="Incarnation", default=0)
    state: int = field(name="State", default=0)
    versions: bytes = field(name="Vsn", default=b"")


class PushPull(Struct, frozen=True, kw_only=True):
    """A member's whole table, and the state of the layer above; both sides of a stream send one."""

    nodes: list[NodeState]
    user_state: bytes = b""
    join: bool = False


class User(Struct, frozen=True, gc=False, kw_only=True):
    """A message of the layer above (Serf)."""

    payload: bytes = b""


class StreamError(Struct, frozen=True, gc=False, kw_only=True):
    """Why the other side of a stream refused."""

    text: str = field(name="Error", default="")


Message = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | PushPull | User | StreamError

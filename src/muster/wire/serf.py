"""The messages of Serf, which travel inside memberlist's user messages and as the user state of a push-pull.

Source: reference of the gossip wire, section 3.
"""

from msgspec import Struct, field

ACKNOWLEDGE = 1
"""Flag of a query: its receivers say at once that they got it. Flag of a response: it is that word."""
NO_BROADCAST = 2
"""Flag of a query: receivers do not pass it on."""


class LeaveIntent(Struct, frozen=True, gc=False, kw_only=True):
    """`node` is about to leave; with `prune` it is to be forgotten at once."""

    time: int = field(name="LTime", default=0)
    node: str = field(name="Node", default="")
    prune: bool = field(name="Prune", default=False)


class JoinIntent(Struct, frozen=True, gc=False, kw_only=True):
    """`node` has come, or is still here."""

    time: int = field(name="LTime", default=0)
    node: str = field(name="Node", default="")


class PastEvent(Struct, frozen=True, gc=False, kw_only=True):
    """A user event in a push-pull."""

    name: str = field(name="Name", default="")
    payload: bytes = field(name="Payload", default=b"")


class EventsOfTime(Struct, frozen=True, kw_only=True):
    """The user events of one Lamport time."""

    time: int = field(name="LTime", default=0)
    events: list[PastEvent] = field(name="Events", default_factory=list)


class SerfState(Struct, frozen=True, kw_only=True):
    """The user state of a push-pull; the peers always send 512 slots of events, empty ones nil. A short list is accepted."""

    time: int = field(name="LTime", default=0)
    status_times: dict[str, int] = field(name="StatusLTimes", default_factory=dict)
    left_members: list[str] = field(name="LeftMembers", default_factory=list)
    event_time: int = field(name="EventLTime", default=0)
    events: list[EventsOfTime | None] = field(name="Events", default_factory=list)
    query_time: int = field(name="QueryLTime", default=0)


class UserEvent(Struct, frozen=True, gc=False, kw_only=True):
    """An event for all; receivers with `coalesce` may hand on only the newest of a name."""

    time: int = field(name="LTime", default=0)
    name: str = field(name="Name", default="")
    payload: bytes = field(name="Payload", default=b"")
    coalesce: bool = field(name="CC", default=False)


class Query(Struct, frozen=True, gc=False, kw_only=True):
    """A question to all, or to those that the filters name; answers go straight to `address` and `port`. `timeout` in nanoseconds."""

    time: int = field(name="LTime", default=0)
    identity: int = field(name="ID", default=0)
    address: bytes = field(name="Addr", default=b"")
    port: int = field(name="Port", default=0)
    source_node: str = field(name="SourceNode", default="")
    filters: list[bytes] = field(name="Filters", default_factory=list)
    flags: int = field(name="Flags", default=0)
    relay_factor: int = field(name="RelayFactor", default=0)
    timeout: int = field(name="Timeout", default=0)
    name: str = field(name="Name", default="")
    payload: bytes = field(name="Payload", default=b"")


class QueryResponse(Struct, frozen=True, gc=False, kw_only=True):
    """An answer to a query, or (flag 1) the word that it arrived."""

    time: int = field(name="LTime", default=0)
    identity: int = field(name="ID", default=0)
    sender: str = field(name="From", default="")
    flags: int = field(name="Flags", default=0)
    payload: bytes = field(name="Payload", default=b"")


class KeyRequest(Struct, frozen=True, gc=False, kw_only=True):
    """The payload of a key query."""

    key: bytes = field(name="Key", default=b"")


class KeyResponse(Struct, frozen=True, kw_only=True):
    """A member's answer to a key query; keys in base64."""

    result: bool = field(name="Result", default=False)
    message: str = field(name="Message", default="")
    keys: list[str] | None = field(name="Keys", default=None)
    primary_key: str = field(name="PrimaryKey", default="")


class Relay(Struct, frozen=True, gc=False, kw_only=True):
    """Pass `message` (a whole Serf message with its type byte) on to a member."""

    address: bytes = b""
    port: int = 0
    zone: str = ""
    node: str = ""
    message: bytes = b""


SerfMessage = LeaveIntent | JoinIntent | SerfState | UserEvent | Query | QueryResponse | KeyRequest | KeyResponse | Relay


class NodeFilter(Struct, frozen=True, gc=False):
    """Filter of a query: only these nodes."""

    names: tuple[str, ...]


class TagFilter(Struct, frozen=True, gc=False):
    """Filter of a query: only nodes whose tag matches the regular expression."""

    tag: str
    expression: str

"""Which server answers a call: one decision, from how this server stands now.

Source: reference of the RPC wire, section 6.
"""

from enum import Enum

from msgspec import Struct

from muster.server.replication import Replication
from muster.server.server_members import ServerMembers


class Way(Enum):
    """What becomes of a call."""

    HERE = "here"  # this server leads and is ready
    STALE = "stale"  # this server answers from what it has, though another leads
    LEADER = "leader"  # the server at the route's address leads
    HOLD = "hold"  # nobody is known to lead, or this server is not ready yet: wait
    REFUSE = "refuse"  # this server leaves: whoever asks shall try another one
    AWAY = "away"  # a server of another datacenter


class Route(Struct, frozen=True, gc=False):
    """A decision. `address` is set where the call goes to another server."""

    way: Way
    address: str = ""


HERE, STALE, HOLD, REFUSE, AWAY = (Route(way) for way in (Way.HERE, Way.STALE, Way.HOLD, Way.REFUSE, Way.AWAY))


class Routing:
    """Decides for each call. `leaving`: this server is on its way out and takes no more calls."""

    def __init__(self, datacenter: str, consensus: Replication, servers: ServerMembers) -> None:
        self._datacenter = datacenter
        self._consensus = consensus
        self._servers = servers
        self.leaving = False

    def decide(self, datacenter: str, stale: bool, ready: bool) -> Route:
        """The route of a call for `datacenter`. `stale`: any server may answer; `ready`: this one leads and serves.

        A server that never heard a leader has nothing to be stale about: it may have been empty until a moment ago.
        """
        if datacenter != self._datacenter:
            return AWAY
        if stale and self.may_be_stale(datacenter):
            return STALE
        if self.leaving:
            return REFUSE
        if ready:
            return HERE
        address = self.leader()
        return Route(Way.LEADER, address) if address else HOLD

    def may_be_stale(self, datacenter: str) -> bool:
        """Whether this server may answer from what it has."""
        return datacenter == self._datacenter and self._consensus.last_contact() is not None

    def leader(self) -> str:
        """Where another server leads: its "ip:port" as Raft knows it, if a server of the pool has exactly that one; else empty."""
        if self._consensus.is_leader():
            return ""
        address = self._consensus.leader_address()
        return address if address and self._servers.reachable(address) else ""

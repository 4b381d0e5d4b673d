"""The servers of the datacenter, as the tags of the gossip pool show them.

Source: reference of the RPC wire, section 8 (tags), and section 6 (the leader is found by the exact text of its address).
"""

from collections.abc import Callable

from msgspec import Struct

from muster.gossip.effects import Member, MemberStatus
from muster.server.settings import ServerSettings
from muster.transport import endpoints

SERVER_ROLE = "consul"
CLIENT_ROLE = "node"
PRESENT = (MemberStatus.ALIVE, MemberStatus.LEAVING)
LAN_VERSIONS = bytes((1, 5, 2, 2, 5, 4))  # protocol min, max, current; Serf's min, max, current
RAFT_PROTOCOL = 3
PRE_VOTE_TAG = "muster_prevote"
"""Shown by servers that answer pre-votes; others would close the connection."""
HIGHEST_PORT = 65535
UNOPENED = -1  # what a server shows whose port for others is switched off; it is one nevertheless

Members = Callable[[], list[Member]]
"""All members of the pool of the datacenter, this agent included; none before the pool is open."""


class Peer(Struct, frozen=True):
    """One server of the pool. `address` is its "ip:port" for RPC and Raft; `identity` its node id, empty if it shows none."""

    identity: str
    name: str
    address: str
    status: MemberStatus
    datacenter: str
    port: int
    build: str
    """The version of its program, without what follows a colon."""
    raft_version: int
    is_voter_candidate: bool
    bootstrap: bool
    expect: int
    member: Member

    @property
    def is_present(self) -> bool:
        """Whether it can be asked."""
        return self.status in PRESENT


def peer_of(member: Member) -> Peer | None:
    """The server that a member is; None for a client agent, and for tags that no server shows."""
    tags = member.tags
    if tags.get("role") != SERVER_ROLE:  # most members are clients
        return None
    port = UNOPENED if tags.get("port") == str(UNOPENED) else _number(tags.get("port", ""))
    expect = _number(tags.get("expect", "0"))
    raft_version = _number(tags.get("raft_vsn", "0"))
    if port is None or port > HIGHEST_PORT:
        return None
    if expect is None or raft_version is None or _number(tags.get("vsn", "")) is None:
        return None
    return Peer(
        identity=tags.get("id", ""),
        name=member.name,
        address=endpoints.text((member.endpoint[0], port)),
        status=member.status,
        datacenter=tags.get("dc", ""),
        port=port,
        build=tags.get("build", "").partition(":")[0],
        raft_version=raft_version,
        is_voter_candidate="nonvoter" not in tags,
        bootstrap="bootstrap" in tags,
        expect=expect,
        member=member,
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class ServerMembers:
    """The servers of one datacenter, gathered anew when one of them changes, so that a call does not walk over all agents."""

    def __init__(self, members: Members, datacenter: str) -> None:
        self._members = members
        self._datacenter = datacenter
        self._peers: list[Peer] | None = None
        self._by_address: dict[str, Peer] = {}
        self._by_identity: dict[str, Peer] = {}

    def changed(self, member: Member) -> None:
        """A member of the pool has changed, come or gone."""
        known = self._peers or ()
        if member.tags.get("role") == SERVER_ROLE or any(peer.name == member.name for peer in known):
            self._peers = None

    def members(self) -> list[Member]:
        """All members of the pool, clients too."""
        return self._members()

    def all(self) -> list[Peer]:
        """Every server that the pool remembers, whatever its status."""
        peers = self._peers
        if peers is None:
            found = [peer_of(member) for member in self._members()]
            peers = self._peers = [peer for peer in found if peer is not None and peer.datacenter == self._datacenter]
            # Who can be asked comes last, so that it stands for an address or an id that a dead one had before.
            ordered = sorted(peers, key=lambda peer: peer.is_present)
            self._by_address = {peer.address: peer for peer in ordered}
            self._by_identity = {peer.identity: peer for peer in ordered if peer.identity}
        return peers

    def at(self, address: str) -> Peer | None:
        """The server at exactly this "ip:port"."""
        self.all()
        return self._by_address.get(address)

    def of(self, identity: str) -> Peer | None:
        """The server of this node id."""
        self.all()
        return self._by_identity.get(identity)

    def reachable(self, address: str) -> bool:
        """Whether a server that is there has exactly this address."""
        peer = self.at(address)
        return peer is not None and peer.is_present

    def pre_voters(self) -> list[str]:
        """The ids of the servers that answer pre-votes."""
        return [peer.identity for peer in self.all() if PRE_VOTE_TAG in peer.member.tags]

    def address_of(self, identity: str) -> str:
        """Where the pool sees the server of this id now; empty if it knows none. For Raft, whose configuration may be older."""
        peer = self.of(identity)
        return peer.address if peer is not None else ""


def own_member(settings: ServerSettings) -> Member:
    """This server as a pool would show it: stands in where no pool is open."""
    tags = {
        "build": f"{settings.version}:",
        "dc": settings.datacenter,
        "id": settings.node_id,
        "port": str(settings.port),
        "raft_vsn": str(RAFT_PROTOCOL),
        "role": SERVER_ROLE,
        "vsn": "2",
    }
    if settings.non_voter:
        tags["nonvoter"] = "1"
    endpoint = endpoints.endpoint(settings.address, settings.port)
    return Member(name=settings.node_name, endpoint=endpoint, tags=tags, status=MemberStatus.ALIVE, versions=LAN_VERSIONS)

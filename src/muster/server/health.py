"""Autopilot's view of the servers: what `/v1/operator/autopilot/health` shows, and by which promotions are decided.

Source: reference of the Raft wire, section 6.
"""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct, field

from muster.gossip.effects import MemberStatus
from muster.model.clock import Clock
from muster.model.durations import SECOND, InvalidDuration, format_duration, parse_duration
from muster.model.operator import AutopilotConfig
from muster.raft.membership import Configuration
from muster.raft.membership import Member as ConfiguredServer
from muster.server.server_members import Peer

NEVER = "never"


class ServerHealth(Struct, frozen=True, kw_only=True):
    """One server. `last_contact` is a duration as the peers print it, empty if unknown; `stable_since` seconds since 1970."""

    id: str = field(name="ID")
    name: str = field(name="Name")
    address: str = field(name="Address")
    serf_status: str = field(name="SerfStatus", default="alive")
    version: str = field(name="Version")
    leader: bool = field(name="Leader", default=False)
    last_contact: str = field(name="LastContact", default="")
    last_term: int = field(name="LastTerm", default=0)
    last_index: int = field(name="LastIndex", default=0)
    healthy: bool = field(name="Healthy", default=False)
    voter: bool = field(name="Voter", default=False)
    stable_since: float = field(name="StableSince", default=0.0)


class OperatorHealthReply(Struct, frozen=True, kw_only=True):
    """All servers, and how many of them may fail. `servers` is None before the first health round."""

    healthy: bool = field(name="Healthy", default=False)
    failure_tolerance: int = field(name="FailureTolerance", default=0)
    servers: list[ServerHealth] | None = field(name="Servers", default=None)


class Stats(Protocol):
    """What a server answers to Status.RaftStats."""

    @property
    def last_contact(self) -> str: ...
    @property
    def last_index(self) -> int: ...
    @property
    def last_term(self) -> int: ...


class Round(Struct, frozen=True):
    """What was found out in one round: `peers` and `stats` by node id, and how far the leader was when it asked."""

    configuration: Configuration
    leader: str
    last_term: int
    last_index: int
    peers: Mapping[str, Peer]
    stats: Mapping[str, Stats]


class ClusterHealth:
    """The result of the last health round. How long a server has been stable is measured by the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self.reply = OperatorHealthReply()

    def reset(self) -> None:
        """This server leads no longer, or not yet."""
        self._since.clear()
        self.reply = OperatorHealthReply()

    def of(self, identity: str) -> ServerHealth | None:
        """The last result of one server; None if it has not been looked at."""
        return next((server for server in self.reply.servers or () if server.id == identity), None)

    def is_stable(self, identity: str, config: AutopilotConfig) -> bool:
        """Whether a server has been healthy without interruption for the stabilization time."""
        health, since = self.of(identity), self._since.get(identity)
        if health is None or since is None:
            return False
        return health.healthy and self._clock.monotonic() - since >= config.server_stabilization_time / SECOND

    def take(self, found: Round, config: AutopilotConfig) -> None:
        """What one more round has found out."""
        servers = [self._server(found, config, member) for member in found.configuration.members]
        voters = [server for server in servers if server.voter]
        quorum = len(voters) // 2 + 1
        self.reply = OperatorHealthReply(
            healthy=all(server.healthy for server in servers),
            failure_tolerance=max(0, sum(server.healthy for server in voters) - quorum),
            servers=servers,
        )

    def _server(self, found: Round, config: AutopilotConfig, member: ConfiguredServer) -> ServerHealth:
        identity = member.identity
        peer, stats, before = found.peers.get(identity), found.stats.get(identity), self.of(identity)
        healthy = peer is not None and stats is not None and is_healthy(peer, stats, found, config)
        stable_since = before.stable_since if before is not None else 0.0
        if before is None or before.healthy != healthy:
            stable_since, self._since[identity] = self._clock.wall(), self._clock.monotonic()
        return ServerHealth(
            id=identity,
            name=peer.name if peer else "",
            address=member.address,
            serf_status=peer.status.value if peer else "none",
            version=peer.build if peer else "",
            leader=member.address == found.leader,
            last_contact=_shown(stats),
            last_term=stats.last_term if stats else 0,
            last_index=stats.last_index if stats else 0,
            healthy=healthy,
            voter=found.configuration.is_voter(identity),
            stable_since=stable_since,
        )


def _shown(stats: Stats | None) -> str:
    age = contact(stats.last_contact) if stats is not None else None
    return "" if age is None else format_duration(age)


def is_healthy(peer: Peer, stats: Stats, found: Round, config: AutopilotConfig) -> bool:
    """Alive to gossip, in touch with the leader, in its term and close behind it."""
    age = contact(stats.last_contact)
    return (
        peer.status is MemberStatus.ALIVE
        and age is not None
        and 0 <= age <= config.last_contact_threshold
        and stats.last_term == found.last_term
        and stats.last_index >= found.last_index - config.max_trailing_logs
    )


def contact(text: str) -> int | None:
    """The nanoseconds of a last contact; None for `never`, and for what is no duration."""
    if text == NEVER:
        return None
    try:
        return parse_duration(text)
    except InvalidDuration:
        return None

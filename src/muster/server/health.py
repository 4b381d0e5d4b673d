"""Autopilot's view of the servers: what `/v1/operator/autopilot/health` shows."""

from msgspec import Struct, field

from muster.model.clock import Clock
from muster.server.replication import Replication
from muster.server.settings import ServerSettings


class ServerHealth(Struct, frozen=True, kw_only=True):
    """One server. `last_contact` is a duration text as the peers print it; `stable_since` seconds since 1970."""

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


class ClusterHealth:
    """The result of the last health round. The leader calls `check` every `health_interval`."""

    def __init__(self, settings: ServerSettings, consensus: Replication, clock: Clock) -> None:
        self._settings = settings
        self._consensus = consensus
        self._clock = clock
        self._stable_since: dict[str, float] = {}
        self.reply = OperatorHealthReply()

    def check(self) -> None:
        """One round. Only this server's own health is known by itself."""
        settings = self._settings
        leads = self._consensus.is_leader()
        servers = []
        for member in self._consensus.configuration.members:
            own = member.identity == settings.node_id
            since = self._stable_since.setdefault(member.identity, self._clock.wall())
            servers.append(
                ServerHealth(
                    id=member.identity,
                    name=settings.node_name if own else "",
                    address=member.address,
                    serf_status="alive" if own else "none",
                    version=settings.version if own else "",
                    leader=own and leads,
                    last_contact="0s" if own else "",
                    last_term=self._consensus.term if own else 0,
                    last_index=self._consensus.last_index if own else 0,
                    healthy=own,
                    voter=self._consensus.configuration.is_voter(member.identity),
                    stable_since=since,
                )
            )
        voters = [server for server in servers if server.voter]
        healthy = sum(server.healthy for server in voters)
        tolerance = max(0, healthy - (len(voters) // 2 + 1))
        self.reply = OperatorHealthReply(
            healthy=bool(servers) and all(server.healthy for server in servers), failure_tolerance=tolerance, servers=servers
        )

    def reset(self) -> None:
        """This server leads no longer, or not yet."""
        self._stable_since.clear()
        self.reply = OperatorHealthReply()

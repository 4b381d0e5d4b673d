"""What every endpoint of a server may use."""

import asyncio
import random
from collections.abc import Callable

from muster.model.clock import Clock
from muster.server.coordinate_batches import CoordinateBatches
from muster.server.datacenters import Datacenters, OneDatacenter
from muster.server.forwarding import Call, Forwarding, NoForwarding
from muster.server.health import ClusterHealth
from muster.server.lock_delays import LockDelays
from muster.server.raft_membership import RaftMembership
from muster.server.replication import Replication
from muster.server.server_members import Members, ServerMembers, own_member
from muster.server.session_timers import SessionTimers
from muster.server.settings import ServerSettings
from muster.state.store import Store
from muster.transport.metrics import Metrics, NoMetrics
from muster.wire.commands import Command, encode_command
from muster.wire.replies import Reply

UserEventListener = Callable[[str, bytes], None]


class Context:
    """One server's parts. Endpoints are plain functions that take it first."""

    def __init__(
        self,
        settings: ServerSettings,
        store: Store,
        consensus: Replication,
        clock: Clock,
        chance: random.Random,
        members: Members | None = None,
        forwarding: Forwarding | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.consensus = consensus
        self.clock = clock
        self.random = chance
        self.lock_delays = LockDelays(clock)
        self.coordinates = CoordinateBatches(settings)
        self.servers = ServerMembers(members or (lambda: [own_member(settings)]), settings.datacenter)
        self.membership = RaftMembership(consensus, self.servers)
        self.forwarding: Forwarding = forwarding or NoForwarding()
        self.health = ClusterHealth(clock)
        self.metrics: Metrics = NoMetrics()
        self.session_timers: SessionTimers
        self.known_datacenters: Datacenters = OneDatacenter(settings.datacenter)
        self.abroad: Callable[[Call], asyncio.Future[Reply]]
        """Asks the datacenter that a call's request names: `abroad.Abroad.call`."""
        self.registered_after: dict[str, int] = {}
        """The log's last index when a node (its name in lower case) was last registered by somebody: applied once that is passed."""
        self.on_user_event: list[UserEventListener] = []

    def commit(self, command: Command) -> "asyncio.Future[Reply]":
        """Encodes a validated command and has it applied; the future is the reply that the state machine made."""
        data = encode_command(command)
        return self.consensus.commit(data[0], data, command)  # type: ignore[return-value]  # what ReplicatedState.apply returned

    def datacenters(self) -> list[str]:
        """All known datacenters, the nearest first."""
        return self.known_datacenters.names()

    def uuid(self) -> str:
        """A new random id in the form of a UUID: 8-4-4-4-12 hexadecimal digits."""
        text = f"{self.random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def unused_uuid(self, is_used: Callable[[str], bool]) -> str:
        """A new id that no record has."""
        while True:
            made = self.uuid()
            if not is_used(made):
                return made

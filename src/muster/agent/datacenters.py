"""The datacenters that the WAN pool knows, by their servers' tags and network coordinates, and the way to each."""

import asyncio
import logging
import math
import random
from statistics import median_high

from muster.agent.merge_checks import SERVER_ROLE
from muster.agent.pools import Pools
from muster.agent.remote_datacenter import RemoteDatacenter
from muster.agent.remote_servers import PING_TIMEOUT, Caller
from muster.agent.server_list import KnownServer
from muster.gossip.effects import Effect, Member, MemberFailed, MemberJoined, MemberLeft, MemberReaped, MemberStatus, MemberUpdated
from muster.model.clock import Clock
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.model.errors import DatacenterUnreachable, MusterError, NoPathToDatacenter
from muster.server.datacenters import DatacenterCoordinates
from muster.wire.requests import DatacenterRequest

logger = logging.getLogger("agent")


class PooledDatacenters:
    """A `Datacenters` of `muster.server`. The own datacenter is always known. Told of the WAN pool by `heard`."""

    def __init__(self, pools: Pools, own: str, clock: Clock, chance: random.Random, caller: Caller) -> None:
        """`caller`: the connections to servers, for looking whether they answer."""
        self._pools, self._own = pools, own
        self._clock, self._random, self._caller = clock, chance, caller
        self._remote: dict[str, RemoteDatacenter] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._looking: set[asyncio.Task[None]] = set()

    # ---- what is known

    def names(self) -> list[str]:
        """The nearest first: by the median distance to their servers, then by name; those of unknown distance last."""
        here = self._here()
        servers = self._servers()
        return sorted(servers, key=lambda name: (0.0 if name == self._own else self._median(here, servers[name]), name))

    def coordinates(self) -> list[DatacenterCoordinates]:
        """By name; of each datacenter the servers whose coordinate is known, under their names without the datacenter."""
        answers = []
        for name, servers in sorted(self._servers().items()):
            known = [(member, self._coordinate(member.name)) for member in servers]
            placed = [
                NodeCoordinate(node=member.name.removesuffix(f".{name}"), coord=coordinate)
                for member, coordinate in known
                if coordinate is not None
            ]
            answers.append(DatacenterCoordinates(datacenter=name, coordinates=placed))
        return answers

    def _servers(self) -> dict[str, list[Member]]:
        """The servers of each datacenter that have not left."""
        found: dict[str, list[Member]] = {self._own: []}
        for member in self._pools.members(wan=True):
            if member.tags.get("role") == SERVER_ROLE and member.status is not MemberStatus.LEFT:
                found.setdefault(member.tags.get("dc", ""), []).append(member)
        return found

    def _here(self) -> Coordinate | None:
        return self._pools.wan.serf.coordinate if self._pools.wan is not None else None

    def _coordinate(self, name: str) -> Coordinate | None:
        wan = self._pools.wan
        if wan is None:
            return None
        return wan.serf.coordinate if name == wan.serf.name else wan.serf.coordinate_of(name)

    def _distance(self, here: Coordinate | None, name: str) -> float:
        """Seconds to a member of the WAN pool, infinite if not known."""
        place = self._coordinate(name)
        return math.inf if place is None or here is None else here.distance_to(place)

    def _median(self, here: Coordinate | None, servers: list[Member]) -> float:
        """Seconds, as the peers count: the median over the servers, unknown ones infinitely far."""
        distances = [self._distance(here, member.name) for member in servers]
        return median_high(distances) if distances else math.inf

    # ---- the way there

    def heard(self, effect: Effect) -> None:
        """What the WAN pool tells."""
        if isinstance(effect, MemberJoined | MemberUpdated | MemberFailed | MemberLeft | MemberReaped):
            self._note(effect.member, forgotten=isinstance(effect, MemberLeft | MemberReaped))

    def seems_up(self, datacenter: str) -> bool:
        """See `muster.server.datacenters`."""
        remote = self._remote.get(datacenter)
        return remote is not None and remote.seems_up

    def server_of(self, datacenter: str) -> str:
        """See `muster.server.datacenters`."""
        remote = self._remote.get(datacenter)
        server = remote.first(self._clock.monotonic()) if remote is not None else None
        if remote is None or server is None:
            logger.warning("RPC request for DC is currently failing as no path was found: datacenter=%s", datacenter)
            raise NoPathToDatacenter
        if remote.offline:
            raise DatacenterUnreachable
        return server.address

    def failed(self, datacenter: str, address: str) -> None:
        """See `muster.server.datacenters`."""
        remote = self._remote.get(datacenter)
        if remote is not None:
            remote.failed(address, self._clock.monotonic())

    def stop(self) -> None:
        """Looks at no server any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._looking:
            task.cancel()

    def _note(self, member: Member, forgotten: bool) -> None:
        datacenter = member.tags.get("dc", "")
        if member.tags.get("role") != SERVER_ROLE or not datacenter or datacenter == self._own:
            return
        remote = self._remote.get(datacenter)
        if remote is None:
            remote = self._remote[datacenter] = RemoteDatacenter(self._random, lambda name: self._distance(self._here(), name))
        remote.heard(member, forgotten)
        if not remote:
            del self._remote[datacenter]
            timer = self._timers.pop(datacenter, None)
            if timer is not None:
                timer.cancel()
        elif datacenter not in self._timers:
            self._look_later(datacenter, remote)

    def _look_later(self, datacenter: str, remote: RemoteDatacenter) -> None:
        agents = len(self._pools.members(wan=True))
        delay = remote.rebalance_delay(agents)
        self._timers[datacenter] = asyncio.get_running_loop().call_later(delay, self._look, datacenter, remote)

    def _look(self, datacenter: str, remote: RemoteDatacenter) -> None:
        self._look_later(datacenter, remote)
        task = asyncio.ensure_future(self.look(datacenter, remote.shuffle()))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def look(self, datacenter: str, servers: list[KnownServer]) -> None:
        """Finds a server that answers; if there is none the datacenter counts as unreachable until one comes back."""
        for server in servers:
            try:
                await asyncio.wait_for(self._caller.call(server.address, "Status.Ping", DatacenterRequest()), PING_TIMEOUT)
            except (MusterError, TimeoutError) as error:
                logger.debug("pinging server failed: server=%s error=%s", server.name, error)
                self.failed(datacenter, server.address)
            else:
                if datacenter in self._remote:
                    self._remote[datacenter].answered(server.address)
                return
        if datacenter in self._remote and servers:
            logger.debug("No healthy servers during rebalance, aborting: datacenter=%s", datacenter)
            self._remote[datacenter].offline = True

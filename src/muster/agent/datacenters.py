"""The datacenters that the WAN pool knows, by their servers' tags and network coordinates."""

import math
from statistics import median_low

from muster.agent.merge_checks import SERVER_ROLE
from muster.agent.pools import Pools
from muster.gossip.effects import Member, MemberStatus
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.server.datacenters import DatacenterCoordinates


class PooledDatacenters:
    """A `Datacenters` of `muster.server`. The own datacenter is always known."""

    def __init__(self, pools: Pools, own: str) -> None:
        self._pools = pools
        self._own = own

    def names(self) -> list[str]:
        """The nearest first: by the median distance to their servers, then by name; those of unknown distance last."""
        here = self._pools.wan.serf.coordinate if self._pools.wan is not None else None
        servers = self._servers()
        return sorted(servers, key=lambda name: (0.0 if name == self._own else self._distance(here, servers[name]), name))

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

    def _coordinate(self, name: str) -> Coordinate | None:
        wan = self._pools.wan
        if wan is None:
            return None
        return wan.serf.coordinate if name == wan.serf.name else wan.serf.coordinate_of(name)

    def _distance(self, here: Coordinate | None, servers: list[Member]) -> float:
        """Seconds, as the peers count: the median over the servers, unknown ones infinitely far."""
        places = [self._coordinate(member.name) for member in servers]
        distances = [math.inf if place is None or here is None else here.distance_to(place) for place in places]
        return median_low(distances) if distances else math.inf

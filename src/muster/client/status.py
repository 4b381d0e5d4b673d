"""The state of Raft, and network coordinates."""

from muster.client.base import Endpoints
from muster.client.queries import Answer, Query
from muster.client.records import DatacenterCoordinates
from muster.model.coordinates import NodeCoordinate


class Status(Endpoints):
    """Who leads."""

    def leader(self) -> str:
        """Address and port of the leader, or empty text."""
        return self._read("status/leader", str, None).value

    def peers(self) -> list[str]:
        """Addresses and ports of the servers."""
        return self._read_list("status/peers", str, None).value


class Coordinates(Endpoints):
    """Where nodes lie in the space of round-trip times."""

    def nodes(self, query: Query | None = None) -> Answer[list[NodeCoordinate]]:
        """The LAN coordinates of the datacenter's nodes."""
        return self._read_list("coordinate/nodes", NodeCoordinate, query)

    def datacenters(self) -> list[DatacenterCoordinates]:
        """The WAN coordinates of all servers."""
        return self._read_list("coordinate/datacenters", DatacenterCoordinates, None).value

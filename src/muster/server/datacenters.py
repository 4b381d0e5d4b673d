"""What a server knows of all datacenters: their names, and where their servers lie."""

from typing import Protocol

from msgspec import Struct, field

from muster.model.coordinates import NodeCoordinate
from muster.model.errors import NoPathToDatacenter

WAN_AREA = "wan"


class DatacenterCoordinates(Struct, frozen=True, kw_only=True):
    """The coordinates of a datacenter's servers in the pool that joins the datacenters."""

    datacenter: str = field(name="Datacenter")
    area_id: str = field(name="AreaID", default=WAN_AREA)
    coordinates: list[NodeCoordinate] = field(name="Coordinates", default_factory=list)


class Datacenters(Protocol):
    """Answered from the pool of all servers."""

    def names(self) -> list[str]:
        """All known datacenters, the nearest first."""
        ...

    def coordinates(self) -> list[DatacenterCoordinates]:
        """Each datacenter with those of its servers whose coordinate is known."""
        ...

    def seems_up(self, datacenter: str) -> bool:
        """Whether the pool sees a server of another datacenter."""
        ...

    def server_of(self, datacenter: str) -> str:
        """The "ip:port" of the server of another datacenter that is to be asked now.

        Raises NoPathToDatacenter for an unknown datacenter, DatacenterUnreachable if none of its servers answers.
        """
        ...

    def failed(self, datacenter: str, address: str) -> None:
        """That server could not be asked: another one is, the next time."""
        ...


class OneDatacenter:
    """What a server knows that is in no pool with others: its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def names(self) -> list[str]:
        """See Datacenters."""
        return [self._name]

    def coordinates(self) -> list[DatacenterCoordinates]:
        """See Datacenters."""
        return [DatacenterCoordinates(datacenter=self._name)]

    def seems_up(self, datacenter: str) -> bool:
        """No other datacenter is known."""
        return False

    def server_of(self, datacenter: str) -> str:
        """Raises NoPathToDatacenter."""
        raise NoPathToDatacenter

    def failed(self, datacenter: str, address: str) -> None:
        """See Datacenters."""

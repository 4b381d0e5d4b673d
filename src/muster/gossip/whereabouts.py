"""Where members are in the space of round-trip times: we ourselves, and those whose acks told.

Source: reference of the gossip wire, section 5.
"""

from random import Random

from muster.gossip.coordinates import VivaldiClient
from muster.gossip.effects import CoordinateUpdated, Effect
from muster.gossip.swim_effects import ProbeSucceeded
from muster.model.coordinates import Coordinate
from muster.model.errors import DecodeError
from muster.wire.serf_codec import decode_coordinate, encode_coordinate


class Whereabouts:
    """Our own coordinate, and the last ones of others."""

    __slots__ = ("_encoded", "_encoded_of", "_others", "vivaldi")

    def __init__(self, chance: Random) -> None:
        self.vivaldi = VivaldiClient(chance)
        self._others: dict[str, Coordinate] = {}
        self._encoded_of: Coordinate | None = None
        self._encoded = b""

    @property
    def own(self) -> Coordinate:
        """Where we are."""
        return self.vivaldi.coordinate

    def of(self, name: str) -> Coordinate | None:
        """Where a member said it is when it last answered a probe of ours."""
        return self._others.get(name)

    def payload(self) -> bytes:
        """What an ack of ours carries; made anew only when we have moved."""
        own = self.own
        if own is not self._encoded_of:
            self._encoded, self._encoded_of = encode_coordinate(own), own
        return self._encoded

    def probed(self, probe: ProbeSucceeded) -> list[Effect]:
        """Move by what a probe measured; an ack without a coordinate, or with one that cannot be, moves nothing."""
        if not probe.payload:
            return []
        try:
            other = decode_coordinate(probe.payload)
        except DecodeError:
            self.vivaldi.rejected += 1
            return []
        if not self.vivaldi.update(probe.node, other, probe.rtt):
            return []
        self._others[probe.node] = other
        return [CoordinateUpdated(probe.node, probe.rtt)]

    def forget(self, name: str) -> None:
        """Drop what is known of a member that is gone."""
        self.vivaldi.forget(name)
        self._others.pop(name, None)

"""Network coordinates: where a node lies in the space of round-trip times.

Source: Dabek et al., "Vivaldi" (SIGCOMM 2004); Ledlie et al., "Network Coordinates in the Wild" (NSDI 2007).
"""

import math

from msgspec import Struct, field

DIMENSIONS = 8


class Coordinate(Struct, frozen=True, gc=False, kw_only=True):
    """A point (seconds), its height above the plane, its error estimate and an adjustment (seconds)."""

    vec: list[float] = field(name="Vec", default_factory=list)
    error: float = field(name="Error", default=0.0)
    adjustment: float = field(name="Adjustment", default=0.0)
    height: float = field(name="Height", default=0.0)

    def distance_to(self, other: "Coordinate") -> float:
        """Estimated round-trip time in seconds; infinity where the two are not of one space."""
        if len(self.vec) != len(other.vec):
            return math.inf
        distance = math.dist(self.vec, other.vec) + self.height + other.height
        adjusted = distance + self.adjustment + other.adjustment
        return adjusted if adjusted > 0.0 else distance


class NodeCoordinate(Struct, frozen=True, gc=False, kw_only=True):
    """The coordinate of a node in a network segment (the default one is empty)."""

    node: str = field(name="Node", default="")
    segment: str = field(name="Segment", default="")
    coord: Coordinate | None = field(name="Coord", default=None)

"""Vivaldi: a node's place in the space of round-trip times, moved a little by every probe.

Source: Dabek et al., "Vivaldi" (SIGCOMM 2004), sections 2-3 and 5.4 (height); Ledlie et al., "Network Coordinates in the Wild" (NSDI 2007),
section 4 (latency filter, gravity); Lee et al., "On Suitability of Euclidean Embedding for Internet Hosts" (SIGMETRICS 2006) (adjustment).
The figures are those of reference of the gossip wire, section 5.
"""

import math
import random
from collections import deque

from muster.model.coordinates import DIMENSIONS, Coordinate

ERROR_MAXIMUM = 1.5
ERROR_GAIN = 0.25  # ce: how fast the error estimate follows
FORCE_GAIN = 0.25  # cc: how far one measurement moves us
ADJUSTMENT_WINDOW = 20  # measurements
HEIGHT_MINIMUM = 10.0e-6  # seconds
LATENCY_FILTER = 3  # measurements of one peer, of which the median counts
GRAVITY_RHO = 150.0  # seconds from the origin at which gravity equals one second
LONGEST_RTT = 10.0  # seconds
ZERO = 1.0e-6  # seconds and weights below this are taken as this


class VivaldiClient:
    """Our own coordinate. All figures are seconds, but the error, which is a ratio."""

    __slots__ = ("_chance", "_coordinate", "_latencies", "_window", "adjustment", "error", "height", "rejected", "resets", "vector")

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._coordinate: Coordinate | None = None
        self._latencies: dict[str, deque[float]] = {}
        self.rejected = 0
        self.resets = 0
        self._start_at_the_origin()

    def _start_at_the_origin(self) -> None:
        self.vector = [0.0] * DIMENSIONS
        self.error = ERROR_MAXIMUM
        self.adjustment = 0.0
        self.height = HEIGHT_MINIMUM
        self._window: deque[float] = deque(maxlen=ADJUSTMENT_WINDOW)

    @property
    def coordinate(self) -> Coordinate:
        """Where we are now; the same object until we move."""
        if self._coordinate is None:
            self._coordinate = Coordinate(vec=self.vector, error=self.error, adjustment=self.adjustment, height=self.height)
        return self._coordinate

    def update(self, node: str, other: Coordinate, rtt: float) -> bool:
        """Move by one measurement: `node` says it is at `other` and took `rtt` seconds. False if that cannot be, which is counted."""
        if not (is_valid(other) and 0.0 <= rtt <= LONGEST_RTT):
            self.rejected += 1
            return False
        latency = max(self._median_latency(node, rtt), ZERO)
        self._follow_the_spring(other, latency)
        self._adjust(other, latency)
        self._fall_to_the_origin()
        if not self._is_finite():
            self.resets += 1
            self._start_at_the_origin()
        self._coordinate = None
        return True

    def forget(self, node: str) -> None:
        """Drop what was measured of a node that is gone."""
        self._latencies.pop(node, None)

    def _median_latency(self, node: str, rtt: float) -> float:
        """The median of the last few, so that one delayed packet does not move us."""
        samples = self._latencies.get(node)
        if samples is None:
            samples = self._latencies[node] = deque(maxlen=LATENCY_FILTER)
        samples.append(rtt)
        return sorted(samples)[len(samples) // 2]

    def _follow_the_spring(self, other: Coordinate, latency: float) -> None:
        """Vivaldi's step: the better the other's error is beside ours, the more of the tension we take."""
        magnitude = math.dist(self.vector, other.vec)
        distance = magnitude + self.height + other.height
        adjusted = distance + self.adjustment + other.adjustment
        if adjusted > 0.0:
            distance = adjusted
        weight = self.error / max(self.error + other.error, ZERO)
        wrongness = abs(distance - latency) / latency
        learned = ERROR_GAIN * weight
        self.error = min(learned * wrongness + self.error * (1.0 - learned), ERROR_MAXIMUM)
        self._push(FORCE_GAIN * weight * (latency - distance), other.vec, other.height, magnitude)

    def _adjust(self, other: Coordinate, latency: float) -> None:
        """What the space cannot express (an access line that is not symmetric) is kept beside it, as half the mean residue."""
        window = self._window
        window.append(latency - (math.dist(self.vector, other.vec) + self.height + other.height))
        self.adjustment = sum(window) / (2.0 * ADJUSTMENT_WINDOW)

    def _fall_to_the_origin(self) -> None:
        """A weak pull, so that the whole pool does not drift away."""
        magnitude = math.hypot(*self.vector)
        distance = magnitude + self.height + HEIGHT_MINIMUM
        adjusted = distance + self.adjustment
        if adjusted > 0.0:
            distance = adjusted
        pull = distance / GRAVITY_RHO
        self._push(-pull * pull, _ORIGIN, HEIGHT_MINIMUM, magnitude)

    def _push(self, force: float, other: list[float], other_height: float, magnitude: float) -> None:
        """Move `force` seconds away from `other`, which is `magnitude` seconds off; height takes its share."""
        if magnitude > ZERO:
            scale = force / magnitude
            self.vector = [ours + (ours - theirs) * scale for ours, theirs in zip(self.vector, other)]
            self.height = max((self.height + other_height) * scale + self.height, HEIGHT_MINIMUM)
        else:
            self.vector = [ours + part * force for ours, part in zip(self.vector, self._direction())]

    def _direction(self) -> list[float]:
        """Any unit vector: two on top of each other must part somehow."""
        parts = [self._chance.random() - 0.5 for _ in range(DIMENSIONS)]
        magnitude = math.hypot(*parts)
        if magnitude <= ZERO:
            return [1.0, *([0.0] * (DIMENSIONS - 1))]
        return [part / magnitude for part in parts]

    def _is_finite(self) -> bool:
        return math.isfinite(sum(self.vector) + self.error + self.adjustment + self.height)


_ORIGIN = [0.0] * DIMENSIONS


def is_valid(coordinate: Coordinate) -> bool:
    """Whether a coordinate is of our space: its dimensions, finite, with an error and a height that are not negative."""
    return (
        len(coordinate.vec) == DIMENSIONS
        and coordinate.error >= 0.0
        and coordinate.height >= 0.0
        and math.isfinite(sum(coordinate.vec) + coordinate.error + coordinate.adjustment + coordinate.height)
    )

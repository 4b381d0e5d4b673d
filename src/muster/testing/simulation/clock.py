"""The clocks of simulated hosts: none agrees with another, none with the world, and some run fast or slow."""

import math
from collections.abc import Callable

EPOCH = 1_600_000_000.0
"""The wall time at which every simulation begins."""


class HostClock:
    """One host's clock (see `muster.model.clock.Clock`).

    Monotonic time starts at a number of its own and runs at `rate` seconds a second of the world; wall time may jump. A time of the world
    is turned into the host's by `local`, and back by `world`.
    """

    def __init__(self, world_now: Callable[[], float], start: float = 0.0) -> None:
        self._world_now = world_now
        self._from_world = world_now()
        self._from_local = start
        self._rate = self._normal_rate = 1.0
        self._wall_offset = EPOCH

    def monotonic(self) -> float:
        """The host's monotonic time now."""
        return self.local(self._world_now())

    def wall(self) -> float:
        """The host's wall time now."""
        return self._world_now() + self._wall_offset

    def local(self, world: float) -> float:
        """The host's monotonic time at a time of the world."""
        return self._from_local + (world - self._from_world) * self._rate

    def world(self, local: float) -> float:
        """When the host's monotonic time will be `local`; infinity if it stands still."""
        if local == math.inf or self._rate == 0.0:
            return math.inf
        return self._from_world + (local - self._from_local) / self._rate

    def drift(self, rate: float) -> None:
        """Run at `rate` from now on: 1.1 is ten per cent fast."""
        self._normal_rate = rate
        self._run_at(rate)

    def suspend(self) -> None:
        """Stand still until `wake`, as on a suspended machine. Wall time is set right on waking."""
        self._run_at(0.0)

    def wake(self) -> None:
        """Go on after `suspend`."""
        self._run_at(self._normal_rate)

    def _run_at(self, rate: float) -> None:
        now = self._world_now()
        self._from_local, self._from_world, self._rate = self.local(now), now, rate

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back. Nothing that waits may notice."""
        self._wall_offset += seconds

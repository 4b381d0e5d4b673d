"""When tombstones are forgotten: 15 minutes after they were made, in bins of 30 seconds.

Until then a blocking query on a prefix can see by the tombstone's index that something under it was deleted.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from muster.model.clock import Clock


class TombstoneCollector:
    """Calls `reap(index)`: all tombstones up to that index are old enough. Runs on the leader only."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, seconds: float, granularity: float, reap: Callable[[int], None]
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._seconds = seconds
        self._granularity = granularity
        self._reap = reap
        self._bins: deque[tuple[float, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.active = False

    def start(self, index: int) -> None:
        """This server leads now; the tombstones that are there, up to `index`, count as new."""
        self.active = True
        if index:
            self.made(index)

    def stop(self) -> None:
        """Another server counts from now on."""
        self.active = False
        self._bins.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def made(self, index: int) -> None:
        """A command at `index` made tombstones."""
        if not self.active:
            return
        due = math.ceil((self._clock.monotonic() + self._seconds) / self._granularity) * self._granularity
        if self._bins and self._bins[-1][0] >= due:
            self._bins[-1] = (self._bins[-1][0], max(index, self._bins[-1][1]))
            return
        self._bins.append((due, index))
        if self._timer is None:
            self._arm()

    def _arm(self) -> None:
        self._timer = self._loop.call_later(max(0.0, self._bins[0][0] - self._clock.monotonic()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._clock.monotonic() + 0.001  # a timer may fire a millisecond early
        index = 0
        while self._bins and self._bins[0][0] <= now:
            index = self._bins.popleft()[1]
        if self._bins:
            self._arm()
        if index:
            self._reap(index)

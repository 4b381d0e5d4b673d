"""How long the turns of the loop are, measured from outside: a timer that comes late was held up by a turn.

A turn that lasts longer than the period makes the timer at least (turn - period) late, and no timer is later than the longest
turn. So the histogram is exact to one period and costs one wake-up each.
"""

import asyncio
from bisect import bisect_left

from muster.agent.telemetry import Metrics
from muster.model.clock import Clock

PERIOD = 0.02  # seconds
BOUNDS = (1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 1000.0)  # ms, upper bounds of the histogram


class LoopMonitor:
    """`counts[i]` is how many turns took up to `BOUNDS[i]` ms, the last one all that took longer."""

    def __init__(self, clock: Clock, metrics: Metrics, period: float = PERIOD) -> None:
        self.clock = clock
        self.metrics = metrics
        self.period = period
        self.counts = [0] * (len(BOUNDS) + 1)
        self.longest = 0.0
        self._expected = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._plan()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _plan(self) -> None:
        self._expected = self.clock.monotonic() + self.period
        self._timer = asyncio.get_running_loop().call_later(self.period, self._tick)

    def _tick(self) -> None:
        self.late((self.clock.monotonic() - self._expected) * 1000.0)
        self._plan()

    def late(self, milliseconds: float) -> None:
        """The timer was so late."""
        late = max(milliseconds, 0.0)
        self.counts[bisect_left(BOUNDS, late)] += 1
        self.longest = max(self.longest, late)
        self.metrics.sample("muster.loop.turn", late)

    def report(self) -> None:
        """The histogram as gauges."""
        for bound, count in zip([*(f"{bound:g}" for bound in BOUNDS), "+Inf"], self.counts):
            self.metrics.gauge("muster.loop.turns", count, (("le", bound),))
        self.metrics.gauge("muster.loop.longest_turn", self.longest)

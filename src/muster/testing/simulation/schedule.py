"""What happens when, in virtual time."""

import heapq
import math
from collections.abc import Callable
from typing import Any


class Schedule:
    """Actions in order of their time; those of the same time in the order in which they were asked for.

    Nothing can be called off: an action that may have become pointless looks for itself.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.done = 0  # actions carried out
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0

    def at(self, time: float, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action` at `time` (seconds), or at once if that is past."""
        self._sequence += 1
        heapq.heappush(self._heap, (time if time > self.now else self.now, self._sequence, action, arguments))

    def after(self, delay: float, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action` in `delay` seconds."""
        self.at(self.now + delay, action, *arguments)

    def next_time(self) -> float:
        """When the next action is due; infinity if nothing is."""
        return self._heap[0][0] if self._heap else math.inf

    def step(self) -> None:
        """Carry out the next action."""
        self.now, _, action, arguments = heapq.heappop(self._heap)
        self.done += 1
        action(*arguments)

    def run_until(self, end: float) -> None:
        """Carry out all that is due up to and at `end`."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] <= end:
            self.now, _, action, arguments = pop(heap)
            self.done += 1
            action(*arguments)
        self.now = max(self.now, end)

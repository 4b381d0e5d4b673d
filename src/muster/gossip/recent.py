"""What was seen lately, by Lamport time: so that each event and each query counts once.

A ring of slots, one for each time modulo the size, as the peers keep it. Beside that the whole has a budget, because one time may hold
any number of things: when it is spent, the oldest times are given up and no longer accepted.

Source: reference of the gossip wire, section 3.
"""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from muster.gossip.lamport import is_plausible

T = TypeVar("T", bound=Hashable)


class Slot(Generic[T]):
    """The things of one time, in the order in which they came."""

    __slots__ = ("items", "time", "weight")

    def __init__(self, time: int) -> None:
        self.time = time
        self.items: dict[T, None] = {}
        self.weight = 0


class Recent(Generic[T]):
    """Things seen at the last `size` Lamport times, together not heavier than `budget`."""

    __slots__ = ("_budget", "_size", "_slots", "_weight", "minimum_time")

    def __init__(self, size: int, budget: int) -> None:
        self._size = size
        self._budget = budget
        self._slots: dict[int, Slot[T]] = {}
        self._weight = 0
        self.minimum_time = 0
        """Times before this one are not accepted."""

    def add(self, clock: int, time: int, item: T, weight: int = 1) -> bool:
        """Whether this is new and not too old, for a clock that has witnessed `time`."""
        if self.is_too_old(clock, time):
            return False
        slot = self._slot(time)
        if item in slot.items:
            return False
        slot.items[item] = None
        slot.weight += weight
        self._weight += weight
        self._keep_budget()
        return time >= self.minimum_time

    def is_too_old(self, clock: int, time: int) -> bool:
        """Whether the ring no longer tells if something of this time was seen."""
        return time < self.minimum_time or time < clock - self._size or not is_plausible(time)

    def slot(self, position: int) -> Slot[T] | None:
        """What stands at a position of the ring."""
        return self._slots.get(position)

    def __iter__(self) -> Iterator[Slot[T]]:
        return iter(self._slots.values())

    def __len__(self) -> int:
        return len(self._slots)

    def _slot(self, time: int) -> Slot[T]:
        position = time % self._size
        slot = self._slots.get(position)
        if slot is None or slot.time != time:
            if slot is not None:
                self._weight -= slot.weight
            slot = self._slots[position] = Slot(time)
        return slot

    def _keep_budget(self) -> None:
        while self._weight > self._budget:
            oldest = min(self._slots.values(), key=lambda slot: slot.time)
            del self._slots[oldest.time % self._size]
            self._weight -= oldest.weight
            self.minimum_time = max(self.minimum_time, oldest.time + 1)

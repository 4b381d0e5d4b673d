"""When parked queries end: a wheel of coarse slots, so that ten thousand of them cost one timer.

Waiters that end within the same 20 ms share a slot. Adding and removing one are dictionary operations, and a waiter that
was answered or cancelled leaves nothing behind.
"""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from muster.model.clock import Clock

SLOTS_PER_SECOND = 50

W = TypeVar("W", bound=Hashable)


class Deadlines(Generic[W]):
    """Calls `expired` with the waiters of each slot that has passed. Times are seconds of the clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, expired: Callable[[list[W]], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._expired = expired
        self._slots: dict[int, dict[W, None] | None] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def add(self, waiter: W, seconds: float) -> int:
        """The waiter ends in so many seconds; returns the slot, which `remove` asks for."""
        slot = int((self._clock.monotonic() + seconds) * SLOTS_PER_SECOND) + 1
        found = self._slots.get(slot)
        if found is None:
            known = slot in self._slots
            self._slots[slot] = {waiter: None}
            if known:
                return slot
            heapq.heappush(self._order, slot)
            if self._timer is None or slot < self._timer_slot:
                self._arm()
        else:
            found[waiter] = None
        return slot

    def remove(self, waiter: W, slot: int) -> None:
        """The waiter ended earlier. Its empty slot stays until its time."""
        found = self._slots.get(slot)
        if found is not None:
            found.pop(waiter, None)
            if not found:
                self._slots[slot] = None

    def close(self) -> None:
        """Forgets all; no waiter is told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()
        self._order.clear()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = self._order[0]
        delay = max(0.0, self._timer_slot / SLOTS_PER_SECOND - self._clock.monotonic())
        self._timer = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._clock.monotonic() * SLOTS_PER_SECOND + 0.05  # a timer may fire a millisecond early
        while self._order and self._order[0] <= now:
            waiters = self._slots.pop(heapq.heappop(self._order))
            if waiters:
                self._expired(list(waiters))
        if self._order:
            self._arm()

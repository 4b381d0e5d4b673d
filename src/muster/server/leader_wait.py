"""Calls that wait for a leader, for a bounded time. An election takes seconds; clients should not see it as an error."""

import asyncio
from collections.abc import Callable

from muster.model.errors import NoLeader
from muster.server.deferred import Deferred, Outcome, settle

CALLS_PER_TURN = 100  # of the loop


class LeaderWait:
    """Whoever waits is called again once there is a leader, or gets NoLeader after `hold` seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hold: float) -> None:
        self._loop = loop
        self._hold = hold
        self._waiting: dict[Deferred, tuple[Callable[[], Outcome], asyncio.TimerHandle]] = {}

    def until_ready(self, again: Callable[[], Outcome]) -> Deferred:
        """The outcome of `again`, called when there is a leader."""
        outer = Deferred(loop=self._loop)
        self._waiting[outer] = again, self._loop.call_later(self._hold, self._give_up, outer)
        outer.add_done_callback(self._forget)
        return outer

    def ready(self) -> None:
        """There is a leader: all are called, some each turn of the loop."""
        for _ in range(min(CALLS_PER_TURN, len(self._waiting))):
            outer = next(iter(self._waiting))
            again, timer = self._waiting.pop(outer)
            timer.cancel()
            if not outer.done():
                settle(outer, again)
        if self._waiting:
            self._loop.call_soon(self.ready)

    def close(self) -> None:
        """All get NoLeader."""
        for outer in list(self._waiting):
            self._give_up(outer)

    def __len__(self) -> int:
        return len(self._waiting)

    def _give_up(self, outer: Deferred) -> None:
        if not outer.done():
            outer.set_exception(NoLeader())
        self._forget(outer)

    def _forget(self, outer: Deferred) -> None:
        found = self._waiting.pop(outer, None)
        if found is not None:
            found[1].cancel()

"""Something done again and again while a server leads."""

import asyncio
from collections.abc import Callable


class Periodic:
    """Calls `work` every so many seconds from `start` to `stop`; the first time after one period, or at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, work: Callable[[], None], at_once: bool = False) -> None:
        self._loop = loop
        self._seconds = seconds
        self._work = work
        self._at_once = at_once
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins; does nothing if it runs."""
        if self._timer is None:
            self._timer = self._loop.call_later(0 if self._at_once else self._seconds, self._again)

    def stop(self) -> None:
        """Ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _again(self) -> None:
        self._timer = self._loop.call_later(self._seconds, self._again)
        self._work()

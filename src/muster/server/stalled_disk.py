"""Notices that a write does not end: a disk may hang without ever failing."""

import asyncio
from collections.abc import Callable

from muster.model.clock import Clock

LIMIT = 3.0
"""Seconds that one batch may take. A disk that is only slow needs less; and another server can lead well within ten seconds."""


class StalledDisk:
    """Told of each write's begin and end. `on_stall` is called after each `LIMIT` that one write takes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, on_stall: Callable[[], None]) -> None:
        self._loop, self._clock, self._on_stall = loop, clock, on_stall
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_stalled(self) -> bool:
        """Whether a write is under way for too long."""
        return self._since is not None and self._clock.monotonic() - self._since >= LIMIT

    def began(self) -> None:
        """A write goes to the disk."""
        self._since = self._clock.monotonic()
        if self._timer is None:
            self._timer = self._loop.call_later(LIMIT, self._look)

    def ended(self) -> None:
        """It is done, or failed. The timer stays: one timer serves many writes."""
        self._since = None

    def close(self) -> None:
        """Nothing is noticed any more."""
        self._since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        left = self._since + LIMIT - self._clock.monotonic()
        self._timer = self._loop.call_later(left if left > 0 else LIMIT, self._look)
        if left <= 0:
            self._on_stall()

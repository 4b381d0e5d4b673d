"""A warning that an attacker could cause at will, written at most once a second."""

import logging
from typing import Any

from muster.model.clock import Clock

PAUSE = 1.0  # seconds


class Seldom:
    """Says the first of a second, and later how many were not said."""

    def __init__(self, logger: logging.Logger, clock: Clock, pause: float = PAUSE) -> None:
        self._logger, self._clock, self._pause = logger, clock, pause
        self._next = float("-inf")
        self._unsaid = 0

    def say(self, what: str, *arguments: Any) -> None:
        """Log a warning, unless one was logged within the pause."""
        now = self._clock.monotonic()
        if now < self._next:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} more like it)" if self._unsaid else ""
        self._next, self._unsaid = now + self._pause, 0
        self._logger.warning(what + more, *arguments)

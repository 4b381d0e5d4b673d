"""Our own leave: the intent is told, then our death, then we stay until that has spread.

    staying ─ leave() ─▶ telling the intent ─ told or late ─▶ leaving the pool ─ told or late ─▶ lingering ─ delay over ─▶ gone

Source: reference of the gossip wire, section 2.
"""

import enum
import math

from muster.gossip.settings import PoolSettings


class Phase(enum.StrEnum):
    """How far our leave has come."""

    STAYING = "alive"
    TELLING = "telling the intent"
    LEAVING = "leaving the pool"
    LINGERING = "lingering"
    GONE = "left"


class Departure:
    """Keeps the time of our leave; what is due is done by `Serf`."""

    __slots__ = ("_settings", "deadline", "phase")

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self.phase = Phase.STAYING
        self.deadline = math.inf

    def tell(self, now: float) -> None:
        """The intent goes out now."""
        self._enter(Phase.TELLING, now + self._settings.leave_broadcast_timeout)

    def leave_pool(self, now: float) -> None:
        """Our death goes out now."""
        self._enter(Phase.LEAVING, now + self._settings.leave_broadcast_timeout)

    def linger(self, now: float) -> None:
        """Our death was told; others still spread it."""
        if self.phase is Phase.LEAVING:
            self._enter(Phase.LINGERING, now + self._settings.leave_propagate_delay)

    def go(self) -> None:
        """All is over."""
        self._enter(Phase.GONE, math.inf)

    def is_due(self, now: float) -> bool:
        """Whether the phase has lasted long enough."""
        return now >= self.deadline

    def _enter(self, phase: Phase, deadline: float) -> None:
        self.phase = phase
        self.deadline = deadline

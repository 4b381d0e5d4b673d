"""Time as the cores see it: handed down from `program`, nowhere else created."""

from typing import Protocol


class Clock(Protocol):
    """Two readings: one to measure and wait by, one to show."""

    def monotonic(self) -> float:
        """Seconds that never go back; every deadline is counted in these."""
        ...

    def wall(self) -> float:
        """Seconds since 1970; only for what is shown or stored as a date."""
        ...

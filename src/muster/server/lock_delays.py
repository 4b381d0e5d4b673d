"""Lock delays: after a session ended without its consent, its keys cannot be locked for a while.

The time is counted by the server that applied the end; only the leader's count matters. Not part of the replicated state.
"""

from muster.model.clock import Clock
from muster.model.durations import seconds

SWEEP_AT = 1024  # remembered delays at which those that are over are looked for


class LockDelays:
    """Key to the time at which it may be locked again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._sweep_at = SWEEP_AT

    def start(self, key: str, delay_ns: int) -> None:
        """The holder of `key` is gone."""
        if delay_ns <= 0:
            return
        if len(self._until) >= self._sweep_at:
            now = self._clock.monotonic()
            self._until = {known: until for known, until in self._until.items() if until > now}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._until))
        self._until[key] = self._clock.monotonic() + seconds(delay_ns)

    def holds(self, key: str) -> bool:
        """Whether the key cannot be locked now."""
        until = self._until.get(key)
        if until is None:
            return False
        if until > self._clock.monotonic():
            return True
        del self._until[key]
        return False

    def clear(self) -> None:
        """A restored snapshot holds no delays."""
        self._until.clear()

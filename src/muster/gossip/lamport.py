"""Lamport clocks: what orders the intents, events and queries of a pool.

Source: Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (CACM 1978); reference of the gossip wire, section 3.
"""

from msgspec import Struct

LATEST_TIME = (1 << 62) - 1
"""Times beyond this one are not believed: one forged message must not carry a clock to the end of 64 bits, where the peers' clocks wrap."""


class Clocks(Struct, frozen=True, gc=False):
    """The times of a member's three clocks, as a host keeps them over a restart."""

    member: int = 0
    event: int = 0
    query: int = 0


class LamportClock:
    """One logical clock. `time` is the time that the next message of ours carries."""

    __slots__ = ("time",)

    def __init__(self, time: int = 0) -> None:
        self.time = time

    def increment(self) -> int:
        """The time before, and one more from now on."""
        before = self.time
        self.time = before + 1
        return before

    def witness(self, seen: int) -> None:
        """Pass a time that somebody else has used."""
        if seen >= self.time and is_plausible(seen):
            self.time = seen + 1


def is_plausible(time: int) -> bool:
    """Whether a clock that counts the messages of a pool can have come so far."""
    return 0 <= time <= LATEST_TIME

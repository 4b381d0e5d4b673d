"""Probes: our own, one at a time, and those that others ask us to make for them.

Source: SWIM (DSN 2002), section 3.1; negative answers: "Lifeguard" (2018), section IV.A.
"""

import math
from collections import deque

from muster.gossip.node_table import NodeRecord
from muster.wire.gossip import Endpoint

RELAY_LIMIT = 1024
"""The most pings that wait here on behalf of others; more are refused silently, as lost packets would be."""

SEQUENCES = 1 << 32  # sequence numbers are 32 bits wide


class Probe:
    """One probe of one member. It starts with a ping; unanswered, it goes on by detours until its deadline."""

    __slots__ = ("deadline", "expected_nacks", "is_direct", "measures", "nacks", "sent", "sequence", "target")

    def __init__(self, now: float, sequence: int, target: NodeRecord, timeout: float) -> None:
        """The ping is sent `now` and waited for `timeout` seconds."""
        self.sequence = sequence
        self.target = target
        self.sent = now
        self.deadline = now + timeout
        self.is_direct = True
        """No detour was taken yet: an ack can only come straight from the target."""
        self.measures = True
        """The time until the ack is that of the way."""
        self.expected_nacks = 0
        self.nacks = 0

    def go_around(self, deadline: float, expected_nacks: int) -> None:
        """The ping was not answered in time; others were asked."""
        self.is_direct = self.measures = False
        self.deadline = deadline
        self.expected_nacks = expected_nacks

    def overslept(self, by: float) -> None:
        """Nobody could be heard for so long."""
        self.measures = False
        self.deadline += by

    def own_fault(self) -> int:
        """How much the failed probe says about ourselves: the helpers that we did not hear either, or 1 if none would tell."""
        return max(0, self.expected_nacks - self.nacks) if self.expected_nacks else 1


class Relay:
    """A ping for somebody else: who asked, under which sequence number, and whether it wants to hear of silence."""

    __slots__ = ("asked_by", "deadline", "nack", "name", "sequence")

    def __init__(self, deadline: float, asked_by: Endpoint, name: str, sequence: int, nack: bool) -> None:
        self.deadline = deadline
        self.asked_by = asked_by
        self.name = name
        self.sequence = sequence
        self.nack = nack


class Relays:
    """The pings for others that wait, by our own sequence number. All wait equally long, so the oldest ends first."""

    __slots__ = ("_by_sequence", "_order")

    def __init__(self) -> None:
        self._by_sequence: dict[int, Relay] = {}
        self._order: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._by_sequence)

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return len(self._order) >= RELAY_LIMIT

    def add(self, sequence: int, relay: Relay) -> None:
        """Wait for an ack under this sequence number."""
        self._by_sequence[sequence] = relay
        self._order.append(sequence)

    def take(self, sequence: int) -> Relay | None:
        """The relay that this ack ends."""
        return self._by_sequence.pop(sequence, None)

    def next_deadline(self) -> float:
        """When the next one is given up; infinite if none waits."""
        while self._order:
            relay = self._by_sequence.get(self._order[0])
            if relay is not None:
                return relay.deadline
            self._order.popleft()
        return math.inf

    def given_up(self, now: float) -> list[Relay]:
        """Take out those whose time is over."""
        found = []
        while self.next_deadline() <= now:
            found.append(self._by_sequence.pop(self._order.popleft()))
        return found

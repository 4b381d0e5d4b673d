"""The news that a member still has to spread, each told so often that it reaches everyone.

Source: SWIM (DSN 2002), section 4.1; the order is that of the peers: fewest transmissions first, then the longest that fits.
"""

import bisect
import math
from collections.abc import Iterator

CONGESTION = 128
"""Broadcasts in a queue from which on hearing them counts: some seconds' worth of packets."""
HEARD_WEIGHT = 3
"""For how many of our own sends it counts that somebody else told us the same."""


def retransmit_limit(multiplier: int, members: int) -> int:
    """How often one broadcast is sent before it is dropped: multiplier × ceil(log10(members + 1)).

    Gossip reaches everyone in O(log n) rounds, so a fixed number would be too few in a large pool.
    """
    return multiplier * math.ceil(math.log10(members + 1))


class Broadcast:
    """One encoded message about `name`. Those sent equally often are sorted by length, then by age."""

    __slots__ = ("key", "message", "name", "transmissions")

    def __init__(self, name: str, message: bytes, age: int) -> None:
        self.name = name
        self.message = message
        self.key = (len(message), age)
        self.transmissions = 0


class BroadcastQueue:
    """Broadcasts by the name of whom they are about: a newer one replaces the older."""

    __slots__ = ("_by_name", "_queued", "_tiers")

    def __init__(self) -> None:
        self._by_name: dict[str, Broadcast] = {}
        self._tiers: list[list[tuple[tuple[int, int], Broadcast]]] = []
        """The broadcasts that were sent 0, 1, 2 … times, each list sorted by length and age."""
        self._queued = 0

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Broadcast]:
        return iter(self._by_name.values())

    def queue(self, name: str, message: bytes) -> None:
        """Spread this encoded message about `name`, and nothing older about it."""
        self.drop(name)
        self._queued += 1
        broadcast = self._by_name[name] = Broadcast(name, message, self._queued)
        self._insert(broadcast)

    def drop(self, name: str) -> None:
        """Spread nothing about `name`."""
        broadcast = self._by_name.pop(name, None)
        if broadcast is not None:
            tier = self._tiers[broadcast.transmissions]
            del tier[bisect.bisect_left(tier, (broadcast.key,))]

    def message(self, name: str) -> bytes:
        """What is told about `name`; empty if nothing is."""
        broadcast = self._by_name.get(name)
        return broadcast.message if broadcast is not None else b""

    def heard(self, name: str, limit: int) -> None:
        """Somebody else tells the same about `name`: the more do, the less it needs us.

        Without congestion nothing is counted, so that a small pool or a quiet one spreads news as the peers' do. With thousands of news
        at once (a mass restart) it is what lets the queues drain: rumours that stop when they are old, as in Demers et al., "Epidemic
        algorithms for replicated database maintenance" (PODC 1987), section 1.4, "counter" and "feedback".
        """
        if len(self._by_name) < CONGESTION:
            return
        broadcast = self._by_name.get(name)
        if broadcast is not None:
            tier = self._tiers[broadcast.transmissions]
            del tier[bisect.bisect_left(tier, (broadcast.key,))]
            self._count(broadcast, HEARD_WEIGHT, limit)

    def take(self, overhead: int, room: int, limit: int, most: int) -> list[bytes]:
        """At most `most` messages for one packet with `room` bytes left, each costing its length and `overhead`.

        Each counts as sent; one that was sent `limit` times is dropped.
        """
        taken: list[Broadcast] = []
        for tier in self._tiers:
            if tier:
                room = self._take_from(tier, taken, overhead, room, most)
                if room <= overhead or len(taken) == most:
                    break
        for broadcast in taken:
            self._count(broadcast, 1, limit)
        return [broadcast.message for broadcast in taken]

    def prune(self, most: int) -> None:
        """Keep at most so many broadcasts; those sent most often go first."""
        while len(self._by_name) > most:
            tier = next(tier for tier in reversed(self._tiers) if tier)
            self.drop(tier[0][1].name)

    @staticmethod
    def is_spent(transmissions: int, limit: int) -> bool:
        """Whether a broadcast was sent often enough."""
        return transmissions >= limit

    @staticmethod
    def _take_from(tier: list[tuple[tuple[int, int], Broadcast]], taken: list[Broadcast], overhead: int, room: int, most: int) -> int:
        """Move what fits from one tier, longest first, then newest; the room that is left."""
        while len(taken) < most:
            fitting = bisect.bisect_right(tier, room - overhead, key=_length)
            if fitting == 0:
                break
            broadcast = tier.pop(fitting - 1)[1]
            taken.append(broadcast)
            room -= overhead + len(broadcast.message)
        return room

    def _count(self, broadcast: Broadcast, sends: int, limit: int) -> None:
        """A broadcast that is in no tier now was sent, or needs to be sent less often."""
        broadcast.transmissions += sends
        if self.is_spent(broadcast.transmissions, limit):
            del self._by_name[broadcast.name]
        else:
            self._insert(broadcast)

    def _insert(self, broadcast: Broadcast) -> None:
        while len(self._tiers) <= broadcast.transmissions:
            self._tiers.append([])
        bisect.insort(self._tiers[broadcast.transmissions], (broadcast.key, broadcast))


def _length(entry: tuple[tuple[int, int], Broadcast]) -> int:
    return entry[0][0]

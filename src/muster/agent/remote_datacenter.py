"""The servers of one other datacenter: which of them is asked next.

The nearest answers soonest; servers about as near share the calls by chance. A server that just failed to answer comes after
all others, and one that the pool holds for failed is asked only where there is no better one: the pool may be wrong, and the
error says why.

Source: reference of the RPC wire, section 6 ("Remote datacenter").
"""

import math
import random
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from muster.agent.server_list import MOVES_PER_SECOND, SHORTEST_REBALANCE, KnownServer, known_server
from muster.gossip.effects import Member, MemberStatus

FAILING_SECONDS: Final = 10.0
"""How long a server that could not be asked comes after the others."""
AS_NEAR_FACTOR: Final = 1.1
AS_NEAR_SECONDS: Final = 0.001
"""Servers are as near as the nearest within a tenth and a millisecond: measured times waver as much."""


class _Standing(Struct):
    """A server and how it did. `present`: the pool sees it; `failed_at`: when it was last asked in vain."""

    server: KnownServer
    present: bool
    failed_at: float = -math.inf


class RemoteDatacenter:
    """Its servers as the WAN pool shows them; `distance` is the seconds to a member of that name, infinite if not known."""

    def __init__(self, chance: random.Random, distance: Callable[[str], float]) -> None:
        self._random, self._distance = chance, distance
        self._servers: list[_Standing] = []
        self.offline = False
        """Whether no server answered when all were last tried."""

    def __len__(self) -> int:
        return len(self._servers)

    @property
    def seems_up(self) -> bool:
        """Whether the pool sees a server, and the last look at all of them found one."""
        return not self.offline and any(one.present for one in self._servers)

    def heard(self, member: Member, forgotten: bool = False) -> None:
        """A member came, changed, failed, left, or was `forgotten`."""
        server = None if forgotten or member.status is MemberStatus.LEFT else known_server(member)
        at = next((at for at, one in enumerate(self._servers) if one.server.name == member.name), None)
        if server is None:
            if at is not None:
                del self._servers[at]
            return
        standing = _Standing(server, member.status in (MemberStatus.ALIVE, MemberStatus.LEAVING))
        if at is None:
            self._servers.insert(self._random.randint(0, len(self._servers)), standing)
        else:
            self._servers[at] = standing
        if standing.present:
            self.offline = False

    def first(self, now: float) -> KnownServer | None:
        """Whom to ask now; None if no server is known."""
        if not self._servers:
            return None
        good = [one for one in self._servers if one.present and now - one.failed_at >= FAILING_SECONDS]
        if not good:
            best = min(self._servers, key=lambda one: (one.failed_at, not one.present))
            return best.server
        if len(good) == 1:
            return good[0].server
        distances = [self._distance(one.server.name) for one in good]
        limit = min(distances) * AS_NEAR_FACTOR + AS_NEAR_SECONDS
        return next(one.server for one, distance in zip(good, distances, strict=True) if distance <= limit)

    def failed(self, address: str, now: float) -> None:
        """The server at this address could not be asked."""
        for one in self._servers:
            if one.server.address == address:
                one.failed_at = now

    def answered(self, address: str) -> None:
        """The server at this address is there."""
        self.offline = False
        for one in self._servers:
            if one.server.address == address:
                one.failed_at = -math.inf

    def shuffle(self) -> list[KnownServer]:
        """Another order, so that servers as near as each other take turns; all servers in it."""
        self._random.shuffle(self._servers)
        return [one.server for one in self._servers]

    def rebalance_delay(self, agents: int) -> float:
        """Seconds until the next shuffle, when so many servers of all datacenters do the same."""
        moves = len(self._servers) * MOVES_PER_SECOND
        shortest = max(SHORTEST_REBALANCE, agents / moves if moves else 0.0)
        return shortest + self._random.uniform(0.0, shortest / 2)

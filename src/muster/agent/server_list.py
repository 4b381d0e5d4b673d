"""Which server a client agent asks next: an order that failures and time change, so that load spreads and the dead fall behind.

Source: reference of the RPC wire, section 6, "Server choice by a client agent"; section 4 of the gossip wire for the tags.
"""

import random
from typing import Final

from msgspec import Struct

from muster.agent.merge_checks import SERVER_ROLE
from muster.gossip.effects import Member, MemberStatus
from muster.transport.endpoints import host

SHORTEST_REBALANCE: Final = 120.0
"""Seconds after which the order is shuffled, at least; up to half as much more by chance."""
MOVES_PER_SECOND: Final = 64.0
"""The most clients of a datacenter that may move to another server in a second, for each server."""


class KnownServer(Struct, frozen=True):
    """A server as its tags describe it; `address` is where it takes RPC, "ip:port"."""

    name: str
    address: str


def known_server(member: Member) -> KnownServer | None:
    """The server that a member is, or None if its tags do not make one."""
    tags = member.tags
    port = tags.get("port", "")
    if tags.get("role") != SERVER_ROLE or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return None
    if not tags.get("vsn", "").isdigit() or not tags.get("build", "")[:1].isdigit():
        return None
    address = host(member.endpoint)
    return KnownServer(member.name, f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


class ServerList:
    """The known servers; the first one is asked."""

    def __init__(self, chance: random.Random) -> None:
        self._random = chance
        self._servers: list[KnownServer] = []

    def __len__(self) -> int:
        return len(self._servers)

    def first(self) -> KnownServer | None:
        """Whom to ask now; None if no server is known."""
        return self._servers[0] if self._servers else None

    def all(self) -> list[KnownServer]:
        """All of them, in the order in which they would be asked."""
        return self._servers[:]

    def heard(self, member: Member) -> None:
        """A member came, changed, failed, left or was forgotten."""
        server = known_server(member)
        present = member.status in (MemberStatus.ALIVE, MemberStatus.LEAVING)
        at = next((at for at, one in enumerate(self._servers) if one.name == member.name), None)
        if at is not None and (server is None or not present):
            del self._servers[at]
        elif at is not None and server is not None:
            self._servers[at] = server
        elif server is not None and present:
            self._servers.insert(self._random.randint(0, len(self._servers)), server)

    def failed(self, server: KnownServer) -> None:
        """It did not answer: it goes to the end, if it is still the first."""
        if len(self._servers) > 1 and self._servers[0] == server:
            self._servers.append(self._servers.pop(0))

    def shuffle(self) -> None:
        """Another server may come first."""
        self._random.shuffle(self._servers)

    def rebalance_delay(self, agents: int) -> float:
        """Seconds until the next shuffle, in a datacenter of so many agents."""
        moves = len(self._servers) * MOVES_PER_SECOND
        shortest = max(SHORTEST_REBALANCE, agents / moves if moves else 0.0)
        return shortest + self._random.uniform(0.0, shortest / 2)

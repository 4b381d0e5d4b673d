"""Joins of ours that are under way: several exchanges each.

Source: reference of the gossip wire, section 3.
"""

from msgspec import Struct

from muster.gossip.effects import Exchange


class Join(Struct):
    """One call of the host's; `pending` exchanges are not over yet."""

    pending: int
    ignore_old: bool


class Joins:
    """Joins by ticket."""

    __slots__ = ("_by_ticket",)

    def __init__(self) -> None:
        self._by_ticket: dict[int, Join] = {}

    def start(self, ticket: int, exchanges: int, ignore_old: bool) -> None:
        """So many exchanges of this join begin."""
        if exchanges:
            self._by_ticket[ticket] = Join(exchanges, ignore_old)

    def finished(self, exchange: Exchange) -> Join | None:
        """One exchange is over, well or not: the join that it belongs to, None if it is no part of one."""
        join = None if exchange.node else self._by_ticket.get(exchange.join)
        if join is not None:
            join.pending -= 1
            if join.pending <= 0:
                del self._by_ticket[exchange.join]
        return join

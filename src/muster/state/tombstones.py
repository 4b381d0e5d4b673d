"""Tombstones: at which index a key, or everything under a prefix, was deleted.

They keep the index of a list from going back when its newest entry vanishes, so that a blocked reader of it returns.
The leader lets them be reaped after some minutes.

Source: reference "FSM commands", sections 2 and 3.
"""

from collections.abc import Iterable

from muster.state.indexes import Indexes
from muster.state.sorted_keys import SortedKeys

TABLE = "tombstones"


class Tombstones:
    """Key (or deleted prefix) to the index of its deletion."""

    __slots__ = ("_indexes", "_journal", "_order", "_stones")

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._stones: dict[str, int] = {}
        self._order = SortedKeys()

    def put(self, index: int, key: str) -> None:
        """The key was deleted at `index`."""
        if key not in self._stones:
            self._order.add(key)
            self._journal.record(lambda: self._order.remove(key))
        self._journal.put(self._stones, key, index)
        self._indexes.bump(TABLE, index)

    def highest_under(self, prefix: str, above: int) -> int:
        """The highest index of the tombstones under the prefix, or `above` if none is higher."""
        if self._indexes.get(TABLE) <= above:
            return above
        stones = self._stones
        return max([above, *[stones[key] for key in self._order.under(prefix)]])

    def reap(self, up_to: int) -> None:
        """Forgets the tombstones with indexes up to `up_to`. The table's own index stays."""
        self.replace([(key, index) for key, index in self._stones.items() if index > up_to])

    def items(self) -> list[tuple[str, int]]:
        """All of them, in the order of their keys."""
        stones = self._stones
        return [(key, stones[key]) for key in self._order]

    def replace(self, stones: Iterable[tuple[str, int]]) -> None:
        """Takes exactly these."""
        self._stones = dict(stones)
        self._order = SortedKeys(self._stones)

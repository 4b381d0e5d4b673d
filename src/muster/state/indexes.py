"""The table of indexes: for a name (of a table, or `service.NAME`), the last Raft index that changed what it stands for.

These are the numbers of `X-Consul-Index`; clients compare them, so they must be exactly the peers'.

Source: reference "FSM commands", section 3.
"""

from collections.abc import Iterable
from functools import partial

from muster.state.journal import Journal


class Indexes:
    """Name to index. Changes go through the store's journal, which tables reach as `indexes.journal`."""

    __slots__ = ("_values", "journal")

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = Journal() if journal is None else journal
        self._values: dict[str, int] = {}

    def get(self, name: str) -> int:
        """The index of a name; 0 if nothing ever touched it."""
        return self._values.get(name, 0)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def max(self, *names: str) -> int:
        """The highest index of the names."""
        get = self._values.get
        return max([get(name, 0) for name in names])

    def bump(self, name: str, index: int) -> None:
        """Something under the name changed at `index`. An index never goes back."""
        values = self._values
        old = values.get(name)
        if old is not None and old >= index:
            return
        values[name] = index
        journal = self.journal
        if journal.active:
            journal.record(partial(values.__delitem__, name) if old is None else partial(values.__setitem__, name, old))

    def delete(self, name: str) -> None:
        """Forgets a name, as that of a service whose last instance went."""
        self.journal.drop(self._values, name)

    def items(self) -> list[tuple[str, int]]:
        """All names with their indexes, in the order of the names."""
        return sorted(self._values.items())

    def highest(self) -> int:
        """The highest index of all; 0 when nothing was written yet."""
        return max(self._values.values(), default=0)

    def replace(self, values: Iterable[tuple[str, int]]) -> None:
        """Takes exactly these indexes, as a snapshot holds them. Peers keep the names of services in the case they were written in."""
        self._values = {name.lower() if name.startswith("service.") else name: index for name, index in values}

"""Where the nodes lie: coordinates by node and network segment.

Source: reference "FSM commands", sections 1 and 3.
"""

from collections.abc import Callable, Iterable

from muster.model.coordinates import NodeCoordinate
from muster.state.indexes import Indexes
from muster.state.watches import Watches, WatchSet

TABLE = "coordinates"
Rows = list[NodeCoordinate]  # by this name, because the class has a method `list`
NODE_COORDINATES = "node coordinates"


class Coordinates:
    """Coordinates by (node in lower case, segment)."""

    def __init__(self, indexes: Indexes, watches: Watches, node_exists: Callable[[str], bool]) -> None:
        self._indexes = indexes
        self._journal = indexes.journal
        self._watches = watches
        self._node_exists = node_exists
        self._coordinates: dict[str, dict[str, NodeCoordinate]] = {}

    def of_node(self, node: str, watch: WatchSet | None = None) -> tuple[int, Rows]:
        """The coordinates of a node, one for each segment it is in."""
        if watch is not None:
            watch.append((NODE_COORDINATES, node.lower()))
        return self._indexes.get(TABLE), _in_order(self._coordinates.get(node.lower(), {}))

    def list(self, watch: WatchSet | None = None) -> tuple[int, list[NodeCoordinate]]:
        """All coordinates, in the order of nodes and segments."""
        if watch is not None:
            watch.append(("table", TABLE))
        return self._indexes.get(TABLE), [row for _, rows in sorted(self._coordinates.items()) for row in _in_order(rows)]

    def update(self, index: int, updates: Iterable[NodeCoordinate]) -> None:
        """Takes newer coordinates; those of unknown nodes are passed over. The index moves in any case."""
        for update in updates:
            if update.coord is None or not self._node_exists(update.node):
                continue
            name = update.node.lower()
            self._journal.put(self._coordinates, name, {**self._coordinates.get(name, {}), update.segment: update})
            self._watches.touch((NODE_COORDINATES, name))
        self._indexes.bump(TABLE, index)
        self._watches.touch(("table", TABLE))

    def node_removed(self, index: int, node: str) -> None:
        """The catalog deleted a node: its coordinates go."""
        name = node.lower()
        if name in self._coordinates:
            self._journal.drop(self._coordinates, name)
            self._indexes.bump(TABLE, index)
            self._watches.touch((NODE_COORDINATES, name))
            self._watches.touch(("table", TABLE))

    def replace(self, coordinates: Iterable[NodeCoordinate]) -> None:
        """Takes exactly these coordinates."""
        self._coordinates = {}
        for row in coordinates:
            self._coordinates.setdefault(row.node.lower(), {})[row.segment] = row


def _in_order(rows: dict[str, NodeCoordinate]) -> list[NodeCoordinate]:
    return [row for _, row in sorted(rows.items())]

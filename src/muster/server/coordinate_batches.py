"""Coordinates that nodes have sent, until the leader commits them in batches.

Every agent sends one every 15 seconds or so. Each as a log entry of its own would be most of a big datacenter's writes.
"""

import logging

from muster.model.coordinates import NodeCoordinate
from muster.server.settings import ServerSettings
from muster.wire.commands import CoordinateBatch, CoordinateUpdateRequest

logger = logging.getLogger("muster.server")


class CoordinateBatches:
    """The newest update of each node and segment."""

    def __init__(self, settings: ServerSettings) -> None:
        self._size = settings.coordinate_batch_size
        self._most = settings.coordinate_maximum_batches
        self._updates: dict[tuple[str, str], NodeCoordinate] = {}

    def add(self, request: CoordinateUpdateRequest) -> None:
        """Replaces what the node sent before."""
        self._updates[request.node, request.segment] = NodeCoordinate(node=request.node, segment=request.segment, coord=request.coord)

    def take(self) -> list[CoordinateBatch]:
        """The batches to commit now; what is more than their number may hold is dropped, nodes send again soon."""
        updates = list(self._updates.values())
        self._updates = {}
        most = self._size * self._most
        if len(updates) > most:
            logger.warning("Discarded coordinate updates: number_discarded=%d", len(updates) - most)
            del updates[most:]
        return [CoordinateBatch(updates=updates[at : at + self._size]) for at in range(0, len(updates), self._size)]

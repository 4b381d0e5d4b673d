"""Coordinate: where nodes lie in the space of round-trip times."""

import math
from typing import Any

import msgspec

from muster.model.coordinates import DIMENSIONS, NodeCoordinate
from muster.model.errors import Rejected
from muster.server.context import Context
from muster.server.datacenters import DatacenterCoordinates
from muster.server.methods import Local, Methods, Read, Write
from muster.state.watches import WatchSet
from muster.wire.commands import CoordinateUpdateRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, NodeRequest


def update(context: Context, request: CoordinateUpdateRequest) -> Reply:
    """Takes a node's coordinate; it is committed with others within `coordinate_update_period`."""
    coord = request.coord
    if coord is None or not all(map(math.isfinite, (*coord.vec, coord.error, coord.adjustment, coord.height))):
        raise Rejected("invalid coordinate")
    if len(coord.vec) != DIMENSIONS:
        raise Rejected("incompatible coordinate")
    context.coordinates.add(request)
    return Reply(value=None)


def list_nodes(context: Context, _request: DatacenterRequest, watch: WatchSet | None) -> tuple[int, list[NodeCoordinate]]:
    """All coordinates."""
    return context.store.coordinates.list(watch)


def node(context: Context, request: NodeRequest, watch: WatchSet | None) -> tuple[int, list[NodeCoordinate]]:
    """The coordinates of a node, one for each segment; they name it as it was asked for."""
    index, found = context.store.coordinates.of_node(request.node, watch)
    return index, [msgspec.structs.replace(row, node=request.node) for row in found]


def list_datacenters(context: Context, _request: Any) -> list[DatacenterCoordinates]:
    """Each datacenter with its servers."""
    return context.known_datacenters.coordinates()


METHODS: Methods = {
    "Coordinate.Update": Write(update),
    "Coordinate.ListNodes": Read(list_nodes, indexes=("coordinates",)),
    "Coordinate.Node": Read(node, indexes=("coordinates",)),
    "Coordinate.ListDatacenters": Local(list_datacenters),
}

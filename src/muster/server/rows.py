"""What many reads do with their rows: filter them, choose by the node's meta, sort them by distance."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from muster.model.coordinates import Coordinate
from muster.server.context import Context
from muster.state.filters import compile_filter
from muster.state.watches import WatchSet
from muster.wire.requests import QuerySource

R = TypeVar("R")
UNKNOWN = float("inf")


def filtered(rows: list[R], expression: str, row_type: type) -> list[R]:
    """The rows for which the filter holds. Raises Rejected for a bad filter."""
    if not expression:
        return rows
    holds = compile_filter(expression, row_type)
    return [row for row in rows if holds(row)]


def has_meta(meta: dict[str, str] | None, wanted: Sequence[tuple[str, str]]) -> bool:
    """Whether all pairs are in it."""
    return all(meta is not None and meta.get(key) == value for key, value in wanted)


def sorted_by_distance(
    context: Context, source: QuerySource, rows: list[R], node_of: Callable[[R], str], watch: WatchSet | None = None
) -> list[R]:
    """The rows, the nearest to the source first; those of unknown distance last, in their order.

    Unchanged if the source is no node, of another datacenter, or has no coordinate.
    """
    if not source.node or source.datacenter != context.settings.datacenter:
        return rows
    if watch is not None:
        watch.append(("table", "coordinates"))
    here = coordinate_of(context, source.node)
    if here is None:
        return rows
    known: dict[str, float] = {}

    def distance(row: R) -> float:
        node = node_of(row)
        if node not in known:
            there = coordinate_of(context, node)
            known[node] = UNKNOWN if there is None else here.distance_to(there)
        return known[node]

    return sorted(rows, key=distance)


def coordinate_of(context: Context, node: str) -> Coordinate | None:
    """The node's coordinate in the default segment."""
    for row in context.store.coordinates.of_node(node)[1]:
        if not row.segment:
            return row.coord
    return None

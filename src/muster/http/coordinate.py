"""/v1/coordinate: where nodes lie in the space of round-trip times."""

from typing import Any

from msgspec.structs import replace

from muster.http.answers import ask, json_answer, nothing, read, read_answer, then
from muster.http.bodies import decode
from muster.http.messages import Outcome, Request, Response
from muster.http.parameters import read_options, token
from muster.http.routing import Context
from muster.model.coordinates import Coordinate, NodeCoordinate
from muster.model.errors import BadRequest, MusterError
from muster.wire.commands import CoordinateUpdateRequest
from muster.wire.replies import Reply
from muster.wire.requests import DatacenterRequest, NodeRequest


class CoordinatesDisabled(MusterError):
    """This agent has `disable_coordinates`."""

    http_status = 401

    def __init__(self) -> None:
        super().__init__("Coordinate support disabled")


def _require_coordinates(context: Context) -> None:
    if not context.settings.coordinates:
        raise CoordinatesDisabled


def datacenters(request: Request, context: Context) -> Outcome:
    """GET: the coordinates of the servers of every datacenter."""
    _require_coordinates(context)
    question = DatacenterRequest(datacenter=context.settings.datacenter)
    return then(context.agent.call("Coordinate.ListDatacenters", question), _datacenters, request, context)


def _datacenters(reply: Reply, request: Request, context: Context) -> Response:
    rows = [
        {"Datacenter": row.datacenter, "AreaID": row.area_id, "Coordinates": [node_coordinate(one) for one in row.coordinates or ()]}
        for row in reply.value or ()
    ]
    return json_answer(rows, request, context)


def nodes(request: Request, context: Context) -> Outcome:
    """GET: the coordinates of all nodes, or of those in a network segment."""
    _require_coordinates(context)
    question = DatacenterRequest(**read_options(request, context))
    if request.raw_query and "segment" in request.query:
        return ask(context, "Coordinate.ListNodes", question, _in_segment, request, context)
    return read(context, request, "Coordinate.ListNodes", question, _all)


def _all(rows: list[NodeCoordinate] | None) -> list[Any]:
    return [node_coordinate(row) for row in rows or ()]


def _in_segment(reply: Reply, request: Request, context: Context) -> Response:
    segment = request.query.first("segment")
    rows = [row for row in reply.value or () if row.segment == segment]
    return read_answer(replace(reply, value=rows, encodings={}), request, context, _all)


def node(request: Request, context: Context) -> Outcome:
    """GET: the coordinates of a node, one for each of its network segments."""
    _require_coordinates(context)
    question = NodeRequest(node=request.rest, **read_options(request, context))
    return ask(context, "Coordinate.Node", question, _of_node, request, context)


def _of_node(reply: Reply, request: Request, context: Context) -> Response:
    rows = reply.value or ()
    if request.raw_query and "segment" in request.query:
        rows = [row for row in rows if row.segment == request.query.first("segment")]
    if not rows:
        return Response(404)
    return read_answer(replace(reply, value=rows, encodings={}), request, context, _all)


def update(request: Request, context: Context) -> Outcome:
    """PUT: a new coordinate of a node."""
    _require_coordinates(context)
    given = decode(CoordinateUpdateRequest, request.body)
    if given.coord is None:
        raise BadRequest("Request decode failed: Coord is missing")
    asked = request.query.first("dc") if request.raw_query else ""
    command = replace(
        given, datacenter=asked or given.datacenter or context.settings.datacenter, token=given.token or token(request, context)
    )
    return then(context.agent.call("Coordinate.Update", command), nothing)


def node_coordinate(one: NodeCoordinate) -> dict[str, Any]:
    return {"Node": one.node, "Segment": one.segment, "Coord": coordinate(one.coord) if one.coord is not None else None}


def coordinate(one: Coordinate) -> dict[str, Any]:
    """Numbers as Go writes floats: whole ones without a point."""
    return {
        "Vec": [number(part) for part in one.vec],
        "Error": number(one.error),
        "Adjustment": number(one.adjustment),
        "Height": number(one.height),
    }


def number(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) < 1e15 else value

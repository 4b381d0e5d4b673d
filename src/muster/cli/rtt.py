"""`muster rtt`"""

from typing import TYPE_CHECKING

from muster.cli.command import Command, Invocation
from muster.cli.flags import SWITCH, Flag

if TYPE_CHECKING:
    from muster.client.client import Client
    from muster.model.coordinates import Coordinate


class _Unknown(Exception):
    """No estimate can be made; the message says why."""


def run(invocation: Invocation) -> int:
    nodes = list(invocation.arguments)
    if len(nodes) not in (1, 2):
        return invocation.refuse_with_help("One or two node names must be specified")
    client = invocation.client()
    wan = invocation.switch("wan")
    try:
        if len(nodes) == 1:
            nodes.append(_own_name(client, wan=wan))
        found = [_wan(client, node) for node in nodes] if wan else _lan(client, nodes)
    except _Unknown as error:
        return invocation.refuse(str(error))
    milliseconds = found[0].distance_to(found[1]) * 1000
    pool = "WAN" if wan else "LAN"
    invocation.out(f"Estimated {nodes[0]} <-> {nodes[1]} rtt: {milliseconds:.3f} ms (using {pool} coordinates)")
    return 0


def _own_name(client: "Client", *, wan: bool) -> str:
    from muster.client.errors import ClientError

    try:
        config = client.agent.self().config
    except ClientError as error:
        raise _Unknown(f"Unable to look up agent info: {error}") from error
    name = config.get("NodeName", "")
    return f"{name}.{config.get('Datacenter', '')}" if wan else name


def _lan(client: "Client", nodes: list[str]) -> "list[Coordinate]":
    """The coordinates of both nodes in the same network segment."""
    from muster.client.errors import ClientError

    try:
        entries = client.coordinate.nodes().value
    except ClientError as error:
        raise _Unknown(f"Error getting coordinates: {error}") from error
    by_node: dict[str, dict[str, Coordinate]] = {node: {} for node in nodes}
    for entry in entries:
        if entry.node in by_node and entry.coord is not None:
            by_node[entry.node][entry.segment] = entry.coord
    for node in nodes:
        if not by_node[node]:
            raise _Unknown(f'Could not find a coordinate for node "{node}"')
    shared = next((segment for segment in by_node[nodes[0]] if segment in by_node[nodes[1]]), None)
    if shared is None:
        raise _Unknown("Could not find a segment that both nodes are in")
    return [by_node[node][shared] for node in nodes]


def _wan(client: "Client", node: str) -> "Coordinate":
    """The coordinate of a server, named `node.datacenter`."""
    from muster.client.errors import ClientError

    name, separator, datacenter = node.rpartition(".")
    if not separator or "." in name:
        raise _Unknown("Node names must be specified as <node name>.<datacenter> with -wan")
    try:
        areas = client.coordinate.datacenters()
    except ClientError as error:
        raise _Unknown(f"Error getting coordinates: {error}") from error
    for area in areas:
        for entry in (area.coordinates or []) if area.datacenter == datacenter else []:
            if entry.node == name and entry.coord is not None:
                return entry.coord
    raise _Unknown(f'Could not find a coordinate for node "{name}" in datacenter "{datacenter}"')


COMMAND = Command(
    usage="rtt [options] node1 [node2]",
    description="""
Estimates the round-trip time between two nodes from their network coordinates, without sending anything between them. The
second node is by default the asked agent's.

With -wan the nodes are servers and named as in "muster members -wan", with a period and the datacenter.
""",
    run=run,
    flags=(Flag("wan", SWITCH, "Use the coordinates between datacenters."),),
)
